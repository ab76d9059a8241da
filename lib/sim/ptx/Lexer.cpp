// Words, numbers and punctuation of PTX text.
#include "Lexer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace treadle::sim::ptx {

namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }
// What may follow the first character of a name.
bool isFollow(char c) { return isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$'; }

size_t digitsAt(std::string_view text, size_t at) {
  size_t end = at;
  while (end < text.size() && isDigit(text[end]))
    ++end;
  return end - at;
}

// The length of the decimal float at the start of the text; 0 if none is there.
size_t decimalFloat(std::string_view text) {
  size_t whole = digitsAt(text, 0), end = whole, fraction = 0;
  bool isFloat = false;
  if (end < text.size() && text[end] == '.') {
    fraction = digitsAt(text, end + 1);
    end += 1 + fraction;
    isFloat = true;
  }
  if (whole + fraction == 0)
    return 0;
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t sign = end + 1 < text.size() && (text[end + 1] == '+' || text[end + 1] == '-');
    if (size_t exponent = digitsAt(text, end + 1 + sign)) {
      end += 1 + sign + exponent;
      isFloat = true;
    }
  }
  return isFloat ? end : 0;
}

std::string escape(std::string_view text) {
  constexpr size_t longest = 40;
  std::string out;
  for (char c : text.substr(0, longest)) {
    if (c >= ' ' && c <= '~') {
      out += c;
      continue;
    }
    constexpr char hex[] = "0123456789abcdef";
    auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', hex[byte >> 4], hex[byte & 15]};
  }
  return text.size() > longest ? out + "..." : out;
}

} // namespace

void Source::fail(int line, const std::string &message) const {
  throw Error(std::string(name) + ":" + std::to_string(line) + ": " + message, line);
}

std::string quote(std::string_view text) { return "'" + escape(text) + "'"; }

std::string describe(const Token &token) {
  if (token.kind == Token::End)
    return "the end of the text";
  if (token.kind == Token::Dotted)
    return "'." + escape(token.text) + "'";
  if (token.kind == Token::String)
    return "\"" + escape(token.text) + "\"";
  return quote(token.text);
}

void Lexer::skipFollow() {
  while (isFollow(peek()))
    ++at;
}

void Lexer::skipBlanks() {
  std::string_view text = source.text;
  while (at < text.size()) {
    char c = text[at];
    if (c == '\n') {
      ++line;
      ++at;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f') {
      ++at;
    } else if (c == '/' && peek(1) == '/') {
      at = std::min(text.find('\n', at), text.size());
    } else if (c == '/' && peek(1) == '*') {
      size_t end = text.find("*/", at + 2);
      if (end == std::string_view::npos)
        source.fail(line, "a comment without an end");
      for (char inside : text.substr(at, end - at))
        line += inside == '\n';
      at = end + 2;
    } else {
      return;
    }
  }
}

std::string_view Lexer::string() {
  size_t start = ++at;
  at = source.text.find_first_of("\"\n", start);
  if (at == std::string_view::npos || source.text[at] == '\n')
    source.fail(line, "a string without an end");
  return source.text.substr(start, at++ - start);
}

Token Lexer::number() {
  std::string_view rest = source.text.substr(at);
  Token token{Token::Integer, false, line, {}, 0};
  size_t start = at;
  const size_t decimal = decimalFloat(rest);
  at += decimal;
  skipFollow();
  token.text = source.text.substr(start, at - start);
  std::string_view digits = token.text;

  auto check = [&](std::errc status, const char *end) {
    if (status == std::errc::result_out_of_range)
      source.fail(line, "number " + quote(token.text) + " is out of range");
    if (status != std::errc() || end != digits.data() + digits.size())
      source.fail(line, "expected a number, found " + quote(token.text));
  };

  if (decimal) {
    token.kind = Token::Float;
    token.wide = true;
    double value = 0;
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    check(status, end);
    static_assert(sizeof value == sizeof token.bits);
    std::memcpy(&token.bits, &value, sizeof value);
    return token;
  }

  int base = 10;
  if (digits.size() > 1 && digits[0] == '0') {
    char prefix = digits[1] | 0x20;
    if (prefix == 'f' || prefix == 'd') {
      token.kind = Token::Float;
      token.wide = prefix == 'd';
      if (digits.size() != (token.wide ? 18 : 10))
        source.fail(line, std::string("expected ") + (token.wide ? "16" : "8") + " hexadecimal digits, found " +
                              quote(token.text));
    }
    base = prefix == 'x' || token.kind == Token::Float ? 16 : prefix == 'b' ? 2 : 8;
    digits.remove_prefix(base == 8 ? 1 : 2);
  }
  if (token.kind == Token::Integer && digits.size() > 0 && digits.back() == 'U')
    digits.remove_suffix(1);
  // "0U", whose 0 was taken for the prefix of an octal number
  if (digits.empty() && base == 8)
    return token;
  auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), token.bits, base);
  check(status, end);
  return token;
}

Token Lexer::next() {
  skipBlanks();
  Token token{Token::End, false, line, {}, 0};
  if (at == source.text.size())
    return token;
  size_t start = at;
  char c = peek();
  if (isDigit(c))
    return number();
  if ((isFollow(c) && c != '$') || ((c == '%' || c == '$') && isFollow(peek(1)))) {
    token.kind = Token::Word;
    ++at;
    skipFollow();
  } else if (c == '.' && isFollow(peek(1))) {
    // ".5" is a number, ".2d" is not
    size_t decimal = decimalFloat(source.text.substr(at));
    if (decimal && !isFollow(peek(decimal)))
      return number();
    token.kind = Token::Dotted;
    start = ++at;
    skipFollow();
    while (peek() == ':' && peek(1) == ':' && isFollow(peek(2))) {
      at += 2;
      skipFollow();
    }
  } else if (c == '"') {
    token.kind = Token::String;
    token.text = string();
    return token;
  } else if (std::string_view("{}()[]<>,;:=+-*!|@~").find(c) != std::string_view::npos) {
    token.kind = Token::Punctuation;
    ++at;
  } else {
    source.fail(line, "unexpected character " + quote({&source.text[at], 1}));
  }
  token.text = source.text.substr(start, at - start);
  return token;
}

} // namespace treadle::sim::ptx
