//===-- Compiler.cpp - from MLIR text to any phase -------------------------===//

#include "compiler/Compiler.h"

#include "compiler/Crash.h"
#include "compiler/EmitPTX.h"
#include "compiler/Header.h"
#include "compiler/Input.h"
#include "compiler/Manifest.h"
#include "compiler/MergePTX.h"
#include "compiler/Passes.h"
#include "compiler/Program.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "target/cpu/Jit.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

using namespace mlir;
using namespace treadle;
using namespace treadle::compiler;

//===-- contexts -----------------------------------------------------------===//

namespace {
/// Contexts with every dialect loaded. Making one costs more than a small kernel, so they are kept for the next
/// compile; what a context interns is never freed, so it is not kept for ever.
class Contexts {
public:
  struct Entry {
    std::unique_ptr<MLIRContext> context;
    unsigned uses = 0;
  };

  static Contexts &get() {
    static Contexts *contexts = new Contexts(); // never destroyed: threads may outlive `main`
    return *contexts;
  }

  Entry acquire() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (!idle.empty()) {
        Entry entry = std::move(idle.back());
        idle.pop_back();
        return entry;
      }
    }
    return {makeContext()};
  }

  void release(Entry entry) {
    if (++entry.uses >= 256)
      return;
    std::lock_guard<std::mutex> lock(mutex);
    idle.push_back(std::move(entry));
  }

private:
  Contexts() { registerPasses(); }
  std::mutex mutex;
  std::vector<Entry> idle;
};

//===-- one compile --------------------------------------------------------===//

Message failure(std::string text) { return {Message::Error, "", 0, 0, std::move(text), {}}; }

/// A compile under way. It is leaked when it crashes.
class Job {
public:
  Job(Contexts::Entry entry, StringRef text, const Options &options)
      : entry(std::move(entry)), text(text.str()), options(options), arch(*findArch(options.arch)) {}

  void run() {
    Collector collector(entry.context.get(), result.messages);
    begin(options.from);
    result.ok = runPhases() && !hasError(result.messages);
    parts.clear();
  }

  void runForCpu() {
    Collector collector(entry.context.get(), result.messages);
    begin(Phase::Tile);
    result.ok = parse() && end() && jit() && !hasError(result.messages);
    parts.clear();
  }

  Contexts::Entry entry;
  Result result;
  std::unique_ptr<CpuKernel> cpuKernel;
  Phase current = Phase::Tile; ///< being made
private:
  using Clock = std::chrono::steady_clock;

  void begin(Phase phase) {
    current = phase;
    started = Clock::now();
  }

  /// Notes the time, and writes the dump.
  bool end() {
    double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - started).count();
    result.milliseconds.emplace_back(nameOf(current).str(), elapsed);
    return options.dumpDir.empty() || dump();
  }

  bool error(const Twine &message) {
    result.messages.push_back(failure(message.str()));
    return false;
  }

  /// What is compiled by itself: the program, or one of its kernels.
  struct Part {
    OwningOpRef<ModuleOp> module;
    std::unique_ptr<PTXEmitter> emitter;
    std::string ptx;
    Messages messages; ///< LLVM's
    bool isGood = false;
    std::string crash;
  };

  bool runPhases() {
    size_t before = result.messages.size();
    while (!tryPhases()) {
      if (!takeLess())
        return false;
      result.messages.resize(before);
      begin(options.from);
    }
    return true;
  }

  /// The chunks of mixers are chosen by an estimate of the shared memory that they take. Where that is too low, they
  /// are chosen again, with less to share out; kernels that go token by token no longer load ahead.
  bool takeLess() {
    bool isLess = false;
    SmallVector<func::FuncOp> kernels; // those that are as they were before the phase that failed
    for (Part &part : parts)
      if (part.module)
        llvm::append_range(kernels, part.module->getOps<func::FuncOp>());
    for (func::FuncOp kernel : kernels) {
      auto derivation = kernel->getAttrOfType<DictionaryAttr>("treadle.derivation");
      auto rows = derivation ? derivation.getAs<IntegerAttr>("chunk") : IntegerAttr();
      if (!kernel->hasAttr("tile.shared_bytes") || !rows || (rows.getInt() == 1 && tile::numStages(kernel) == 1))
        continue;
      StringRef name = kernel.getName();
      if (StringRef whole = name; whole.consume_back("_segments") && functions.contains(whole))
        name = whole;
      int64_t &share = shares.try_emplace(name, tile::sharedLimit(arch.chip)).first->second;
      share = share * 3 / 4;
      isLess |= share > 0;
    }
    return isLess;
  }

  bool tryPhases() {
    parts.clear();
    if (options.from == Phase::LLVMIR) {
      Part &part = parts.emplace_back();
      part.emitter = std::make_unique<PTXEmitter>(arch, result.messages);
      if (!part.emitter->parse(text, options.file) || !end())
        return false;
    } else if (!parse() || !end()) {
      return false;
    }
    for (Phase phase : allPhases()) {
      if (phase <= options.from || phase > options.emit)
        continue;
      begin(phase);
      if (phase == Phase::GPU)
        goApart();
      if (!(phase == Phase::PTX ? emitPTX() : lowerTo(phase)) || !end())
        return false;
      if (phase == Phase::GPU && !manifest.empty())
        for (Part &part : parts)
          addSharedBytes(*part.module, manifest);
    }
    result.artifacts["text"] = print(options.emit);
    return options.emit != Phase::PTX || bundle();
  }

  bool parse() {
    Program program = readProgram(entry.context.get(), text, options.file, options.from, options.arch, shares);
    if (!program.module)
      return hasError(result.messages) ? false : error("the program cannot be parsed");
    manifest = std::move(program.manifest);
    parts.emplace_back().module = std::move(program.module);
    functions.clear();
    for (auto function : whole().getOps<func::FuncOp>()) {
      functions.insert(function.getName());
      if (options.from == Phase::Tile && !tile::isKernel(function))
        function.setPrivate(); // to be inlined, then dropped
      if (options.fastMath && tile::isKernel(function))
        function->setAttr("tile.fast_math", UnitAttr::get(function.getContext()));
    }
    return !hasError(result.messages);
  }

  /// The program, where it is in one part.
  ModuleOp whole() { return *parts.front().module; }

  /// Kernels on tiles that are scheduled have nothing to do with each other: on the way to PTX each goes by itself.
  void goApart() {
    if (options.emit != Phase::PTX || !options.dumpDir.empty())
      return;
    SmallVector<func::FuncOp> kernels;
    for (Operation &op : *whole().getBody()) {
      auto kernel = dyn_cast<func::FuncOp>(op);
      if (!kernel || !tile::isKernel(kernel))
        return;
      kernels.push_back(kernel);
    }
    if (kernels.size() < 2)
      return;
    for (func::FuncOp kernel : kernels) {
      OwningOpRef<ModuleOp> module = ModuleOp::create(whole().getLoc());
      (*module)->setAttrs(whole()->getAttrDictionary());
      kernel->remove();
      module->push_back(kernel);
      parts.emplace_back().module = std::move(module);
    }
    parts.pop_front();
    entry.uses += unsigned(parts.size()); // threads intern in memory of their own
  }

  /// Does something to every part, to several at once. What they say comes in their order.
  bool onParts(llvm::function_ref<bool(Part &)> work) {
    if (parts.size() == 1)
      return work(parts.front());
    MLIRContext &context = *entry.context;
    context.enableMultithreading();
    {
      ParallelDiagnosticHandler inOrder(&context);
      std::atomic<size_t> next{0};
      auto run = [&] {
        for (size_t i; (i = next++) < parts.size();) {
          Part &part = parts[i];
          part.isGood = runGuarded(
                            [&] {
                              inOrder.setOrderIDForThread(i);
                              part.isGood = work(part);
                              inOrder.eraseOrderIDForThread();
                            },
                            part.crash) &&
                        part.isGood;
        }
      };
      std::vector<std::thread> threads(
          std::min<size_t>(parts.size(), std::max(1u, std::thread::hardware_concurrency())));
      for (std::thread &thread : threads)
        thread = std::thread(run);
      for (std::thread &thread : threads)
        thread.join();
    }
    context.disableMultithreading();
    for (Part &part : parts)
      if (!part.crash.empty())
        llvm::report_fatal_error(StringRef(part.crash), /*gen_crash_diag=*/false);
    return llvm::all_of(parts, [](const Part &part) { return part.isGood; });
  }

  bool lowerTo(Phase phase) {
    bool isGood = onParts([&](Part &part) {
      PassManager passes(entry.context.get(), ModuleOp::getOperationName());
      if (failed(parsePassPipeline(pipelineTo(phase, arch), passes)) || failed(passes.run(*part.module)))
        return false;
      if (phase != Phase::LLVMIR)
        return true;
      part.emitter = std::make_unique<PTXEmitter>(arch, part.messages);
      return part.emitter->translate(*part.module);
    });
    takeMessages();
    if (isGood || hasError(result.messages))
      return isGood;
    return error("phase '" + nameOf(phase) + "' failed");
  }

  bool emitPTX() {
    onParts([](Part &part) {
      part.ptx = part.emitter->emit();
      return true;
    });
    takeMessages();
    std::vector<std::string> texts;
    for (Part &part : parts)
      texts.push_back(std::move(part.ptx));
    ptx = texts.size() == 1 ? std::move(texts.front()) : mergePTX(texts);
    return !hasError(result.messages);
  }

  /// What LLVM said of parts.
  void takeMessages() {
    for (Part &part : parts) {
      llvm::append_range(result.messages, part.messages);
      part.messages.clear();
    }
  }

  bool jit() {
    auto before = Clock::now();
    if (manifest.empty())
      return error("the program has no kernel");
    if (options.kernel.empty() && manifest.getArray("launches")->size() != 1)
      return error("the CPU runs programs of one kernel, found " + Twine(manifest.getArray("launches")->size()));
    PassManager passes(entry.context.get(), ModuleOp::getOperationName());
    passes.addPass(createInlinerPass({}, /*defaultPipelineBuilder=*/[](OpPassManager &) {}));
    if (failed(passes.run(whole())))
      return hasError(result.messages) ? false : error("inlining failed");
    llvm::Expected<std::unique_ptr<CpuKernel>> compiled = CpuKernel::compile(whole(), options.kernel);
    if (!compiled)
      return error(llvm::toString(compiled.takeError()));
    cpuKernel = std::move(*compiled);
    result.milliseconds.emplace_back("cpu", std::chrono::duration<double, std::milli>(Clock::now() - before).count());
    describe("cpu");
    result.artifacts["manifest"] = printManifest(manifest);
    return true;
  }

  /// The name of the bundle; notes in the manifest what the program is.
  std::string describe(StringRef target) {
    StringRef first = *(*manifest.getArray("launches"))[0].getAsObject()->getString("entry");
    std::string name = options.name.empty() ? first.str() : options.name;
    manifest["constants"] = llvm::json::Object(options.constants);
    if (!options.dtype.empty())
      manifest["dtype"] = options.dtype;
    beginManifest(manifest, name, target);
    return name;
  }

  std::string print(Phase phase) {
    if (phase == Phase::PTX)
      return ptx;
    if (phase == Phase::LLVMIR)
      return parts.front().emitter->printIR();
    std::string printed;
    llvm::raw_string_ostream stream(printed);
    OpPrintingFlags flags;
    if (options.locations)
      flags.enableDebugInfo();
    whole().print(stream, flags);
    stream << "\n";
    return printed;
  }

  bool dump() {
    std::error_code problem = llvm::sys::fs::create_directories(options.dumpDir);
    StringRef suffix = current == Phase::PTX ? ".ptx" : current == Phase::LLVMIR ? ".ll" : ".mlir";
    SmallString<128> path(options.dumpDir);
    llvm::sys::path::append(path, Twine(int(current)) + "-" + nameOf(current) + suffix);
    if (!problem) {
      llvm::raw_fd_ostream stream(path, problem);
      if (!problem)
        stream << print(current);
    }
    return !problem || error("cannot write " + path + ": " + problem.message());
  }

  bool bundle() {
    result.artifacts["ptx"] = ptx;
    std::optional<Assembled> assembled;
    std::string ptxas = options.ptxas ? findPtxas() : std::string();
    if (!ptxas.empty()) {
      auto before = Clock::now();
      assembled = assemble(ptxas, ptx, arch.chip, result.messages);
      if (!assembled)
        return false;
      result.milliseconds.emplace_back("ptxas",
                                       std::chrono::duration<double, std::milli>(Clock::now() - before).count());
      result.artifacts["cubin"] = assembled->cubin;
    }
    if (manifest.empty())
      return true; // the program came without kernels of the tile dialect: nobody knows its arguments
    std::string name = describe(arch.chip);
    finishManifest(manifest, name, ptx, assembled);
    if (options.from == Phase::Tile) {
      (*manifest.getObject("files"))["mlir"] = name + ".mlir";
      result.artifacts["mlir"] = text;
    }
    result.artifacts["manifest"] = printManifest(manifest);
    result.artifacts["header"] = printHeader(manifest, assembled ? StringRef(assembled->cubin) : StringRef(), ptx);
    return true;
  }

  std::string text;
  Options options;
  Arch arch;
  Clock::time_point started;
  std::deque<Part> parts;
  llvm::StringSet<> functions; ///< of the program
  llvm::StringMap<int64_t> shares;
  llvm::json::Object manifest;
  std::string ptx;
};
} // namespace

//===-- crashes ------------------------------------------------------------===//

/// What a crash leaves behind: the program before the phase that crashed, and the command that crashes again. Returns
/// the file's name.
static std::string writeReproducer(StringRef text, const Options &options, Phase crashed) {
  Options again = options;
  again.locations = true;
  again.dumpDir.clear();
  again.emit = std::max(options.from, Phase(std::max(int(crashed) - 1, 0)));
  std::string program = text.str(), reason;
  if (crashed > options.from) {
    auto *job = new Job(Contexts::get().acquire(), text, again);
    if (runGuarded([&] { job->run(); }, reason) && job->result.ok)
      program = job->result.artifacts["text"];
    else
      again.emit = options.from;
    // Leaked with the rest: this is no place to be careful about memory.
  }
  SmallString<128> path;
  int file;
  StringRef suffix = again.emit == Phase::LLVMIR ? "ll" : "mlir";
  if (llvm::sys::fs::createTemporaryFile("treadle-reproducer", suffix, file, path))
    return "";
  llvm::raw_fd_ostream stream(file, /*shouldClose=*/true);
  StringRef comment = again.emit == Phase::LLVMIR ? ";" : "//";
  stream << comment << " treadlec --from=" << nameOf(again.emit) << " --emit=" << nameOf(options.emit)
         << " --arch=" << options.arch << " " << path << "\n"
         << program;
  return std::string(path);
}

static Result refusal(Message message) {
  Result result;
  result.messages.push_back(std::move(message));
  return result;
}

/// Runs a job to its end; what it leaves is in `job`, which is null after a crash.
static Result runJob(Job *&job, llvm::function_ref<void()> body, llvm::function_ref<Message(std::string)> onCrash) {
  std::string reason;
  if (runGuarded(body, reason)) {
    Contexts::get().release(std::move(job->entry));
    return std::move(job->result);
  }
  Result result;
  result.messages = job->result.messages;
  result.messages.push_back(onCrash(reason));
  job = nullptr; // in no known state: leaked
  return result;
}

Result compiler::compile(StringRef text, const Options &options) {
  if (auto refused = checkInput(text, options.file))
    return refusal(*refused);
  auto *job = new Job(Contexts::get().acquire(), text, options);
  Result result = runJob(
      job, [&] { job->run(); },
      [&](const std::string &reason) {
        Message message = failure(job->current == Phase::PTX ? "code generation failed: " + reason
                                                             : "the compiler crashed in phase '" +
                                                                   nameOf(job->current).str() + "': " + reason);
        std::string path = writeReproducer(text, options, job->current);
        if (!path.empty())
          message.notes.push_back({Message::Note, "", 0, 0, "a reproducer was written to " + path, {}});
        return message;
      });
  delete job;
  return result;
}

Result compiler::compileForCpu(StringRef text, const Options &options, std::unique_ptr<CpuKernel> &kernel) {
  if (auto refused = checkInput(text, options.file))
    return refusal(*refused);
  auto *job = new Job(Contexts::get().acquire(), text, options);
  Result result = runJob(
      job, [&] { job->runForCpu(); },
      [&](const std::string &reason) { return failure("the compiler crashed in compiling for the CPU: " + reason); });
  if (job)
    kernel = std::move(job->cpuKernel);
  delete job;
  return result;
}
