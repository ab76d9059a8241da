// What the names in PTX text mean: scopes, registers declared by the range, and special registers.
#pragma once

#include "Lexer.h"

namespace treadle::sim::ptx {

struct Meaning {
  enum Kind : uint8_t { Register, Variable, Label, Entry } kind;
  int index; // of Entry::registers, Module::variables, Entry::instructions or Module::entries
  int line;
  bool ofRange = false; // made by a use, not by a declaration
};

class Names {
public:
  explicit Names(const Source &source) : source(source), scopes(1) {}

  // Scopes: the module's is always open.
  void open(int line);
  void close(Entry &entry);
  // Of open scopes inside the module's.
  size_t depth() const { return scopes.size() - 1; }
  // Where the innermost one begins.
  int openedAt() const { return scopes.back().line; }

  void declare(std::string_view name, Meaning meaning);
  // "%r<100>". A register of a range costs nothing until it is used.
  void declareRange(std::string_view prefix, uint32_t count, Type type, int line);
  // The innermost meaning of a name; adds the register to the entry if this is the first use of one of a range.
  const Meaning *find(std::string_view name, Entry &entry, int line);
  // The operand is a label, known by the end of its scope or of one around it.
  void referToLabel(std::string_view name, size_t instruction, size_t operand, int line);

private:
  struct Range {
    uint32_t count;
    Type type;
    int line;
  };
  struct LabelUse {
    std::string_view name;
    size_t instruction, operand;
    int line;
  };
  struct Scope {
    int line = 0;
    std::unordered_map<std::string_view, Meaning> names;
    std::unordered_map<std::string_view, Range> ranges;
    std::vector<LabelUse> uses;
  };

  const Range *findRange(const Scope &scope, std::string_view name, int line) const;

  const Source &source;
  std::vector<Scope> scopes;
};

// Whether there is a special register of that name, "%tid.x".
bool isSpecialRegister(std::string_view name);
// Whether a special register needs one of the components x, y, z.
bool isSpecialVector(std::string_view name);

} // namespace treadle::sim::ptx
