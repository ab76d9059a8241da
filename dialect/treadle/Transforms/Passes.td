#ifndef TREADLE_TREADLE_PASSES
#define TREADLE_TREADLE_PASSES

include "mlir/Pass/PassBase.td"

def Chunk : Pass<"treadle-chunk", "::mlir::ModuleOp"> {
  let summary = "from mixers in normal form to kernels that take a chunk of tokens at once";
  let description = [{
    Every function with `treadle.mixer` and `treadle.chunk = N` whose step is in normal form becomes a `tile.kernel` of the same name that works on
    N tokens at once, or fewer where their values need too many registers. Others are left as they are, with a remark at the op that is the cause.
  }];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", /*default=*/"227 << 10",
                        "shared memory that a block may have, in bytes">];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::scf::SCFDialect"];
}

def Sequential : Pass<"treadle-sequential", "::mlir::ModuleOp"> {
  let summary = "from mixers to kernels that walk the sequence step by step";
  let description = [{
    Every function with `treadle.mixer` becomes a `tile.kernel` of the same name: one block for each head of each sequence, or several that
    share an axis of the states, keeps the states in registers and runs the step once for every time. Sizes are padded to powers of two.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

#endif
