//===-- Input.cpp - what the parser is never shown -------------------------===//

#include "compiler/Input.h"

#include "llvm/ADT/StringExtras.h"
#include <array>

using namespace llvm;
using namespace treadle;
using namespace treadle::compiler;

namespace {
/// Reads the text once, bracket by bracket.
class Scanner {
public:
  Scanner(StringRef text, StringRef file) : text(text), file(file) {}

  std::optional<Message> run() {
    while (at < text.size()) {
      char c = text[at];
      if (c == '\n') {
        ++line;
        lineStart = ++at;
      } else if (c == '"') {
        skipString();
      } else if (text.substr(at).starts_with("//")) {
        at = std::min(text.find('\n', at), text.size());
      } else if (c == '-' && text.substr(at).starts_with("->")) {
        at += 2;
      } else if ((c == '>' || c == '<') && text.substr(at + 1).starts_with("=")) {
        at += 2;
      } else if (auto error = bracket(c)) {
        return error;
      } else {
        ++at;
      }
    }
    return std::nullopt;
  }

private:
  std::optional<Message> bracket(char c) {
    static constexpr StringLiteral open = "([{<", close = ")]}>";
    if (size_t kind = open.find(c); kind != StringRef::npos) {
      ++depth[kind];
      if (depth[0] + depth[1] + depth[2] + depth[3] > maxNesting)
        return error("brackets are nested more than " + Twine(maxNesting) + " deep");
      if (c == '<' && affineStart == StringRef::npos &&
          (text.substr(0, at).ends_with("affine_map") || text.substr(0, at).ends_with("affine_set"))) {
        affineStart = at;
        affineDepth = depth[kind];
      }
    } else if (size_t kind = close.find(c); kind != StringRef::npos && depth[kind]) {
      if (c == '>' && depth[kind] == affineDepth)
        affineStart = StringRef::npos;
      --depth[kind];
    }
    if (affineStart != StringRef::npos && at - affineStart > maxAffineBytes)
      return error("an affine map has at most " + Twine(maxAffineBytes) + " characters");
    return std::nullopt;
  }

  void skipString() {
    for (++at; at < text.size() && text[at] != '"' && text[at] != '\n'; ++at)
      if (text[at] == '\\')
        ++at;
    at = std::min(at + (at < text.size() && text[at] == '"'), text.size());
  }

  Message error(const Twine &message) {
    return {Message::Error, file.str(), line, unsigned(at - lineStart + 1), message.str(), {}};
  }

  StringRef text, file;
  size_t at = 0, lineStart = 0, affineStart = StringRef::npos;
  unsigned line = 1, affineDepth = 0;
  std::array<unsigned, 4> depth{};
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
