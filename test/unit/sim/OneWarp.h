// A warp alone, which decodes one instruction over registers of its own and runs it; and a few instructions on the
// whole machine.
#pragma once

#include "Collective.h"
#include "Machine.h"

#include <algorithm>
#include <array>
#include <functional>
#include <gtest/gtest.h>

namespace treadle::sim::one_warp {

// Registers 0 to 63 have 32 bits, 64 to 95 have 64, and 96 to 99 are predicates.
constexpr int registerCount = 100, firstWide = 64, firstPredicate = 96;
constexpr int registerBytes = 8 * warpSize;

inline ptx::Operand reg(int index) {
  ptx::Operand operand{};
  operand.kind = ptx::Operand::Register;
  operand.index = index;
  return operand;
}
inline ptx::Operand wide(int index) { return reg(firstWide + index); }
inline ptx::Operand pred(int index) { return reg(firstPredicate + index); }
inline ptx::Operand notPred(int index) {
  ptx::Operand operand = pred(index);
  operand.negated = true;
  return operand;
}
inline ptx::Operand integer(int64_t value) {
  ptx::Operand operand{};
  operand.kind = ptx::Operand::Integer;
  operand.bits = uint64_t(value);
  return operand;
}
inline ptx::Operand sink() {
  ptx::Operand operand{};
  operand.kind = ptx::Operand::Sink;
  return operand;
}
inline ptx::Operand pairOf(const ptx::Operand &first, const ptx::Operand &second) {
  ptx::Operand operand{};
  operand.kind = ptx::Operand::Pair;
  operand.elements = {first, second};
  return operand;
}
inline ptx::Operand vectorOf(const std::vector<int> &registers) {
  ptx::Operand operand{};
  operand.kind = ptx::Operand::Vector;
  for (int index : registers)
    operand.elements.push_back(reg(index));
  return operand;
}

class OneWarp : public Decoder {
public:
  OneWarp() {
    file.resize(registerCount * registerBytes + 64);
    auto start = reinterpret_cast<uintptr_t>(file.data());
    warp.registers = file.data() + (64 - start % 64) % 64;
    warp.present = allLanes;
  }

  Op decode(const std::string &name, std::vector<ptx::Operand> operands) {
    current = {};
    size_t dot = name.find('.');
    current.opcode = name.substr(0, dot);
    while (dot != std::string::npos) {
      size_t next = name.find('.', dot + 1);
      current.modifiers.push_back(name.substr(dot + 1, next - dot - 1));
      dot = next;
    }
    current.operands = std::move(operands);
    Op op;
    EXPECT_TRUE(decodeCollective(*this, op)) << name;
    return op;
  }
  // What decoding fails with.
  std::string error(const std::string &name, std::vector<ptx::Operand> operands) {
    try {
      decode(name, std::move(operands));
    } catch (const Error &e) {
      return e.what();
    }
    return "no error";
  }

  void run(const Op &op, Mask active = allLanes) {
    warp.constants = constants.data();
    warp.lists = lists.data();
    op.run(warp, op, active);
  }
  void run(const std::string &name, std::vector<ptx::Operand> operands, Mask active = allLanes) {
    run(decode(name, std::move(operands)), active);
  }

  template <class T> T *lanes(int index) { return warp.lanes<T>(slotOf(index)); }
  uint32_t *lanes(int index) { return lanes<uint32_t>(index); }
  uint64_t *wideLanes(int index) { return lanes<uint64_t>(firstWide + index); }
  Mask &predicateAt(int index) { return warp.predicate(slotOf(firstPredicate + index)); }
  void set(int index, const std::function<uint32_t(int)> &value) {
    for (int lane = 0; lane < warpSize; ++lane)
      lanes(index)[lane] = value(lane);
  }
  uint32_t memberMask(const Op &op) const {
    return *reinterpret_cast<const uint32_t *>(op.members >= 0 ? warp.registers + op.members
                                                               : constants.data() + ~op.members);
  }

  // Decoder.
  Slot source(const ptx::Operand &operand, ptx::Type type) override {
    if (operand.kind == ptx::Operand::Integer)
      return constant(&operand.bits, bytesOf(type));
    return destination(operand, type);
  }
  Slot destination(const ptx::Operand &operand, ptx::Type type) override {
    if (operand.kind == ptx::Operand::Sink)
      return slotOf(firstPredicate - 1);
    if (operand.kind != ptx::Operand::Register || operand.negated ||
        (type == ptx::Type::Pred) != (operand.index >= firstPredicate))
      fail("wrong kind of operand");
    if (type != ptx::Type::Pred && bytesOf(type) != (operand.index < firstWide ? 4 : 8))
      fail("wrong size of operand");
    return slotOf(operand.index);
  }
  Slot predicate(const ptx::Operand &operand, bool *negated) override {
    if (operand.kind == ptx::Operand::Integer)
      return constant(std::array<Mask, 1>{operand.bits != 0 ? allLanes : 0}.data(), 4);
    if (operand.index < firstPredicate || (operand.negated && negated == nullptr))
      fail("wrong kind of operand");
    if (negated != nullptr)
      *negated = operand.negated;
    return slotOf(operand.index);
  }
  Slot constant(const void *value, unsigned bytes) override {
    size_t start = (constants.size() + 63) / 64 * 64;
    constants.resize(start + size_t(bytes) * warpSize);
    for (int lane = 0; lane < warpSize; ++lane)
      memcpy(constants.data() + start + lane * bytes, value, bytes);
    return ~Slot(start);
  }
  uint32_t addList(const std::vector<Slot> &slots) override {
    lists.insert(lists.end(), slots.begin(), slots.end());
    return uint32_t(lists.size() - slots.size());
  }
  [[noreturn]] void fail(const std::string &message) override { throw Error(message); }
  void expectOperands(size_t least, size_t most) override {
    if (current.operands.size() < least || current.operands.size() > std::max(least, most))
      fail("wrong number of operands");
  }
  const ptx::Module &module() const override { return parsed; }
  const ptx::Entry &entry() const override { return function; }
  const ptx::Instruction &instruction() const override { return current; }

private:
  static Slot slotOf(int index) { return index * registerBytes; }
  static unsigned bytesOf(ptx::Type type) { return type == ptx::Type::B64 || type == ptx::Type::F64 ? 8 : 4; }

  Warp warp;
  std::vector<std::byte> file, constants;
  std::vector<Slot> lists;
  ptx::Module parsed;
  ptx::Entry function;
  ptx::Instruction current;
};

// Runs a body that may use %r0 to %r9, %r9 being the thread's number, %p0 to %p3, and stores %r0 of every thread. Gives
// what was stored, and the findings.
inline std::pair<std::vector<uint32_t>, std::vector<Finding>> runThreads(const std::string &body, int threads) {
  std::string text = ".version 8.4\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 out) {\n"
                     ".reg .b32 %r<10>;\n.reg .b64 %rd<4>;\n.reg .pred %p<4>;\nmov.u32 %r9, %tid.x;\n" +
                     body +
                     "\nld.param.u64 %rd0, [out];\nmul.wide.u32 %rd1, %r9, 4;\nadd.s64 %rd2, %rd0, %rd1;\n"
                     "st.global.u32 [%rd2], %r0;\nret;\n}\n";
  ptx::Module module = ptx::parse(text, "k.ptx");
  std::vector<uint32_t> out(threads);
  int64_t size = threads, stride = 1;
  GlobalMemory memory;
  uint64_t address = memory.map(out.data(), 4, 1, &size, &stride, "out", true);
  const void *params[] = {&address};
  Report report =
      launch(module, decode(module, module.entries[0]), memory, {1, 1, 1}, {threads, 1, 1}, 0, params, 1, Options());
  return {out, report.findings};
}

} // namespace treadle::sim::one_warp
