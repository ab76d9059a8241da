// A PTX module as it was parsed: names resolved, widths of registers known, instructions not yet interpreted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace treadle::sim {

// What is wrong with a program or a launch, before anything runs. line is the one in the PTX text, 0 if none is at
// fault; what() already begins with "NAME:LINE: " where there is one.
class Error : public std::runtime_error {
public:
  explicit Error(const std::string &message, int line = 0) : std::runtime_error(message), line(line) {}
  int line;
};

} // namespace treadle::sim

namespace treadle::sim::ptx {

// A fundamental type, as a declaration or a modifier names it.
enum class Type : uint8_t {
  None,
  Pred,
  B8,
  B16,
  B32,
  B64,
  B128,
  U8,
  U16,
  U32,
  U64,
  S8,
  S16,
  S32,
  S64,
  F16,
  F16x2,
  BF16,
  BF16x2,
  TF32,
  F32,
  F64,
  E4M3,
  E5M2,
};

// The type of a modifier ("f32" of "add.f32"), if it is one.
std::optional<Type> parseType(std::string_view name);
// Bytes of a value; of a register that holds it (a predicate: 4, one bit a lane).
unsigned byteSize(Type type);

enum class Space : uint8_t { Generic, Register, Global, Shared, Local, Param, Const };

// Where the compiler says an instruction comes from: .loc.
struct Location {
  int file = 0; // of Module::files
  int line = 0, column = 0;
  bool operator==(const Location &o) const { return file == o.file && line == o.line && column == o.column; }
};

struct Register {
  std::string name;
  Type type;
};

// A variable of the module or of an entry, or a parameter of an entry.
struct Variable {
  std::string name;
  Space space;
  Type type;
  uint64_t bytes = 0; // 0: `extern .shared` without a size, the launch's dynamic shared memory
  uint32_t align = 1;
  std::vector<uint8_t> initial; // as many bytes as are initialised, from the start
  bool isExtern = false;
  int line = 0;
};

struct Operand {
  enum Kind : uint8_t {
    Register, // index: of Entry::registers
    Special,  // name: "%tid.x", "%laneid", "WARP_SZ", ...
    Integer,  // bits: two's complement, 64 bits
    Float,    // bits: the IEEE bits, 32 or 64 of them as `wide` says
    Symbol,   // index: of Module::variables; offset: "table+4"
    Label,    // index: of Entry::instructions
    Address,  // [base+offset]; base: elements[0] (Register, Symbol or Integer)
    Vector,   // {a, b}; elements
    Pair,     // p|q; elements
    List,     // (a, b) of a call; elements
    Sink,     // _
  } kind;
  bool negated = false; // !%p
  bool wide = false;
  int index = -1;
  uint64_t bits = 0;
  int64_t offset = 0;
  std::string name;
  std::vector<Operand> elements;
};

struct Instruction {
  std::string opcode;                 // "mma"
  std::vector<std::string> modifiers; // "sync", "aligned", "m16n8k16", ..., "shared::cta"
  int guard = -1;                     // index of a predicate register
  bool guardNegated = false;
  std::vector<Operand> operands; // the destination first, as written
  Location location;
  int line = 0; // in the PTX text

  // "mma.sync.aligned.m16n8k16"
  std::string name() const;
  bool has(std::string_view modifier) const;
};

struct Entry {
  std::string name;
  std::vector<int> params; // of Module::variables, Space::Param, in order
  std::vector<Register> registers;
  std::vector<Instruction> instructions;
  std::array<uint32_t, 3> reqntid{}; // zeros: not given
  std::array<uint32_t, 3> maxntid{};
  int line = 0;
};

struct Module {
  std::string name; // what messages call the text
  int versionMajor = 0, versionMinor = 0;
  std::string target; // "sm_90a"
  std::unordered_map<int, std::string> files;
  std::vector<Variable> variables;
  std::vector<Entry> entries;

  const Entry *find(std::string_view entry) const;
};

// Reads PTX text; throws an Error "NAME:LINE: ..." for text that is not PTX. Whether an instruction exists is for the
// decoder to say. Terminates on every input, within memory that grows linearly with its length.
Module parse(std::string_view text, std::string_view name);

} // namespace treadle::sim::ptx
