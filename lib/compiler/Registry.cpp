//===-- Registry.cpp - the passes and dialects that the phases name --------===//

#include "compiler/Passes.h"

#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Extensions/InlinerExtension.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/Transforms/InlinerInterfaceImpl.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Transforms/Passes.h"
#include "tile/IR/Tile.h"
#include "tile/Transforms/Passes.h"
#include "treadle/IR/Treadle.h"
#include "treadle/Transforms/Passes.h"

using namespace mlir;

void treadle::compiler::registerPasses() {
  registerTreadlePasses();
  tile::registerTilePasses();
  registerPass([] { return createLowerMathPass(); });
  registerPass([] { return createLowerToLLVMPass(); });
  registerPass([] { return createVerifyKernelsPass(); });
  registerPass([] { return createInlinerPass(); });
  registerPass([] { return createSymbolDCEPass(); });
  registerPass([] { return createCanonicalizerPass(); });
  registerPass([] { return createCSEPass(); });
  registerPass([] { return createSCFToControlFlowPass(); });
  registerPass([] { return createConvertNVVMToLLVMPass(); });
  registerPass([] { return LLVM::createDIScopeForLLVMFuncOpPass(); });
}

void treadle::compiler::registerDialects(DialectRegistry &registry) {
  registry.insert<TreadleDialect, tile::TileDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                  LLVM::LLVMDialect, math::MathDialect, NVVM::NVVMDialect, scf::SCFDialect, ub::UBDialect,
                  vector::VectorDialect>();
  func::registerInlinerExtension(registry);
  LLVM::registerInlinerInterface(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}
