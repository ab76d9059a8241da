#ifndef TREADLE_TREADLE_PASSES
#define TREADLE_TREADLE_PASSES

include "mlir/Pass/PassBase.td"

def Differentiate : Pass<"treadle-differentiate", "::mlir::ModuleOp"> {
  let summary = "from mixers to the mixers of their backward";
  let description = [{
    A function `f` with `treadle.mixer` and `treadle.backward` becomes mixers that run one after the other: `f_past`, in the direction of the scan,
    computes the gradients that need no later token, and keeps, in arrays `kept_0` and so on, what others have to know; `f_future`, in the other
    direction, computes most others; `f_sums` those of decays that are running sums. Of a noncausal scan `f_final` and `f_totals` come between, and
    `f_ends` where running sums begin with final states, in arrays `decay_0_final_grad` and so on. With `treadle.apart`, gradients that sum over
    different axes of the states are computed by several mixers, `f_future_1` and so on: blocks then share the other axes. Arrays are those of `f`,
    and of each array `x` that is no integer the gradient `x_grad`: arriving for outputs, and for final states if `f` returns them; computed for
    inputs, and for initial states if they are arguments. No parameter may have such a name. `treadle.gradients = ["q"]` names the inputs whose
    gradients are wanted, if not all are. The gradient of an input that is the same for all times, batches or heads is left for each sequence and
    head, in f32.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def Separate : Pass<"treadle-separate", "::mlir::ModuleOp"> {
  let summary = "from mixers of several states to one for each";
  let description = [{
    A causal function `f` with `treadle.mixer` and `treadle.chunk` becomes mixers that run one after the other, `f_piece_1`, `f_piece_2` and so on, each with the states that
    change with each other, in arrays `kept_0` and so on what later ones have to know, token by token; what depends on inputs only is computed in each. This is
    done where `treadle.separate` asks for it, or the whole is not computed in chunks, and a state that is a matrix is by itself.
  }];
  let options = [Option<"sharedBytes", "shared-bytes", "int64_t", /*default=*/"227 << 10",
                        "shared memory that a block may have, in bytes">];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def SplitAxes : Pass<"treadle-split-axes", "::mlir::ModuleOp"> {
  let summary = "axes that are made of parts, or taken apart, become values of their own";
  let description = [{
    In mixers, no `treadle.concat` and `treadle.part` of tensors are left: values along an axis on which they work, inputs, states and outputs too, become
    one value for each part; those of size 1 lose the axis. The arrays stay as they are: parts of fields are taken from them.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect"];
}

def Chunk : Pass<"treadle-chunk", "::mlir::ModuleOp"> {
  let summary = "from mixers in normal form to kernels that take a chunk of tokens at once";
  let description = [{
    Every function with `treadle.mixer` and `treadle.chunk = N` whose step is in normal form becomes a `tile.kernel` of the same name that works on
    N tokens at once, or fewer where their values need too many registers, or more shared memory than there is: `shared-bytes`, or what the module's
    `treadle.shared_bytes = {name = bytes}` says of a function, which is how the compiler asks for less. Others are left as they are, with a remark at the op that is the cause.
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
    share an axis of the states, keeps the states in registers and runs the step once for every time. Where the module's `treadle.shared_bytes` has the
    function's name, its loops do not load ahead. Sizes are padded to powers of two.
  }];
  let dependentDialects = ["::treadle::tile::TileDialect", "::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

#endif
