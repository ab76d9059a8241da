// The ops that only the scheduled stage has: layouts, shared memory, asynchronous copies.
#ifndef TREADLE_TILE_SCHEDULED_OPS
#define TREADLE_TILE_SCHEDULED_OPS

include "tile/IR/PureOps.td"

def Tile_ConvertLayoutOp : Tile_Op<"convert_layout", [Pure]> {
  let summary = "the same tensor held by other threads";
  let arguments = (ins AnyRankedTensor:$operand);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_AllocOp : Tile_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "a ring of tiles in shared memory, live in the enclosing block from here to its last use";
  let results = (outs Tile_SharedType:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

def Tile_SlotOp : Tile_Op<"slot", [Pure]> {
  let summary = "one slot of a ring";
  let arguments = (ins Tile_SharedType:$ring, Index:$index);
  let results = (outs Tile_SharedType:$result);
  let assemblyFormat = "$ring `[` $index `]` attr-dict `:` qualified(type($ring)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_SharedTransposeOp : Tile_Op<"shared_transpose", [Pure]> {
  let summary = "the same bytes of shared memory under permuted axes";
  let arguments = (ins Tile_SharedType:$source, DenseI32ArrayAttr:$perm);
  let results = (outs Tile_SharedType:$result);
  let assemblyFormat = "$source `,` $perm attr-dict `:` qualified(type($source)) `->` qualified(type($result))";
  let hasVerifier = 1;
}

def Tile_AsyncLoadOp : Tile_Op<"async_load", [MemoryEffects<[MemRead, MemWrite]>, AttrSizedOperandSegments]> {
  let summary = "start copying a tile of a view into shared memory; out of bounds it is zero";
  let arguments = (ins Tile_ViewType:$view, Variadic<Index>:$indices, DenseI32ArrayAttr:$along, Tile_SharedType:$dest,
                       Optional<I1>:$predicate);
  let assemblyFormat = [{
    $view `[` $indices `]` `along` $along `into` $dest (`if` $predicate^)? attr-dict `:` qualified(type($view)) `->` qualified(type($dest))
  }];
  let hasVerifier = 1;
}

def Tile_CommitOp : Tile_Op<"async_commit", [MemoryEffects<[MemWrite]>]> {
  let summary = "close the group of the copies started since the last commit";
  let assemblyFormat = "attr-dict";
}

def Tile_WaitOp : Tile_Op<"async_wait", [MemoryEffects<[MemWrite]>]> {
  let summary = "wait until at most `pending` groups are in flight, then meet all warps";
  let arguments = (ins I32Attr:$pending);
  let assemblyFormat = "$pending attr-dict";
}

def Tile_LocalLoadOp : Tile_Op<"local_load", [MemoryEffects<[MemRead]>]> {
  let summary = "read a whole tile from shared memory into registers";
  let arguments = (ins Tile_SharedType:$source);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$source attr-dict `:` qualified(type($source)) `->` type($result)";
  let hasVerifier = 1;
}

def Tile_LocalStoreOp : Tile_Op<"local_store", [MemoryEffects<[MemWrite]>]> {
  let summary = "write a whole tile from registers into shared memory";
  let arguments = (ins AnyRankedTensor:$value, Tile_SharedType:$dest);
  let assemblyFormat = "$value `,` $dest attr-dict `:` type($value) `,` qualified(type($dest))";
  let hasVerifier = 1;
}

def Tile_BarrierOp : Tile_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "all warps of the block meet; shared memory written before is seen after";
  let assemblyFormat = "attr-dict";
}

#endif
