//===-- EmitPTX.cpp - from the LLVM dialect to PTX -------------------------===//

#include "compiler/EmitPTX.h"

#include "compiler/Optimize.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Target/TargetOptions.h"
#include <mutex>

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

extern "C" {
void LLVMInitializeNVPTXTargetInfo();
void LLVMInitializeNVPTXTarget();
void LLVMInitializeNVPTXTargetMC();
void LLVMInitializeNVPTXAsmPrinter();
}

/// Shared-memory pointers of 32 bits. Only a flag of the whole process sets it, which is safe: this LLVM is ours alone.
static void useShortPointers() {
  if (cl::Option *option = cl::getRegisteredOptions().lookup("nvptx-short-ptr"))
    static_cast<cl::opt<bool> *>(option)->setValue(true);
}

/// Loop strength reduction turns the addresses of a loop into 64-bit counters, one register pair each, that the loop's
/// products have no room for. The flag is of the process and read while the passes are chosen: it is set for that long
/// only, so that code for the CPU is not touched.
static bool addPasses(TargetMachine &machine, legacy::PassManager &passes, raw_pwrite_stream &stream) {
  static std::mutex oneAtATime;
  std::lock_guard<std::mutex> lock(oneAtATime);
  auto *option = static_cast<cl::opt<bool> *>(cl::getRegisteredOptions().lookup("disable-lsr"));
  if (option)
    option->setValue(true);
  bool failed = machine.addPassesToEmitFile(passes, stream, nullptr, CodeGenFileType::AssemblyFile);
  if (option)
    option->setValue(false);
  return !failed;
}

static std::unique_ptr<TargetMachine> createMachine(const Arch &arch) {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    useShortPointers();
  });
  Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const Target *target = TargetRegistry::lookupTarget(triple, error);
  TargetOptions options;
  options.AllowFPOpFusion = FPOpFusion::Fast;
  return std::unique_ptr<TargetMachine>(target->createTargetMachine(
      triple, arch.chip, arch.feature(), options, Reloc::PIC_, std::nullopt, CodeGenOptLevel::Aggressive));
}

PTXEmitter::PTXEmitter(const Arch &arch, Messages &messages)
    : messages(messages), machine(createMachine(arch)), context(std::make_unique<LLVMContext>()) {
  // The default handler prints, and exits on errors.
  context->setDiagnosticHandlerCallBack(
      [](const DiagnosticInfo *info, void *into) {
        Message::Severity severity = info->getSeverity() == DS_Error ? Message::Error : Message::Warning;
        if (info->getSeverity() == DS_Remark || info->getSeverity() == DS_Note)
          return;
        std::string message;
        raw_string_ostream stream(message);
        DiagnosticPrinterRawOStream printer(stream);
        info->print(printer);
        Message said{severity, "", 0, 0, message, {}};
        if (auto *located = dyn_cast<DiagnosticInfoUnsupported>(info); located && located->isLocationAvailable()) {
          said.file = located->getAbsolutePath();
          said.line = located->getLocation().getLine();
          said.column = located->getLocation().getColumn();
        }
        static_cast<Messages *>(into)->push_back(std::move(said));
      },
      &messages, /*RespectFilters=*/false);
}

PTXEmitter::~PTXEmitter() = default;

bool PTXEmitter::translate(mlir::ModuleOp source) {
  module = mlir::translateModuleToLLVMIR(source, *context, source.getName().value_or("kernel"));
  return module && finish();
}

bool PTXEmitter::parse(StringRef text, StringRef file) {
  SMDiagnostic error;
  module = parseAssembly(MemoryBufferRef(text, file), error, *context);
  if (module)
    return finish();
  messages.push_back({Message::Error,
                      file.str(),
                      unsigned(std::max(1, error.getLineNo())),
                      unsigned(std::max(0, error.getColumnNo()) + 1),
                      error.getMessage().str(),
                      {}});
  return false;
}

bool PTXEmitter::finish() {
  module->setTargetTriple(machine->getTargetTriple());
  module->setDataLayout(machine->createDataLayout());
  // Inline assembly comes without `convergent`, though barriers and warp-wide instructions are.
  for (Function &function : *module)
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<CallInst>(&instruction); call && call->isInlineAsm())
        call->setConvergent();
  std::string message;
  raw_string_ostream stream(message);
  if (!verifyModule(*module, &stream))
    return true;
  messages.push_back({Message::Error, "", 0, 0, "the LLVM IR is not valid: " + message, {}});
  return false;
}

std::string PTXEmitter::printIR() const {
  std::string text;
  raw_string_ostream stream(text);
  module->print(stream, nullptr);
  return text;
}

std::string PTXEmitter::emit() {
  optimize(*module, *machine);
  SmallString<0> text;
  raw_svector_ostream stream(text);
  legacy::PassManager passes;
  if (!addPasses(*machine, passes, stream))
    report_fatal_error("the NVPTX back end cannot write assembly");
  passes.run(*module);
  return std::string(text);
}
