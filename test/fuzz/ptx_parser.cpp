// Any bytes as PTX: parsed and decoded, or refused with an error that names a line of theirs.

#include "Program.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace treadle::sim;

namespace {

constexpr const char *name = "fuzz.ptx";

void require(bool condition, const char *what) {
  if (condition)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void checkError(const Error &error, std::string_view text) {
  const auto lines = 1 + std::count(text.begin(), text.end(), '\n');
  const std::string message = error.what(), prefix = std::string(name) + ":" + std::to_string(error.line) + ": ";
  require(error.line >= 0 && error.line <= lines, "an error in a line that does not exist");
  require(error.line == 0 || message.compare(0, prefix.size(), prefix) == 0, "an error without its line");
  require(std::all_of(message.begin(), message.end(), [](char c) { return c >= ' ' && c <= '~'; }),
          "an error that cannot be printed");
}

void checkOperand(const ptx::Operand &operand, const ptx::Module &module, const ptx::Entry &entry) {
  const auto index = static_cast<size_t>(operand.index);
  if (operand.kind == ptx::Operand::Register)
    require(index < entry.registers.size(), "a register that does not exist");
  if (operand.kind == ptx::Operand::Symbol)
    require(index < module.variables.size(), "a variable that does not exist");
  if (operand.kind == ptx::Operand::Label)
    require(index <= entry.instructions.size(), "a label that does not exist");
  if (operand.kind == ptx::Operand::Address)
    require(operand.elements.size() == 1, "an address without a base");
  for (const ptx::Operand &element : operand.elements)
    checkOperand(element, module, entry);
}

void checkEntry(const ptx::Module &module, const ptx::Entry &entry) {
  require(module.find(entry.name) == &entry, "an entry that is not found by its name");
  for (const ptx::Instruction &instruction : entry.instructions) {
    require(instruction.guard < 0 || entry.registers.at(instruction.guard).type == ptx::Type::Pred,
            "a guard that is no predicate");
    for (const ptx::Operand &operand : instruction.operands)
      checkOperand(operand, module, entry);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  try {
    const ptx::Module module = ptx::parse(text, name);
    for (const ptx::Entry &entry : module.entries) {
      checkEntry(module, entry);
      decode(module, entry);
    }
  } catch (const Error &error) {
    checkError(error, text);
  }
  return 0;
}
