//===-- SharedLayouts.cpp - how tiles lie in shared memory -----------------===//
//
// A tile starts out with a swizzle of the hardware's kind, 16-byte chunks exchanged by the row, which suits most copies
// and fragments. Where the accesses to the tile conflict in it, the exchange that costs them least is computed; and
// what is stored rather than copied may lie by columns as well as by rows.
//
//===----------------------------------------------------------------------===//

#include "SharedLayouts.h"

#include "layout/Layouts.h"
#include "layout/Swizzle.h"
#include "tile/IR/Tile.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::tile;

namespace {

/// What is done with the bytes of an allocation. Such tiles are matrices.
class Tile {
public:
  Tile(AllocOp op, int64_t warps)
      : op(op), warps(warps), elementBytes(op.getResult().getType().getElementType().getIntOrFloatBitWidth() / 8) {
    collect(op.getResult(), /*transposed=*/false);
  }
  void assign();

private:
  void collect(Value value, bool transposed);
  Layout best();

  AllocOp op;
  int64_t warps, elementBytes;
  bool isCopied = false;
  std::vector<TileAccess> accesses;
};

} // namespace

/// The accesses through `value`, which is the tile or its transpose.
void Tile::collect(Value value, bool transposed) {
  auto placesOf = [&](const Layout &layout) { return transposed ? layout.transpose({1, 0}) : layout; };
  auto layoutOfTensor = [&](Value tensor) { return placesOf(layoutOf(cast<RankedTensorType>(tensor.getType()))); };
  for (OpOperand &use : value.getUses())
    llvm::TypeSwitch<Operation *>(use.getOwner())
        .Case([&](AsyncLoadOp copy) {
          isCopied = true;
          accesses.push_back(TileAccess::vectors(placesOf(copyLayout(copy, warps)), elementBytes));
        })
        .Case([&](LocalStoreOp store) {
          accesses.push_back(TileAccess::vectors(layoutOfTensor(store.getValue()), elementBytes));
        })
        .Case([&](LocalLoadOp read) {
          accesses.push_back(TileAccess::fragments(layoutOfTensor(read.getResult()), elementBytes));
        })
        .Case([&](DotOp dot) {
          Layout result = layoutOf(cast<RankedTensorType>(dot.getResult().getType()));
          int64_t steps = cast<SharedType>(dot.getA().getType()).getShape()[1];
          Layout places = use.getOperandNumber() == 0 ? laneOperandA(result, steps) : laneOperandB(result, steps);
          accesses.push_back(TileAccess::vectors(placesOf(places), elementBytes, steps));
        })
        .Case([&](SharedTransposeOp transpose) {
          collect(transpose.getResult(), transposed != (transpose.getPerm()[0] == 1));
        });
}

/// Copies need the rows that they find in global memory.
Layout Tile::best() {
  SharedType type = op.getResult().getType();
  Layout own = swizzledFor(accesses, layoutOf(type), elementBytes);
  if (isCopied)
    return own;
  Layout columns =
      swizzledFor(accesses, sharedSwizzled(type.getShape().vec(), {0, 1}, elementBytes, 128), elementBytes);
  return accessCost(accesses, columns, elementBytes) < accessCost(accesses, own, elementBytes) ? columns : own;
}

/// The type of a tile in another layout, and of what is a transpose of it.
static void setLayout(Value tile, const Layout &layout) {
  auto type = cast<SharedType>(tile.getType());
  tile.setType(SharedType::get(type.getContext(), type.getSlots(), type.getShape(), type.getElementType(),
                               toAttr(type.getContext(), layout)));
  for (Operation *user : tile.getUsers())
    if (auto transpose = dyn_cast<SharedTransposeOp>(user))
      setLayout(transpose.getResult(),
                layout.transpose(std::vector<int>(transpose.getPerm().begin(), transpose.getPerm().end())));
}

void Tile::assign() {
  if (Layout layout = best(); layout != layoutOf(op.getResult().getType()))
    setLayout(op.getResult(), layout);
}

void tile::assignSharedLayouts(func::FuncOp func) {
  for (AllocOp op : func.getBody().front().getOps<AllocOp>())
    Tile(op, numWarps(func)).assign();
}
