//===-- Optimize.cpp - LLVM's optimiser, set up for kernels ----------------===//

#include "compiler/Optimize.h"

#include "llvm/Analysis/CGSCCPassManager.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

/// A constant offset is free as part of an access's address, but costs a register for as long as it lives when it was
/// hoisted out of the access's loop. Give each user in another block its own.
static void sinkConstantOffsets(Function &function) {
  SmallVector<GetElementPtrInst *> offsets;
  for (BasicBlock &block : function)
    for (Instruction &instruction : block)
      if (auto *gep = dyn_cast<GetElementPtrInst>(&instruction); gep && gep->hasAllConstantIndices())
        offsets.push_back(gep);
  // From the last to the first: what a sunk offset starts from may be an offset itself.
  for (GetElementPtrInst *gep : reverse(offsets)) {
    DenseMap<BasicBlock *, Instruction *> copies;
    for (Use &use : make_early_inc_range(gep->uses())) {
      auto *user = cast<Instruction>(use.getUser());
      if (user->getParent() == gep->getParent() || isa<PHINode>(user))
        continue;
      Instruction *&copy = copies[user->getParent()];
      if (!copy) {
        copy = gep->clone();
        copy->insertBefore(user->getParent()->getFirstInsertionPt());
      }
      use.set(copy);
    }
    if (gep->use_empty())
      gep->eraseFromParent();
  }
}

void treadle::compiler::optimize(Module &module, TargetMachine &machine) {
  PipelineTuningOptions tuning;
  tuning.LoopUnrolling = false;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(OptimizationLevel::O3).run(module, modules);
  for (Function &function : module)
    sinkConstantOffsets(function);
}
