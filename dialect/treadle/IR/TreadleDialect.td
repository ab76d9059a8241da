#ifndef TREADLE_TREADLE_DIALECT
#define TREADLE_TREADLE_DIALECT

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def Treadle_Dialect : Dialect {
  let name = "treadle";
  let summary = "what is computed over a whole sequence";
  let description = [{
    A mixer is a `func.func` with `treadle.mixer`, whose values are fields: arrays over batch, time and head. Its `treadle.scan` holds one
    time step of a recurrence; passes derive the kernels.
  }];
  let cppNamespace = "::treadle";
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

def Treadle_FieldType : TypeDef<Treadle_Dialect, "Field"> {
  let mnemonic = "field";
  let summary = "one value for every index";
  let description = [{
    `!treadle.field<BTH, 80xbf16>`: a value of shape 80 for every batch `B`, time `T` and head `H` (or group of heads `G`). Any of them may be
    left out, and with all of them the comma: `!treadle.field<64xf32>` is one value. Without sizes a value is a scalar.
    Elements: `f32`, `f16`, `bf16` or `i32`.
  }];
  let parameters = (ins StringRefParameter<"the indices, in the order B, T, H or G">:$indices,
                        ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$elementType);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// What a step sees of it: the value at one place, with floats widened to f32.
    ::mlir::Type getStepType() const;
    /// Whether it is a field that a state may be: over batch and head, of f32.
    bool isState() const;
  }];
}

#endif
