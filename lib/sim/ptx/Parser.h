// The recursive-descent parser of PTX: what its parts share.
#pragma once

#include "Names.h"

#include <climits>

namespace treadle::sim::ptx {

constexpr uint64_t largestVariable = uint64_t(1) << 30;

// Constant expressions are exact until they are used.
using Wide = __int128;

class Parser {
public:
  explicit Parser(const Source &source) : source(source), lexer(source), names(source) { token = lexer.next(); }

  Module parse();

private:
  const Source &source;
  Lexer lexer;
  Token token;
  Names names;
  Module module;

  // The tokens.
  Token take();
  bool accept(char punctuation);
  bool accept(std::string_view dotted);
  void expect(char punctuation);
  [[noreturn]] void fail(const std::string &message) const { source.fail(token.line, message); }
  [[noreturn]] void unexpected(const std::string &expected) const {
    fail("expected " + expected + ", found " + describe(token));
  }
  std::string_view word(const char *what);
  std::string_view newName(const char *what);
  uint64_t integer(uint64_t from, uint64_t to);
  std::string signs();
  Wide term(std::string signs);
  Wide sum(std::string signs);

  // The module.
  void header();
  void version();
  void target();
  void directive();
  void file();
  void section();
  void externFunction();
  void pragma();
  void entry();
  void limits(Entry &entry);
  void parameter(Entry &entry);

  // Declarations.
  struct Declared {
    Type type = Type::None;
    unsigned lanes = 1;
    uint32_t align = 0;
  };
  Declared declaredType(bool isParam);
  void pointee();
  int variable(Space space, const Declared &declared, bool isExtern);
  void variables(Space space, bool isExtern);
  void row(Variable &variable, const std::vector<uint64_t> &dimensions, size_t level);
  void value(Variable &variable);
  void registers(Entry &entry);

  // The body of an entry.
  void body(Entry &entry);
  void bodyDirective(Entry &entry, Location &location);
  void loc(Location &location);
  void label(Entry &entry, const Token &name);
  void instruction(Entry &entry, Instruction instruction);
  int predicate(Entry &entry);
  Operand operand(Entry &entry);
  Operand scalar(Entry &entry);
  Operand name(Entry &entry);
  Operand constant();
  Operand address(Entry &entry);
  int64_t offset();
};

// Names that cannot be declared.
bool isReserved(std::string_view name);
// The space that a directive declares variables in.
std::optional<Space> variableSpace(const Token &token);
// Types that only instructions have.
bool isAlternate(Type type);

} // namespace treadle::sim::ptx
