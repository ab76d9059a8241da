// Words, numbers and punctuation of PTX text.
#pragma once

#include "Ptx.h"

namespace treadle::sim::ptx {

// The text being read, and where its errors come from.
struct Source {
  std::string_view text, name;

  [[noreturn]] void fail(int line, const std::string &message) const;
};

struct Token {
  enum Kind : uint8_t {
    End,
    Word,    // letters, digits, _, $ and %: "ld", "%r1", "$L__BB0_1", "_"
    Dotted,  // ".shared::cta", text without the dot
    Integer, // bits
    Float,   // bits: of a double if wide, else of a float
    String,  // text between the quotes
    Punctuation,
  } kind = End;
  bool wide = false;
  int line = 0;
  std::string_view text;
  uint64_t bits = 0;

  bool is(char punctuation) const { return kind == Punctuation && text.front() == punctuation; }
  bool is(std::string_view dotted) const { return kind == Dotted && text == dotted; }
};

// For messages: a name or a token between quotes, shortened, printable.
std::string quote(std::string_view text);
std::string describe(const Token &token);

class Lexer {
public:
  explicit Lexer(const Source &source) : source(source) {}

  Token next();

private:
  const Source &source;
  size_t at = 0;
  int line = 1;

  char peek(size_t ahead = 0) const { return at + ahead < source.text.size() ? source.text[at + ahead] : '\0'; }
  void skipBlanks();
  void skipFollow();
  Token number();
  std::string_view string();
};

} // namespace treadle::sim::ptx
