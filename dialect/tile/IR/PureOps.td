// The ops of the pure stage: values only. What front ends write and the CPU target runs.
#ifndef TREADLE_TILE_PURE_OPS
#define TREADLE_TILE_PURE_OPS

include "tile/IR/TileDialect.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

class Tile_Op<string mnemonic, list<Trait> traits = []> : Op<Tile_Dialect, mnemonic, traits>;

def Tile_Scalar : AnyTypeOf<[AnyFloat, AnySignlessInteger, Index], "scalar">;
def Tile_ScalarOrTensor : AnyTypeOf<[AnyFloat, AnySignlessInteger, Index, AnyRankedTensor], "scalar or tensor">;

def Tile_ProgramIdOp : Tile_Op<"program_id", [Pure]> {
  let summary = "index of this block along one axis of the grid";
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative, IntMaxValue<2>]>:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$axis attr-dict";
  let builders = [OpBuilder<(ins "int32_t":$axis), [{ build($_builder, $_state, $_builder.getIndexType(), axis); }]>];
}

def Tile_DimOp : Tile_Op<"dim", [Pure]> {
  let summary = "size of one axis of a view";
  let arguments = (ins Tile_ViewType:$view, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis);
  let results = (outs Index:$result);
  let assemblyFormat = "$view `,` $axis attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_SliceOp : Tile_Op<"slice", [Pure, TypesMatchWith<"the result is of the view's type", "view", "result", "$_self">]> {
  let summary = "the part of a view from one place of an axis on";
  let description = [{
    `tile.slice %v, 1, %from, %size : !tile.view<…>`: the view whose axis 1 has `size` elements, the first of which is element `from` of %v; what
    of it lies outside %v is left off. The axis has a dynamic size and a dynamic stride.
  }];
  let arguments = (ins Tile_ViewType:$view, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis, Index:$from, Index:$size);
  let results = (outs Tile_ViewType:$result);
  let assemblyFormat = "$view `,` $axis `,` $from `,` $size attr-dict `:` qualified(type($view))";
  let hasVerifier = 1;
}

def Tile_NarrowOp : Tile_Op<"narrow", [Pure]> {
  let summary = "a part of a view of known place and size";
  let description = [{
    `tile.narrow %v, 1, 3 : !tile.view<?x5xf32, …> -> !tile.view<?x2xf32, …>`: the view whose axis 1 has 2 elements, the first of which is element 3 of
    %v. The axis has a known size and a known stride. The result may promise no more about addresses than its place in %v allows.
  }];
  let arguments = (ins Tile_ViewType:$view, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis,
                       ConfinedAttr<I32Attr, [IntNonNegative]>:$from);
  let results = (outs Tile_ViewType:$result);
  let assemblyFormat = "$view `,` $axis `,` $from attr-dict `:` qualified(type($view)) `->` qualified(type($result))";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The type of `size` elements from `from` on.
    static ViewType typeOf(ViewType view, unsigned axis, int64_t from, int64_t size);
  }];
}

def Tile_LoadOp : Tile_Op<"load", [MemoryEffects<[MemRead]>, AttrSizedOperandSegments]> {
  let summary = "read a tile of a view; outside the view's bounds it is `other`";
  let description = [{
    `t[e0, e1, …] = view[index + e along the listed axes]` for elements inside the bounds of every axis, `other` (default 0) elsewhere.
    One index per axis of the view; the tile's axes run along the axes listed after `along`, ascending.
    With `along []` the result is one scalar.
  }];
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$indices, DenseI32ArrayAttr:$along,
                       Optional<Tile_Scalar>:$other);
  let results = (outs Tile_ScalarOrTensor:$result);
  let assemblyFormat = [{
    $view `[` $indices `]` `along` $along (`other` `(` $other^ `:` type($other) `)`)? attr-dict `:` qualified(type($view)) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Tile_StoreOp : Tile_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a tile into a view; elements outside its bounds are dropped";
  let arguments = (ins Tile_ScalarOrTensor:$value, Tile_ViewType:$view, Variadic<Index>:$indices, DenseI32ArrayAttr:$along);
  let assemblyFormat = "$value `,` $view `[` $indices `]` `along` $along attr-dict `:` type($value) `,` qualified(type($view))";
  let hasVerifier = 1;
}

def Tile_IotaOp : Tile_Op<"iota", [Pure]> {
  let summary = "0, 1, … n-1";
  let results = (outs RankedTensorOf<[I32]>:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Tile_SplatOp : Tile_Op<"splat", [Pure]> {
  let summary = "one scalar in every element";
  let arguments = (ins Tile_Scalar:$value);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$value attr-dict `:` type($value) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_ExpandDimsOp : Tile_Op<"expand_dims", [Pure]> {
  let summary = "insert an axis of size 1";
  let arguments = (ins AnyRankedTensor:$operand, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand `,` $axis attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_BroadcastOp : Tile_Op<"broadcast", [Pure]> {
  let summary = "repeat along axes of size 1";
  let arguments = (ins AnyRankedTensor:$operand);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_TransposeOp : Tile_Op<"transpose", [Pure]> {
  let summary = "permute axes: axis i of the result is axis perm[i] of the operand";
  let arguments = (ins AnyRankedTensor:$operand, DenseI32ArrayAttr:$perm);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand `,` $perm attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_ReshapeOp : Tile_Op<"reshape", [Pure]> {
  let summary = "the same elements in row-major order under another shape";
  let arguments = (ins AnyRankedTensor:$operand);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_ExtractOp : Tile_Op<"extract", [Pure]> {
  let summary = "a block of a tile at a fixed place";
  let description = [{
    `result[i, j, …] = operand[offsets[0] + i, offsets[1] + j, …]`. Along each axis the offset is a multiple of the result's size.

    ```mlir
    %row = tile.extract %t, [15, 0] : tensor<64x32xf32> -> tensor<1x32xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$operand, DenseI32ArrayAttr:$offsets);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand `,` $offsets attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Tile_DotOp : Tile_Op<"dot", [Pure, AllTypesMatch<["c", "result"]>]> {
  let summary = "matrix product plus accumulator";
  let description = [{
    `d[m, n] = c[m, n] + sum_k a[m, k] b[k, n]`. 16-bit operands: exact products, sums in f32, on tensor cores. f32 operands: `ieee` rounds every
    product and sum to f32; `tf32` rounds the operands to 10 mantissa bits; `tf32x3` splits each operand in two tf32 parts and adds three products.
  }];
  let arguments = (ins AnyTypeOf<[AnyRankedTensor, Tile_SharedType]>:$a, AnyTypeOf<[AnyRankedTensor, Tile_SharedType]>:$b,
                       AnyRankedTensor:$c, DefaultValuedAttr<Tile_PrecisionAttr, "Precision::ieee">:$precision);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $a `,` $b `,` $c (`precision` `` $precision^)? attr-dict `:` type($a) `,` type($b) `->` type($result)
  }];
  let hasVerifier = 1;
}

class Tile_CombineOp<string mnemonic> : Tile_Op<mnemonic, [SingleBlock, RecursiveMemoryEffects]> {
  let regions = (region SizedRegion<1>:$combine);
  let hasVerifier = 1;
  let hasCustomAssemblyFormat = 1;
}

def Tile_ReduceOp : Tile_CombineOp<"reduce"> {
  let summary = "reduce one axis with an associative, commutative combine region over scalars";
  let description = [{
    One or more tensors of one shape are reduced together; the region takes one element of each from either side and yields one of each.
    A rank-1 operand gives a scalar.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$operands, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis);
  let results = (outs Variadic<Tile_ScalarOrTensor>:$results);
}

def Tile_ScanOp : Tile_CombineOp<"scan"> {
  let summary = "inclusive scan of one axis with an associative combine region over scalars";
  let description = [{
    `y[i] = x[0] ∘ x[1] ∘ … ∘ x[i]`; with `reverse` `y[i] = x[n-1] ∘ … ∘ x[i]`. The region's first arguments are the prefix so far, the others the
    next element.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$operands, ConfinedAttr<I32Attr, [IntNonNegative]>:$axis, UnitAttr:$reverse);
  let results = (outs Variadic<AnyRankedTensor>:$results);
}

def Tile_YieldOp : Tile_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["ReduceOp", "ScanOp"]>]> {
  let summary = "end of a combine region";
  let arguments = (ins Variadic<AnyType>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
}

#endif
