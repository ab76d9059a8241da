// Reads PTX text into a Module: tokens, constants and directives of the module.
#include "Parser.h"

#include <charconv>

namespace treadle::sim::ptx {

bool isReserved(std::string_view name) { return name == "_" || name == "WARP_SZ"; }

Token Parser::take() {
  Token taken = token;
  token = lexer.next();
  return taken;
}

bool Parser::accept(char punctuation) {
  if (!token.is(punctuation))
    return false;
  take();
  return true;
}

bool Parser::accept(std::string_view dotted) {
  if (!token.is(dotted))
    return false;
  take();
  return true;
}

void Parser::expect(char punctuation) {
  if (!accept(punctuation))
    unexpected(quote({&punctuation, 1}));
}

std::string_view Parser::word(const char *what) {
  if (token.kind != Token::Word)
    unexpected(what);
  return take().text;
}

std::string_view Parser::newName(const char *what) {
  if (isReserved(token.text))
    unexpected(what);
  return word(what);
}

uint64_t Parser::integer(uint64_t from, uint64_t to) {
  if (token.kind != Token::Integer)
    unexpected("an integer");
  if (token.bits < from || token.bits > to)
    fail("expected an integer from " + std::to_string(from) + " to " + std::to_string(to) + ", found " +
         quote(token.text));
  return take().bits;
}

std::string Parser::signs() {
  std::string signs;
  while (token.is('-') || token.is('+') || token.is('~'))
    signs += take().text;
  return signs;
}

Wide Parser::term(std::string signs) {
  if (token.kind != Token::Integer)
    unexpected("an integer");
  Wide value = take().bits;
  for (; !signs.empty(); signs.pop_back()) {
    if (signs.back() == '-')
      value = -value;
    else if (signs.back() == '~')
      value = int64_t(~uint64_t(value));
  }
  return value;
}

// "4+-8", whose first signs have been read.
Wide Parser::sum(std::string first) {
  int line = token.line;
  constexpr Wide least = -(Wide(1) << 63), greatest = (Wide(1) << 64) - 1;
  auto check = [&](Wide value) {
    if (value < least || value > greatest)
      source.fail(line, "a constant that does not fit 64 bits");
    return value;
  };
  Wide value = check(term(std::move(first)));
  while (token.is('+') || token.is('-')) {
    Wide sign = take().is('+') ? 1 : -1;
    value = check(value + sign * term(signs()));
  }
  return value;
}

Module Parser::parse() {
  module.name = std::string(source.name);
  header();
  while (token.kind != Token::End)
    directive();
  return std::move(module);
}

void Parser::header() {
  if (!accept("version"))
    unexpected("'.version'");
  version();
  if (!accept("target"))
    unexpected("'.target'");
  target();
  if (accept("address_size"))
    integer(64, 64);
}

void Parser::version() {
  auto number = [](std::string_view digits, int &out) {
    auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return status == std::errc() && end == digits.data() + digits.size();
  };
  const std::string_view text = token.text;
  const size_t dot = text.find('.');
  if (token.kind != Token::Float || dot == std::string_view::npos ||
      !number(text.substr(0, dot), module.versionMajor) || !number(text.substr(dot + 1), module.versionMinor))
    unexpected("a version such as 8.0");
  take();
}

void Parser::target() {
  if (token.text.substr(0, 3) != "sm_")
    unexpected("a target such as sm_80");
  module.target = std::string(word("a target such as sm_80"));
  while (accept(','))
    word("an option of the target");
}

void Parser::directive() {
  bool isExtern = false;
  if (accept("extern")) {
    isExtern = true;
    if (accept("func"))
      return externFunction();
  } else if (token.is("visible") || token.is("weak") || token.is("common")) {
    take();
  } else if (accept("file")) {
    return file();
  } else if (accept("section")) {
    return section();
  } else if (accept("pragma")) {
    return pragma();
  }
  if (token.is("func") || token.is("alias"))
    fail("functions are not supported");
  if (!isExtern && accept("entry"))
    return entry();
  std::optional<Space> space = variableSpace(token);
  if (!space)
    unexpected("a directive of a module");
  if (space == Space::Local)
    fail("a '.local' variable outside an entry");
  take();
  variables(*space, isExtern);
}

void Parser::file() {
  int line = token.line, index = int(integer(0, INT_MAX));
  if (token.kind != Token::String)
    unexpected("the name of a file");
  if (!module.files.emplace(index, std::string(take().text)).second)
    source.fail(line, "file " + std::to_string(index) + " is already declared");
  // its time and size
  for (int field = 0; field < 2 && accept(','); ++field)
    integer(0, UINT64_MAX);
}

void Parser::section() {
  int line = token.line;
  if (token.kind != Token::Dotted)
    unexpected("the name of a section");
  while (token.kind == Token::Dotted)
    take();
  expect('{');
  for (size_t depth = 1; depth > 0; take()) {
    if (token.kind == Token::End)
      source.fail(line, "a section without an end");
    depth += token.is('{');
    depth -= token.is('}');
  }
}

void Parser::externFunction() {
  int line = token.line;
  while (!token.is(';')) {
    if (token.kind == Token::End || token.is('{'))
      source.fail(line, "expected ';' after the declaration of a function, found " + describe(token));
    take();
  }
  take();
}

void Parser::pragma() {
  do {
    if (token.kind != Token::String)
      unexpected("a pragma in quotes");
    take();
  } while (accept(','));
  expect(';');
}

void Parser::entry() {
  Entry entry;
  entry.line = token.line;
  std::string_view name = newName("the name of an entry");
  names.declare(name, {Meaning::Entry, int(module.entries.size()), entry.line});
  entry.name = std::string(name);
  names.open(token.line);
  if (accept('(') && !accept(')')) {
    do
      parameter(entry);
    while (accept(','));
    expect(')');
  }
  limits(entry);
  body(entry);
  module.entries.push_back(std::move(entry));
}

void Parser::limits(Entry &entry) {
  auto dimensions = [&](std::array<uint32_t, 3> &out) {
    out = {1, 1, 1};
    size_t axis = 0;
    do
      out[axis++] = uint32_t(integer(1, INT_MAX));
    while (axis < out.size() && accept(','));
  };
  std::array<uint32_t, 3> cluster;
  while (token.kind == Token::Dotted) {
    if (accept("reqntid"))
      dimensions(entry.reqntid);
    else if (accept("maxntid"))
      dimensions(entry.maxntid);
    else if (accept("reqnctapercluster"))
      dimensions(cluster);
    else if (accept("minnctapersm") || accept("maxnctapersm") || accept("maxnreg") || accept("maxclusterrank"))
      integer(1, INT_MAX);
    else if (accept("pragma"))
      pragma();
    else if (!accept("noreturn") && !accept("explicitcluster") && !accept("blocksareclusters"))
      unexpected("a directive of an entry");
  }
}

void Parser::parameter(Entry &entry) {
  if (!accept("param"))
    unexpected("'.param'");
  Declared declared = declaredType(true);
  entry.params.push_back(variable(Space::Param, declared, false));
}

Module parse(std::string_view text, std::string_view name) {
  Source source{text, name};
  return Parser(source).parse();
}

} // namespace treadle::sim::ptx
