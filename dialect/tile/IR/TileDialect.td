#ifndef TREADLE_TILE_DIALECT
#define TREADLE_TILE_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

def Tile_Dialect : Dialect {
  let name = "tile";
  let summary = "the program of one thread block, on tiles";
  let description = [{
    Values are builtin tensors of static power-of-two shape. In the *pure* stage they have no encoding and the program
    says only what is computed; in the *scheduled* stage every tensor carries a `#tile.layout` and operands of products
    live in shared memory.
  }];
  let cppNamespace = "::treadle::tile";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasOperationAttrVerify = 1;
}

//===-- attributes ---------------------------------------------------------===//

def Tile_LayoutAttr : AttrDef<Tile_Dialect, "Layout", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "layout";
  let summary = "which thread, or which shared-memory offset, holds which element";
  let description = [{
    A linear map over F2. Each basis is the row-major index of the element that one bit of the register number, of the
    lane, of the warp (distributed tensors) or of the element offset (shared memory) selects; an element's index is the
    exclusive or of the bases of the set bits. 0 marks a bit that does not matter (a replica). See `lib/layout`.

    ```mlir
    tensor<16x8xf32, #tile.layout<reg = [1, 64], lane = [2, 4, 8, 16, 32], warp = []>>
    ```
  }];
  let parameters = (ins
    OptionalArrayRefParameter<"int32_t">:$reg,
    OptionalArrayRefParameter<"int32_t">:$lane,
    OptionalArrayRefParameter<"int32_t">:$warp,
    OptionalArrayRefParameter<"int32_t">:$offset);
  let hasCustomAssemblyFormat = 1;
}

def Tile_Precision : I32EnumAttr<"Precision", "how an f32 product is computed", [
    I32EnumAttrCase<"ieee", 0>, I32EnumAttrCase<"tf32", 1>, I32EnumAttrCase<"tf32x3", 2>]> {
  let cppNamespace = "::treadle::tile";
  let genSpecializedAttr = 0;
}
def Tile_PrecisionAttr : EnumAttr<Tile_Dialect, Tile_Precision, "precision">;

//===-- types --------------------------------------------------------------===//

def Tile_ViewType : TypeDef<Tile_Dialect, "View"> {
  let mnemonic = "view";
  let summary = "a strided tensor in global memory with bounds";
  let description = [{
    `!tile.view<?x64xbf16, strides = [?, 1], align = 16>`: sizes and strides in elements, `?` where only the launch knows.
    Without `strides` all are dynamic but the last, which is 1. `align` (bytes) divides the base address and every dynamic stride;
    default: the element's size. `max_bytes = N` promises that the tensor spans at most N bytes from its base; up to
    2^31 - 1, offsets are computed in 32 bits. Without it they take 64.
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType,
                        ArrayRefParameter<"int64_t">:$strides, "int64_t":$align, "int64_t":$maxBytes);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getRank() const { return getShape().size(); }
    /// Every offset of an element, in bytes, fits 32 bits.
    bool hasShortOffsets() const { return getMaxBytes() > 0 && getMaxBytes() <= INT32_MAX; }
    /// Bytes of one element.
    int64_t getElementBytes() const { return getElementType().getIntOrFloatBitWidth() / 8; }
  }];
}

def Tile_SharedType : TypeDef<Tile_Dialect, "Shared"> {
  let mnemonic = "shared";
  let summary = "a ring of tiles in shared memory";
  let description = [{
    `!tile.shared<3 x [64, 64], bf16, #tile.layout<offset = […]>>`: three slots, each a 64x64 tile whose elements lie where the layout says.
  }];
  let parameters = (ins "int64_t":$slots, ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType,
                        "LayoutAttr":$layout);
  let assemblyFormat = "`<` $slots `x` `[` $shape `]` `,` $elementType `,` $layout `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getSlotBytes() const;
  }];
}

#endif
