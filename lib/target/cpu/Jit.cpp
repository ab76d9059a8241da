//===-- Jit.cpp - kernels compiled for and run on the host -----------------===//

#include "target/cpu/Jit.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "target/cpu/Passes.h"
#include "tile/IR/Tile.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/CompileUtils.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <vector>

using namespace mlir;
using namespace treadle;
using llvm::Error;
using llvm::Expected;

#if defined(__x86_64__)
// Conversions that machines without F16C do by a call.
extern "C" float __extendhfsf2(_Float16);
extern "C" _Float16 __truncsfhf2(float);
#endif

using Entry = void (*)(void **, int64_t, int64_t, int64_t);

struct CpuKernel::Impl {
  std::string name;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  Entry entry = nullptr;
  int64_t stackBytes = 0;
};

CpuKernel::CpuKernel(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
CpuKernel::~CpuKernel() = default;
const std::string &CpuKernel::name() const { return impl->name; }

//===-- compiling ----------------------------------------------------------===//

static Error makeError(const llvm::Twine &text) { return llvm::createStringError(text); }

/// The machine to compile for.
static Expected<llvm::orc::JITTargetMachineBuilder> machine(StringRef cpu) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  if (!cpu.empty()) {
    *builder = llvm::orc::JITTargetMachineBuilder(builder->getTargetTriple());
    builder->setCPU(cpu.str());
  }
  if (builder->getTargetTriple().isX86())
    builder->addFeatures({"-prefer-256-bit"}); // the code is made of whole registers
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
  builder->getOptions().AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return builder;
}

static int registerBits(const llvm::TargetMachine &target) {
  if (!target.getTargetTriple().isX86())
    return 128;
  const llvm::MCSubtargetInfo &info = *target.getMCSubtargetInfo();
  return info.checkFeatures("+avx512f") ? 512 : info.checkFeatures("+avx") ? 256 : 128;
}

/// A copy of the module with the kernel alone, in the LLVM dialect.
static Expected<OwningOpRef<ModuleOp>> lower(ModuleOp module, std::string &name, int vectorBits) {
  func::FuncOp kernel;
  for (auto function : module.getOps<func::FuncOp>()) {
    if (!tile::isKernel(function) || (!name.empty() && function.getName() != name))
      continue;
    if (kernel)
      return makeError("the module has several kernels: name one");
    kernel = function;
  }
  if (!kernel)
    return makeError(name.empty() ? "the module has no kernel"
                                  : "the module has no kernel '" + llvm::Twine(name) + "'");
  name = kernel.getName().str();

  OwningOpRef<ModuleOp> copy = ModuleOp::create(module.getLoc());
  copy->push_back(kernel->clone());
  std::string text;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      text += (text.empty() ? "" : "\n") + diagnostic.str();
    return success();
  });
  PassManager passes(module.getContext(), ModuleOp::getOperationName());
  passes.enableVerifier(false);
  passes.addPass(createCSEPass());
  passes.addPass(cpu::createLowerToCpuPass(vectorBits));
  passes.addPass(cpu::createCpuToLLVMPass());
  if (mlir::failed(passes.run(*copy)))
    return makeError(text.empty() ? "'" + llvm::Twine(name) + "' could not be lowered for the CPU" : llvm::Twine(text));
  return copy;
}

/// The code comes in vectors, in loops, without calls: what pays is little, and LLVM's O3 takes three times as long.
static Error optimize(llvm::Module &module, llvm::TargetMachine &target) {
  llvm::PassBuilder builder(&target);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes;
  const char *pipeline = "function(simplifycfg,early-cse<memssa>,instcombine<no-verify-fixpoint>,loop-mssa(loop-rotate,"
                         "licm),early-cse<memssa>,"
                         "loop(indvars,loop-deletion),simplifycfg,instcombine<no-verify-fixpoint>)";
  if (Error error = builder.parsePassPipeline(passes, pipeline))
    return error;
  passes.run(module, modules);
  return Error::success();
}

namespace {
/// Keeps LLVM's errors instead of ending the process.
struct Diagnostics : llvm::DiagnosticHandler {
  std::string &text;
  explicit Diagnostics(std::string &text) : text(text) {}
  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() == llvm::DS_Error) {
      llvm::raw_string_ostream os(text);
      llvm::DiagnosticPrinterRawOStream printer(os);
      info.print(printer);
    }
    return true;
  }
};
} // namespace

static Error addLibrary(llvm::orc::LLJIT &jit) {
  llvm::orc::SymbolMap symbols;
  auto add = [&](StringRef name, auto *function) {
    symbols[jit.mangleAndIntern(name)] =
        llvm::orc::ExecutorSymbolDef(llvm::orc::ExecutorAddr::fromPtr(function), llvm::JITSymbolFlags::Exported);
  };
  add("memcpy", &std::memcpy);
  add("memmove", &std::memmove);
  add("memset", &std::memset);
  add("sinf", &::sinf);
  add("cosf", &::cosf);
  add("powf", &::powf);
  add("fmodf", &::fmodf);
#if defined(__x86_64__)
  add("__extendhfsf2", &__extendhfsf2);
  add("__truncsfhf2", &__truncsfhf2);
#endif
  llvm::orc::JITDylib &library = jit.getMainJITDylib();
  if (Error error = library.define(llvm::orc::absoluteSymbols(std::move(symbols))))
    return error;
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(jit.getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  library.addGenerator(std::move(*process));
  return Error::success();
}

Expected<std::unique_ptr<CpuKernel>> CpuKernel::compile(ModuleOp module, StringRef name, StringRef cpu) {
  auto builder = machine(cpu);
  if (!builder)
    return builder.takeError();
  auto target = builder->createTargetMachine();
  if (!target)
    return target.takeError();

  auto impl = std::make_unique<Impl>();
  impl->name = name.str();
  auto lowered = lower(module, impl->name, registerBits(**target));
  if (!lowered)
    return lowered.takeError();
  Operation *entry = SymbolTable::lookupSymbolIn(**lowered, impl->name);
  impl->stackBytes = entry->getAttrOfType<IntegerAttr>("treadle.stack_bytes").getInt();

  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  auto context = std::make_unique<llvm::LLVMContext>();
  std::string text;
  context->setDiagnosticHandler(std::make_unique<Diagnostics>(text));
  std::unique_ptr<llvm::Module> code = translateModuleToLLVMIR(**lowered, *context, impl->name);
  if (!code)
    return makeError("'" + llvm::Twine(impl->name) + "' could not be translated to LLVM IR");
  code->setTargetTriple((*target)->getTargetTriple());
  code->setDataLayout((*target)->createDataLayout());

  if (Error error = optimize(*code, **target))
    return std::move(error);
  auto object = llvm::orc::SimpleCompiler(**target)(*code);
  if (!object)
    return object.takeError();
  if (!text.empty())
    return makeError("LLVM failed to compile '" + llvm::Twine(impl->name) + "' for the CPU: " + text);

  auto jit = llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(*builder)).create();
  if (!jit)
    return jit.takeError();
  impl->jit = std::move(*jit);
  if (Error error = addLibrary(*impl->jit))
    return error;
  if (Error error = impl->jit->addObjectFile(std::move(*object)))
    return error;
  auto symbol = impl->jit->lookup(impl->name);
  if (!symbol)
    return symbol.takeError();
  impl->entry = symbol->toPtr<Entry>();
  return std::unique_ptr<CpuKernel>(new CpuKernel(std::move(impl)));
}

//===-- running ------------------------------------------------------------===//

namespace {
struct Launch {
  Entry entry;
  void **params;
  int64_t grid[3], blocks, chunk;
  std::atomic<int64_t> next{0};

  void run(int64_t block) const {
    entry(params, block % grid[0], block / grid[0] % grid[1], block / grid[0] / grid[1]);
  }
  void work() {
    for (;;) {
      int64_t begin = next.fetch_add(chunk), end = std::min(begin + chunk, blocks);
      if (begin >= blocks)
        return;
      for (int64_t block = begin; block < end; ++block)
        run(block);
    }
  }
};
} // namespace

/// What the caller's stack surely has room for, and what other threads get besides the tiles.
static constexpr int64_t SmallStack = 512 << 10, SpareStack = 512 << 10;
/// Starting threads for less than this is a loss.
static constexpr double ShortSeconds = 100e-6;

void CpuKernel::launch(const int64_t grid[3], void **params, int numThreads) const {
  Launch launch{impl->entry, params, {grid[0], grid[1], grid[2]}, grid[0] * grid[1] * grid[2], 1};
  if (grid[0] <= 0 || grid[1] <= 0 || grid[2] <= 0)
    return;
  if (numThreads <= 0)
    numThreads = std::max(1u, std::thread::hardware_concurrency());
  bool here = impl->stackBytes <= SmallStack; // may this thread compute?
  if (here) {
    auto start = std::chrono::steady_clock::now();
    launch.next = 1;
    launch.run(0);
    std::chrono::duration<double> one = std::chrono::steady_clock::now() - start;
    if (one.count() * double(launch.blocks - 1) < ShortSeconds)
      numThreads = 1;
  }
  int64_t left = launch.blocks - launch.next;
  numThreads = std::min<int64_t>(numThreads, left);
  launch.chunk = std::max<int64_t>(1, left / std::max(1, numThreads) / 8);

  std::vector<pthread_t> threads;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (impl->stackBytes + SpareStack + 4095) / 4096 * 4096);
  for (int i = here ? 1 : 0; i < numThreads; ++i) {
    pthread_t thread;
    if (pthread_create(
            &thread, &attributes, [](void *data) -> void * { return static_cast<Launch *>(data)->work(), nullptr; },
            &launch))
      break; // the others do its share
    threads.push_back(thread);
  }
  pthread_attr_destroy(&attributes);
  if (here)
    launch.work();
  else if (threads.empty())
    llvm::report_fatal_error("no thread could be started for a kernel");
  for (pthread_t thread : threads)
    pthread_join(thread, nullptr);
}
