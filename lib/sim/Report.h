// What a launch found and counted.
#pragma once

#include "Program.h"

#include <array>
#include <optional>

namespace treadle::sim {

struct Dim3 {
  int64_t x = 1, y = 1, z = 1;
};

struct Thread {
  Dim3 block, thread;
};

// Something wrong that a kernel did. Found once for each pair of instructions and kind; `times` counts.
struct Finding {
  enum class Kind : uint8_t {
    OutOfBounds, // of the buffer, or of the view in it
    Misaligned,
    Uninitialised, // a read of memory that nothing wrote
    Race,
    UnwaitedCopy,     // memory that an asynchronous copy still writes is touched, or the block ends before it
    DivergentBarrier, // lanes of a warp at different barriers, or not all there
    Deadlock,         // all that is left waits
    NullPointer,      // an address in no buffer
    InvalidOperand,   // a shuffle mask without the lane itself, a trap, ...
    Limit,            // more instructions than allowed
  };
  Kind kind;
  int op = -1; // of Program::ops: where
  Thread thread;
  std::string what; // "reads 16 bytes at shared+2048, which thread (1,0,0) wrote with no barrier between"
  int otherOp = -1; // the earlier access, if there is one
  std::optional<Thread> other;
  uint64_t times = 1;
};
const char *kindName(Finding::Kind kind); // "out-of-bounds", "race", ...

// Counts of one instruction.
struct OpCounts {
  uint64_t warps = 0;      // times that a warp executed it, with at least one lane
  uint64_t lanes = 0;      // thread-instructions
  uint64_t globalRead = 0; // bytes asked for
  uint64_t globalWritten = 0;
  uint64_t sectorsRead = 0; // of 32 bytes, each once for a warp's instruction
  uint64_t sectorsWritten = 0;
  uint64_t sharedWavefronts = 0; // that the accesses take
  uint64_t sharedIdeal = 0;      // that they would take without bank conflicts
  uint64_t multiplyAdds = 0;     // of tensor cores
  void add(const OpCounts &o);
};

struct Report {
  std::shared_ptr<const Program> program;
  const ptx::Module *module = nullptr; // file names
  Dim3 grid, block;
  uint32_t sharedBytes = 0;      // static and dynamic
  std::vector<Finding> findings; // sorted by op, then kind
  bool findingsCut = false;      // there were more than the limit
  std::vector<OpCounts> counts;  // by op
  double seconds = 0;
  uint64_t instructions = 0; // thread-instructions
};

// {"kernel", "grid", "block", "shared_bytes", "seconds", "instructions",
//  "findings": [{"kind", "message", "file", "line", "column", "ptx_line", "instruction", "block": [x,y,z], "thread":
//  [x,y,z],
//                "other": {"file", "line", "column", "ptx_line", "instruction", "block", "thread"} | null, "times"}],
//  "findings_cut",
//  "lines": [{"file", "line", "warps", "lanes", "classes": {"integer": lanes, ...}, "global_bytes_read", ...,
//  "bank_conflicts",
//             "multiply_adds", "barriers"}], "total": {the same}}
std::string toJson(const Report &report);

} // namespace treadle::sim
