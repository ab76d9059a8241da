//===-- Dot.cpp - tile.dot -----------------------------------------------===//

#include "target/cpu/Emitter.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::cpu;

void Emitter::emitDot(tile::DotOp op) {
  auto c = cast<RankedTensorType>(op.getC().getType());
  int64_t M = c.getDimSize(0), N = c.getDimSize(1), K = cast<RankedTensorType>(op.getA().getType()).getDimSize(1);
  // Operands in f32 memory are read where they are. A row of b must be contiguous; a may be the transpose of what is
  // read.
  SmallVector<Buffer> copies;
  auto operand = [&](Value v) -> Buffer {
    if (inMemory(v) && tileType(v).getElementType().isF32())
      return buffers[v];
    Buffer buffer = allocate(tileType(v).getShape(), b.getF32Type());
    fill(v, buffer, /*asF32=*/true);
    copies.push_back(buffer);
    return buffer;
  };
  auto turned = op.getA().getDefiningOp<tile::TransposeOp>();
  if (turned && (inMemory(op.getA()) || !turnsLanes(turned)))
    turned = {};
  Buffer a = operand(turned ? turned.getOperand() : op.getA()), rhs = operand(op.getB()), to = target(op.getResult());

  // As many sums in registers as there are, with room for a row of b and one element of a.
  int lanes = std::min<int64_t>(vectorBits / 32, N);
  int columns = std::min<int64_t>(N / lanes, 2), rows = std::min<int64_t>(vectorBits == 512 ? 8 : 4, M);
  loop(constant(0), constant(M), rows, [&](Value i) {
    loop(constant(0), constant(N), rows > 0 ? lanes * columns : 1, [&](Value j) {
      SmallVector<Indices> at;
      SmallVector<Value> init;
      for (int row = 0; row < rows; ++row)
        for (int column = 0; column < columns; ++column) {
          at.push_back({add(i, constant(row)), add(j, constant(column * lanes))});
          init.push_back(eval(op.getC(), at.back(), 1, lanes));
        }
      auto sums = loop(constant(0), constant(K), 1, init, [&](Value k, ValueRange carried) {
        SmallVector<Value> out, right;
        for (int column = 0; column < columns; ++column)
          right.push_back(read(rhs, {k, at[column][1]}, 1, lanes));
        for (int row = 0; row < rows; ++row) {
          Value i = at[row * columns][0];
          Value left = splat(b, loc, turned ? read(a, {k, i}, -1, 1) : read(a, {i, k}, -1, 1), lanes);
          for (int column = 0; column < columns; ++column) {
            Value product = arith::MulFOp::create(b, loc, left, right[column]);
            out.push_back(arith::AddFOp::create(b, loc, carried[row * columns + column], product));
          }
        }
        return out;
      });
      for (auto [where, sum] : llvm::zip(at, sums))
        write(sum, to, where);
    });
  });
  for (const Buffer &buffer : copies)
    release(buffer);
}
