#ifndef TREADLE_TREADLE_OPS
#define TREADLE_TREADLE_OPS

include "treadle/IR/TreadleDialect.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Treadle_Op<string mnemonic, list<Trait> traits = []> : Op<Treadle_Dialect, mnemonic, traits>;

def Treadle_AnyTileShape : NativeOpTrait<"AnyTileShape"> {
  let cppNamespace = "::treadle::tile";
}

/// A tensor or scalar of a step, or a field.
def Treadle_Whole : AnyTypeOf<[Treadle_FieldType, F32, I1, I32, AnyRankedTensor]>;

def Treadle_ScanOp : Treadle_Op<"scan", [AttrSizedOperandSegments, SingleBlock, RecursiveMemoryEffects,
                                         Treadle_AnyTileShape]> {
  let summary = "a recurrence over time, given by one step";
  let description = [{
    For every sequence and head, from the first time to the last (`reverse`: from the last to the first), the step gets what the inputs have at
    that time and the states, and yields outputs and the states' next values. Results are the outputs, then the final states.
    `noncausal`: the states run over the whole sequence first; outputs are computed from their own time's inputs and the final states.
  }];
  let arguments = (ins Variadic<Treadle_FieldType>:$inputs, Variadic<Treadle_FieldType>:$initials, UnitAttr:$noncausal,
                       UnitAttr:$reverse);
  let results = (outs Variadic<Treadle_FieldType>:$results);
  let regions = (region SizedRegion<1>:$step);
  let assemblyFormat = [{
    `(` $inputs `)` `from` `(` $initials `)` (`noncausal` $noncausal^)? (`reverse` $reverse^)? $step attr-dict
    `:` custom<Fields>(type($inputs)) `from` custom<Fields>(type($initials)) `->` custom<Fields>(type($results))
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getNumStates() { return getInitials().size(); }
    unsigned getNumOutputs() { return getNumResults() - getNumStates(); }
    ::mlir::ResultRange getOutputs() { return getResults().take_front(getNumOutputs()); }
    ::mlir::ResultRange getFinals() { return getResults().drop_front(getNumOutputs()); }
    ::mlir::Block::BlockArgListType getInputArguments() { return getStep().getArguments().take_front(getInputs().size()); }
    ::mlir::Block::BlockArgListType getStateArguments() { return getStep().getArguments().drop_front(getInputs().size()); }
    YieldOp getYield();
  }];
}

def Treadle_LogAddExpOp : Treadle_Op<"logaddexp", [Pure, SameOperandsAndResultType] # ElementwiseMappable.traits> {
  let summary = "log(e^x + e^y) element by element, without overflow; exact where an operand is infinite";
  let arguments = (ins AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$lhs, AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$rhs);
  let results = (outs AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($result)";
}

def Treadle_StopGradientOp : Treadle_Op<"stop_gradient", [Pure, SameOperandsAndResultType] # ElementwiseMappable.traits> {
  let summary = "its operand, which gradients take for a constant";
  let arguments = (ins AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$operand);
  let results = (outs AnyTypeOf<[F32, RankedTensorOf<[F32]>]>:$result);
  let assemblyFormat = "$operand attr-dict `:` type($result)";
}

def Treadle_ConcatOp : Treadle_Op<"concat", [Pure]> {
  let summary = "values one after the other along an axis";
  let description = [{
    An operand that lacks the axis is one element along it. In a step of tensors; in a mixer of fields, whose indices are alike.
  }];
  let arguments = (ins Variadic<Treadle_Whole>:$parts, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis);
  let results = (outs Treadle_Whole:$result);
  let assemblyFormat = "`(` $parts `)` `along` $axis attr-dict `:` custom<Fields>(type($parts)) `->` type($result)";
  let hasVerifier = 1;
}

def Treadle_PartOp : Treadle_Op<"part", [Pure]> {
  let summary = "what a value has along an axis from one place on";
  let description = [{
    `treadle.part %x, 0, 3 : tensor<5x64xf32> -> tensor<2x64xf32>`: rows 3 and 4. With the axis left out of the result, `-> tensor<64xf32>`, row 3. In
    a step of tensors; in a mixer of fields.
  }];
  let arguments = (ins Treadle_Whole:$operand, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis,
                       ConfinedAttr<I32Attr, [IntNonNegative]>:$offset);
  let results = (outs Treadle_Whole:$result);
  let assemblyFormat = "$operand `,` $axis `,` $offset attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Treadle_FillOp : Treadle_Op<"fill", [Pure]> {
  let summary = "a field of one constant, for initial states";
  let arguments = (ins F32Attr:$value);
  let results = (outs Treadle_FieldType:$result);
  let assemblyFormat = "$value attr-dict `:` qualified(type($result))";
  let hasVerifier = 1;
}

def Treadle_YieldOp : Treadle_Op<"yield", [Pure, Terminator, ReturnLike, AttrSizedOperandSegments,
                                           ParentOneOf<["ScanOp"]>]> {
  let summary = "end of a step: outputs, then the states' next values";
  let arguments = (ins Variadic<AnyType>:$outputs, Variadic<AnyType>:$states);
  let assemblyFormat = "($outputs^ `:` type($outputs))? (`next` $states^ `:` type($states))? attr-dict";
}

#endif
