#ifndef TREADLE_TILE_PASSES
#define TREADLE_TILE_PASSES

include "mlir/Pass/PassBase.td"

def AssignLayouts : Pass<"tile-assign-layouts", "::mlir::func::FuncOp"> {
  let summary = "give every tensor of a kernel a layout";
  let description = [{
    Products get the tensor-core accumulator layout and demand operand layouts; reads that feed products are staged in shared memory
    (`alloc`, `async_load`, `local_load`); other reads and writes get coalesced layouts; everything in between takes the layout its consumer
    needs. Cheap values are recomputed in each layout they are needed in; the rest is converted (`convert_layout`). Tiles in shared memory
    lie so that the accesses to them conflict least. Results do not change.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect"];
}

def Pipeline : Pass<"tile-pipeline", "::mlir::func::FuncOp"> {
  let summary = "overlap the copies of later iterations with the work of this one";
  let description = [{
    The asynchronous copies of an `scf.for` whose addresses depend only on the induction variable and on values from outside are
    issued `tile.num_stages` - 1 iterations ahead, into a ring of slots. Results do not change.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect"];
}

def LowerToGPU : Pass<"tile-lower-to-gpu", "::mlir::ModuleOp"> {
  let summary = "from scheduled tiles to the program of one thread";
  let description = [{
    Every tensor becomes its registers; loads and stores become vector accesses with masks from the views' bounds; products become
    `nvvm.mma.sync`, conversions shuffles or shared-memory exchanges, reductions and scans shuffles. Allocates shared memory, with reuse,
    and inserts the barriers it needs.
  }];
  let options = [Option<"chip", "chip", "std::string", "\"sm_80\"", "the target chip, sm_80 or later">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

#endif
