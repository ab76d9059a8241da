//===-- Mixer.h - a mixer, and the arrays of its kernel --------*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_MIXER_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_MIXER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tile/IR/Tile.h"
#include "treadle/IR/Treadle.h"

namespace treadle {

/// One array of the kernel that a mixer becomes, or a part of one.
struct Array {
  enum Role {
    Input,
    Initial,
    Output,
    Final,
    Lengths, ///< where each packed sequence begins
    Entries, ///< which entry of the pools of states a sequence uses
    Segment, ///< of a sequence that is split: what a segment makes of a state, or by how much it decays
  };
  Role role;
  unsigned position; ///< among the scan's inputs, states or outputs
  std::string name;
  mlir::Location loc;
  tile::ViewType view;
  mlir::ArrayAttr dims;  ///< as in `tile.dims`
  unsigned numIndices{}; ///< axes before those of the value

  mlir::Value whole{}; ///< the mixer's argument or result: those with the same are parts of one array; null: its own
  struct Narrow {
    unsigned axis; ///< of the array
    int64_t from, size;
    bool isLeftOut; ///< the value has no such axis
  };
  llvm::SmallVector<Narrow> narrows{};

  /// The axes of the array that the value runs along, in order.
  llvm::SmallVector<unsigned> valueAxes() const;

  bool isWritten() const { return role == Output || role == Final; }
};

/// Constants that a step uses from outside, into it.
void bringConstants(ScanOp scan);

/// The attributes of an array of a program's own, row-major.
mlir::DictionaryAttr arrayAttributes(FieldType type, llvm::StringRef name);

/// Axes that are made of parts, or taken apart, become values of their own: what `treadle-split-axes` does.
llvm::LogicalResult splitAxes(ScanOp scan);

/// Each use its own: one value that is the same everywhere would tie together the axes of all that it meets.
void separateConstants(ScanOp scan);

/// The type of the narrowest output, which says how exact products have to be; f32 without outputs.
mlir::Type narrowestOutput(ScanOp scan);

struct Mixer {
  mlir::func::FuncOp function;
  ScanOp scan;
  bool packed, indexed;
  llvm::SmallVector<Array> arrays; ///< the kernel's arguments, in order
  int64_t stateBytes = 0;          ///< of states that a block should have, where it works on chunks

  /// Reads a function with `treadle.mixer`; errors are at what is no part of one.
  static llvm::FailureOr<Mixer> read(mlir::func::FuncOp function);

  /// Whether sequences are split into segments.
  bool isSplit() const {
    return llvm::any_of(arrays, [](const Array &array) { return array.role == Array::Segment; });
  }

  /// The place of an array among the kernel's arguments; nothing if the kernel has none such.
  std::optional<unsigned> find(Array::Role role, unsigned position = 0) const;
};

} // namespace treadle

#endif
