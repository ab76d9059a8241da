// An entry point decoded for execution: every instruction a function on a warp's registers.
#pragma once

#include "ptx/Ptx.h"

#include <cstddef>
#include <cstring>
#include <memory>

namespace treadle::sim {

// One bit a lane.
using Mask = uint32_t;
constexpr int warpSize = 32;
constexpr Mask allLanes = ~Mask(0);

// Where a value lies: a byte offset into a warp's registers or, negative, `~slot` into the program's constants. A value
// of n bytes takes n * 32, lane by lane; a predicate takes one Mask. Slots are multiples of 64.
using Slot = int32_t;
constexpr Slot noSlot = INT32_MIN;

struct Warp;
struct Op;
using Handler = void (*)(Warp &, const Op &, Mask active);

// How an instruction moves its warp on.
enum class Control : uint8_t {
  Next,       // run the handler on the lanes whose guard holds, then go on
  Branch,     // lanes whose guard holds go to target
  Exit,       // lanes whose guard holds end
  Collective, // .sync with a member mask (slot `members`): all lanes named there, here, at once
  Aligned,    // .aligned: all lanes of the warp that have not ended, here, at once
  Barrier,    // as Aligned; then the handler may leave the lanes waiting in a barrier of the block
  Poll,       // the handler may leave the lanes waiting for an mbarrier, to be run again
};

// Classes of the instruction counts.
enum class Class : uint8_t {
  Integer,
  Float,
  Special,
  Convert,
  Move,
  Predicate,
  Control,
  Load,
  Store,
  Copy,
  Atomic,
  Tensor,
  Warp,
  Sync
};
constexpr int classCount = 14;
const char *className(Class c); // "integer", ...

struct Op {
  Handler run = nullptr;
  Control control = Control::Next;
  Class kind = Class::Move;
  bool guardNegated = false;
  uint8_t bytes = 0;                       // families may use these as they like
  uint8_t count = 0;                       //
  uint16_t flags = 0;                      //
  Slot guard = noSlot;                     // a predicate
  Slot d = noSlot;                         // destination
  Slot a = noSlot, b = noSlot, c = noSlot; // sources
  Slot members = noSlot;                   // Collective: the member mask, a u32 register or constant
  uint32_t list = 0;                       // into Program::lists: further slots
  int32_t target = -1;                     // Branch: index of the op
  int64_t imm = 0;
};

struct Param {
  std::string name;
  uint32_t offset, bytes, align;
};

struct Program {
  std::string name; // of the entry
  std::vector<Op> ops;
  // For each op: where it comes from.
  std::vector<ptx::Location> locations;
  std::vector<int> lines;         // of the PTX text
  std::vector<std::string> names; // "ld.global.v4.b32"
  std::vector<Slot> lists;
  std::vector<std::byte> constants; // 64-byte aligned rows
  uint32_t registerBytes = 0;       // of a warp
  std::vector<Param> params;
  uint32_t paramBytes = 0;
  uint32_t staticShared = 0; // bytes of .shared variables; dynamic shared memory starts after them
  uint32_t localBytes = 0;   // of a thread
  bool hasDynamicShared = false;
  std::vector<std::byte> constData; // of .const variables
  bool usesGlobalAtomics = false;   // blocks run one after another, in order
  struct SpecialRegister {
    std::string name;
    Slot slot; // 32 bits a lane, written when a warp starts
  };
  std::vector<SpecialRegister> specials;
};

// What a family of instructions decodes with. Everything that is wrong is an Error that names the instruction and its
// line: "k.ptx:17: add.f128: ...".
class Decoder {
public:
  virtual ~Decoder() = default;

  // A source of that many bytes (1, 2, 4, 8 or 16): a register of exactly that size, an integer or floating-point
  // constant of that type, a special register, or a variable's address. Immediates become constants, 32 times the
  // value.
  virtual Slot source(const ptx::Operand &operand, ptx::Type type) = 0;
  // A destination register of exactly that size. Sink: a slot that nothing reads.
  virtual Slot destination(const ptx::Operand &operand, ptx::Type type) = 0;
  // A predicate register; or a constant one. A negated operand is an error unless `negated` takes note of it.
  virtual Slot predicate(const ptx::Operand &operand, bool *negated = nullptr) = 0;
  virtual Slot constant(const void *value, unsigned bytes) = 0; // 32 copies
  virtual uint32_t addList(const std::vector<Slot> &slots) = 0;

  // Errors that name the instruction being decoded.
  [[noreturn]] virtual void fail(const std::string &message) = 0;
  // Exactly that many operands, or from least to most.
  virtual void expectOperands(size_t least, size_t most = 0) = 0;

  virtual const ptx::Module &module() const = 0;
  virtual const ptx::Entry &entry() const = 0;
  virtual const ptx::Instruction &instruction() const = 0;
};

// Families. Each fills op (all but guard) and returns true, returns false for an opcode of another family, and calls
// fail() for modifiers it does not implement.
bool decodeArithmetic(Decoder &decoder, Op &op); // Arithmetic*.cpp: mov, add, ..., cvt, setp, selp, ex2, prmt, ...
bool decodeCollective(Decoder &decoder,
                      Op &op);               // Collective.cpp: shfl, vote, match, redux, activemask, elect, mma, ...
bool decodeMemory(Decoder &decoder, Op &op); // LoadStore.cpp: ld, st, atom, red, cp.async, ldmatrix, stmatrix, ...
bool decodeSync(Decoder &decoder, Op &op);   // Sync.cpp: bar, barrier, bar.warp, membar, fence, mbarrier, ...

// Decodes an entry point of a module.
std::shared_ptr<const Program> decode(const ptx::Module &module, const ptx::Entry &entry);

struct Block;

struct Warp {
  std::byte *registers = nullptr; // 64-byte aligned
  const std::byte *constants = nullptr;
  const Slot *lists = nullptr;
  Block *block = nullptr;
  int index = 0;    // in the block
  Mask present = 0; // lanes that exist (the last warp of a block may be partial)
  Mask exited = 0;

  template <class T> T *lanes(Slot slot) { return reinterpret_cast<T *>(registers + slot); }
  template <class T> const T *source(Slot slot) const {
    return reinterpret_cast<const T *>(slot >= 0 ? registers + slot : constants + ~slot);
  }
  Mask &predicate(Slot slot) { return *reinterpret_cast<Mask *>(registers + slot); }
  Mask predicateValue(Slot slot) const { return *source<Mask>(slot); }
};

} // namespace treadle::sim
