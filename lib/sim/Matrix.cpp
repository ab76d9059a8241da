// ldmatrix and stmatrix: 8x8 matrices of 16 bits between shared memory and the fragments of mma.
#include "MemoryOps.h"

namespace treadle::sim {

using ptx::Space;

namespace {

constexpr uint16_t transposed = 1 << 11, toMemory = 1 << 12;
constexpr int size = 8; // rows and columns

// Lane 8 * m + r gives the address of row r of matrix m; lane l holds elements 2 * (l % 4) and the next of row l / 4.
void moveMatrices(Warp &warp, const Op &op, Mask active) {
  expectAllLanes(warp, op, active);
  bool stores = op.flags & toMemory, isTransposed = op.flags & transposed;
  int matrices = op.count;
  Mask rows = matrices == 4 ? allLanes : (Mask(1) << (matrices * size)) - 1;
  Access access;
  access.kind = stores ? AccessKind::Write : AccessKind::Read;
  access.space = spaceOf(op);
  access.bytes = size * sizeof(uint16_t);
  access.address = addresses(warp, op);

  const Slot *slots = warp.lists + op.list;
  uint16_t elements[4][size][size] = {};
  auto eachElement = [&](auto f) {
    for (int m = 0; m < matrices; ++m) {
      auto *fragment = warp.lanes<uint32_t>(slots[m]);
      for (int lane = 0; lane < warpSize; ++lane)
        for (int half = 0; half < 2; ++half) {
          int row = lane / 4, column = lane % 4 * 2 + half;
          f(fragment[lane], half * 16, isTransposed ? elements[m][column][row] : elements[m][row][column]);
        }
    }
  };
  if (stores) {
    eachElement([](uint32_t &fragment, int shift, uint16_t &element) { element = fragment >> shift; });
    access.data = reinterpret_cast<const std::byte *>(elements);
    Mask good = checkAccess(warp, op, rows, access);
    forEachLane(good,
                [&](int lane) { std::memcpy(access.host[lane], elements[lane / size][lane % size], access.bytes); });
    return;
  }
  Mask good = checkAccess(warp, op, rows, access);
  forEachLane(good,
              [&](int lane) { std::memcpy(elements[lane / size][lane % size], access.host[lane], access.bytes); });
  eachElement([](uint32_t &fragment, int shift, uint16_t &element) {
    fragment = (fragment & ~(uint32_t(0xFFFF) << shift)) | uint32_t(element) << shift;
  });
}

} // namespace

bool decodeMatrix(Decoder &decoder, Op &op) {
  const ptx::Instruction &instruction = decoder.instruction();
  bool loads = instruction.opcode == "ldmatrix";
  if (!loads && instruction.opcode != "stmatrix")
    return false;
  MemoryModifiers modifiers = readModifiers(decoder);
  unsigned matrices = 0;
  bool isM8n8 = false;
  for (const std::string &modifier : modifiers.rest) {
    if (modifier == "x1" || modifier == "x2" || modifier == "x4")
      matrices = static_cast<unsigned>(modifier[1] - '0');
    else if (modifier == "trans")
      op.flags |= transposed;
    else if (modifier == "m8n8")
      isM8n8 = true;
    else if (modifier != "sync" && modifier != "aligned")
      decoder.fail("modifier " + modifier + " is not simulated");
  }
  if (!isM8n8 || !matrices || modifiers.type != ptx::Type::B16)
    decoder.fail("expected .m8n8, .x1, .x2 or .x4, and .b16");
  if (modifiers.space != Space::Shared && modifiers.space != Space::Generic)
    decoder.fail("expected an address in shared memory");
  decoder.expectOperands(2);
  const ptx::Operand &fragments = instruction.operands[loads ? 0 : 1];
  setAddress(decoder, op, instruction.operands[loads ? 1 : 0], modifiers);
  std::vector<ptx::Operand> values{fragments};
  if (fragments.kind == ptx::Operand::Vector)
    values = fragments.elements;
  if (values.size() != matrices)
    decoder.fail("expected " + std::to_string(matrices) + " registers, found " + std::to_string(values.size()));
  std::vector<Slot> slots;
  for (const ptx::Operand &value : values)
    slots.push_back(decoder.destination(value, ptx::Type::B32)); // registers, whichever way they go
  op.list = decoder.addList(slots);
  op.count = static_cast<uint8_t>(matrices);
  op.flags |= loads ? 0 : toMemory;
  op.kind = loads ? Class::Load : Class::Store;
  op.control = Control::Aligned;
  op.run = moveMatrices;
  return true;
}

} // namespace treadle::sim
