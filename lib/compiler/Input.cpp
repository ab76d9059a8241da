//===-- Input.cpp - what the parser is never shown -------------------------===//

#include "compiler/Input.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include <array>

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

namespace {
/// Reads the text once, token by token as MLIR's lexer does.
class Scanner {
public:
  Scanner(StringRef text, StringRef file) : text(text), file(file) {}

  std::optional<Message> run() {
    while (!problem && at < text.size()) {
      char c = text[at];
      if (c == '"')
        skipString();
      else if (startsComment(at))
        at = endOfLine(at);
      else if (c == '#' || c == '!')
        alias();
      else if (c == '%')
        value();
      else if (c == '_' || isAlnum(c))
        word();
      else if (c == '-' && text.substr(at).starts_with("->"))
        at += 2;
      else if ((c == '>' || c == '<') && text.substr(skipSpace(at + 1)).starts_with("="))
        ++at; // a comparison
      else
        bracket(c);
      if (affineStart != StringRef::npos && at - affineStart > maxAffineBytes)
        fail(affineStart, "an affine map has at most " + Twine(maxAffineBytes) + " characters");
    }
    return problem;
  }

private:
  void bracket(char c) {
    static constexpr StringLiteral open = "([{<", close = ")]}>";
    if (size_t kind = open.find(c); kind != StringRef::npos) {
      ++depth[kind];
      if (kind == Brace && opensModule) {
        ++modules;
        opensModule = false;
      }
      checkNesting(0);
    } else if (size_t kind = close.find(c); kind != StringRef::npos && depth[kind]) {
      if (c == '>' && depth[kind] == affineDepth)
        affineStart = StringRef::npos;
      --depth[kind];
      modules = std::min(modules, depth[Brace]);
      if (kind == Brace && moduleAttributes && depth[Brace] == modules)
        std::swap(moduleAttributes, opensModule);
    }
    ++at;
  }

  /// Where values are, no alias is being defined. Values are in functions; of others MLIR's parser may free what is
  /// used.
  void value() {
    if (!depth[Round] && !depth[Square] && depth[Brace] == modules)
      return fail(at, "expected functions at the top level of a program, found a value");
    closeAlias();
    ++at;
  }

  /// A keyword, an identifier or a number.
  void word() {
    size_t start = at;
    while (at < text.size() && (text[at] == '_' || isAlnum(text[at])))
      ++at;
    StringRef found = text.slice(start, at);
    if (found.size() > maxWordBytes)
      return fail(start, "a name or number has at most " + Twine(maxWordBytes) + " characters");
    if (size_t bits = integerBits(start, found); bits > maxIntegerBits)
      return fail(start, "an integer has at most " + Twine(maxIntegerBits) + " bits");
    if (found == "module" && depth[Brace] == modules && (start == 0 || !StringRef("%@^#!$-").contains(text[start - 1])))
      opensModule = true;
    else if (found == "attributes" && opensModule)
      std::swap(moduleAttributes, opensModule);
    size_t next = skipSpace(at);
    if (!text.substr(next).starts_with("<"))
      return;
    if (found.ends_with("affine_map") || found.ends_with("affine_set")) {
      if (affineStart == StringRef::npos) {
        affineStart = at;
        affineDepth = depth[Angle] + 1;
      }
    } else if (found.ends_with("array")) {
      StringRef element = text.substr(skipSpace(next + 1));
      if (element.starts_with("index") || element.starts_with("!"))
        fail(start, "expected integers or floats in a dense array, found '" +
                        element.take_until([](char c) { return c == ':' || c == '>' || c == '\n'; }) + "'");
    }
  }

  /// The digits after `i`, `si` or `ui`, alone or after sizes as in `4xi8`, as a number; 0 where there are none.
  size_t integerBits(size_t start, StringRef found) const {
    if (start > 0 && StringRef("%@^#!$.-").contains(text[start - 1]))
      return 0; // a name
    StringRef digits = found.take_back(found.size() - (found.find_last_not_of("0123456789") + 1)), type = found;
    type = type.drop_back(digits.size());
    if (digits.empty() || !type.consume_back("i"))
      return 0;
    type = type.rtrim("su");
    bool isElement = type == "x" || (type.ends_with("x") && isDigit(type[0]));
    size_t bits;
    if (!type.empty() && !isElement)
      return 0;
    return digits.getAsInteger(10, bits) ? SIZE_MAX : bits;
  }

  /// The definition of an alias, or a use of one.
  void alias() {
    size_t start = at++;
    bool number = at < text.size() && isDigit(text[at]);
    at = text.size() - text.substr(at).drop_while([&](char c) { return number ? isDigit(c) : !endsName(c); }).size();
    StringRef name = text.slice(start, at);
    if (size_t next = skipSpace(at); text.substr(next).starts_with("=")) {
      closeAlias();
      open = name;
      openedAt = start;
      written = Written();
      return;
    }
    if (name == open)
      closeAlias();
    auto it = aliases.find(name);
    if (it == aliases.end())
      return;
    checkNesting(it->second.depth);
    written.bytes += it->second.bytes;
    if (!open.empty() && written.bytes > maxInputBytes)
      fail(start, "an alias stands for more than " + Twine(maxInputBytes) + " characters");
  }

  /// Notes the alias being defined. A definition ends no later than at its first use, at the next one, or at a value.
  void closeAlias() {
    if (open.empty())
      return;
    written.bytes += at - openedAt;
    aliases[open] = written;
    open = {};
  }

  /// Refuses more brackets than there are around this place, `inside` of them in an alias.
  void checkNesting(unsigned inside) {
    unsigned nesting = depth[0] + depth[1] + depth[2] + depth[3] + inside;
    written.depth = std::max(written.depth, nesting);
    if (nesting > maxNesting)
      fail(at, "brackets are nested more than " + Twine(maxNesting) + " deep");
  }

  /// Whether a name of an alias ends before this character.
  static bool endsName(char c) { return !isAlnum(c) && !StringRef("_$.-").contains(c); }

  bool startsComment(size_t place) const { return text.substr(place).starts_with("//"); }
  size_t endOfLine(size_t place) const { return std::min(text.find_first_of("\n\r", place), text.size()); }

  size_t skipSpace(size_t place) const {
    for (; place < text.size(); ++place)
      if (startsComment(place))
        place = endOfLine(place);
      else if (!StringRef(" \t\n\r\0", 5).contains(text[place]))
        break;
    return std::min(place, text.size());
  }

  void skipString() {
    for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
      if (text[at] == '\\')
        ++at;
    at = std::min(at + 1, text.size());
  }

  void fail(size_t place, const Twine &message) {
    StringRef before = text.take_front(place);
    size_t lineStart = before.rfind('\n') + 1; // npos + 1 is 0
    problem = Message{Message::Error, file.str(), unsigned(before.count('\n') + 1), unsigned(place - lineStart + 1),
                      message.str(),  {}};
  }

  /// What an alias is, written out.
  struct Written {
    size_t bytes = 0;
    unsigned depth = 0;
  };

  static constexpr unsigned Round = 0, Square = 1, Brace = 2, Angle = 3;
  StringRef text, file;
  size_t at = 0, affineStart = StringRef::npos, openedAt = 0;
  unsigned affineDepth = 0;
  std::array<unsigned, 4> depth{};
  unsigned modules = 0;          ///< braces around what is open that are modules'
  bool opensModule = false;      ///< the next brace is one
  bool moduleAttributes = false; ///< the one after the next is
  StringMap<Written> aliases;
  StringRef open; ///< the alias being defined
  Written written;
  std::optional<Message> problem;
};
} // namespace

std::optional<Message> compiler::checkInput(StringRef text, StringRef file) {
  auto whole = [&](const Twine &message) { return Message{Message::Error, file.str(), 1, 1, message.str(), {}}; };
  if (text.size() > maxInputBytes)
    return whole("the program has " + Twine(text.size()) + " bytes; at most " + Twine(maxInputBytes) + " are accepted");
  if (text.starts_with("ML\xefR"))
    return whole("expected MLIR text, found MLIR bytecode");
  return Scanner(text, file).run();
}
