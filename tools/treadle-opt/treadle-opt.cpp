//===-- treadle-opt.cpp - run passes one by one ----------------------------===//

#include "compiler/Passes.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "target/cpu/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  treadle::compiler::registerPasses();
  treadle::cpu::registerCpuPasses();
  treadle::compiler::registerDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Treadle's passes, one by one\n", registry));
}
