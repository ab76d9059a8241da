// Reads declarations of PTX: variables with their initial values, and registers.
#include "Parser.h"

#include <cstring>

namespace treadle::sim::ptx {

namespace {

constexpr size_t mostDimensions = 64;

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

uint64_t bitsOf(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double doubleOf(uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

} // namespace

std::optional<Space> variableSpace(const Token &token) {
  if (token.kind != Token::Dotted)
    return std::nullopt;
  if (token.text == "global")
    return Space::Global;
  if (token.text == "shared" || token.text == "shared::cta")
    return Space::Shared;
  if (token.text == "local")
    return Space::Local;
  if (token.text == "const")
    return Space::Const;
  return std::nullopt;
}

bool isAlternate(Type type) {
  switch (type) {
  case Type::BF16:
  case Type::BF16x2:
  case Type::TF32:
  case Type::E4M3:
  case Type::E5M2:
    return true;
  default:
    return false;
  }
}

// The attributes and the type before a name.
Parser::Declared Parser::declaredType(bool isParam) {
  Declared out;
  while (token.kind == Token::Dotted) {
    std::optional<Type> type = parseType(token.text);
    if (accept("align")) {
      uint64_t align = integer(1, largestVariable);
      if (align & (align - 1))
        fail("an alignment of " + std::to_string(align) + ", which is no power of two");
      out.align = uint32_t(align);
    } else if (!isParam && (token.is("v2") || token.is("v4"))) {
      out.lanes = unsigned(take().text[1] - '0');
    } else if (isParam && accept("ptr")) {
      pointee();
    } else if (type && *type != Type::Pred && !isAlternate(*type) && out.type == Type::None) {
      out.type = *type;
      take();
    } else {
      unexpected(out.type == Type::None ? "the type of a variable" : "the name of a variable");
    }
  }
  if (out.type == Type::None)
    unexpected("the type of a variable");
  if (out.align == 0)
    out.align = byteSize(out.type) * out.lanes;
  return out;
}

// What a parameter points to is for the compiler: ".ptr .global .align 16".
void Parser::pointee() {
  if (variableSpace(token))
    take();
  if (accept("align"))
    integer(1, largestVariable);
}

// "name[16] = {...}"
int Parser::variable(Space space, const Declared &declared, bool isExtern) {
  Variable out;
  out.line = token.line;
  out.space = space;
  out.type = declared.type;
  out.align = declared.align;
  out.isExtern = isExtern;
  std::string_view name = newName("the name of a variable");
  out.name = std::string(name);
  names.declare(name, {Meaning::Variable, int(module.variables.size()), out.line});
  if (isExtern && space != Space::Shared)
    source.fail(out.line, quote(name) + ": external variables outside '.shared' are not supported");

  auto checkSize = [&](uint64_t bytes) {
    if (bytes > largestVariable)
      source.fail(out.line, quote(name) + " is larger than 1 GiB");
  };
  // 0: as many as there are initial values
  std::vector<uint64_t> dimensions;
  uint64_t rowBytes = uint64_t(byteSize(declared.type)) * declared.lanes;
  while (accept('[')) {
    if (dimensions.size() == mostDimensions)
      fail(quote(name) + " has more than " + std::to_string(mostDimensions) + " dimensions");
    dimensions.push_back(dimensions.empty() && token.is(']') ? 0 : integer(1, largestVariable));
    if (dimensions.size() > 1)
      checkSize(rowBytes *= dimensions.back());
    expect(']');
  }
  out.bytes = rowBytes * (dimensions.empty() ? 1 : dimensions.front());
  checkSize(out.bytes);
  if (declared.lanes > 1)
    dimensions.push_back(declared.lanes);

  if (token.is('=')) {
    if ((space != Space::Global && space != Space::Const) || isExtern)
      fail(quote(name) + ": initial values are for '.global' and '.const'");
    take();
    if (dimensions.empty())
      value(out);
    else
      row(out, dimensions, 0);
  }
  if (out.bytes == 0)
    out.bytes = (out.initial.size() + rowBytes - 1) / rowBytes * rowBytes;
  checkSize(out.bytes);
  if (out.bytes == 0 && !isExtern)
    source.fail(out.line, quote(name) + " has no size");
  module.variables.push_back(std::move(out));
  return int(module.variables.size() - 1);
}

void Parser::variables(Space space, bool isExtern) {
  Declared declared = declaredType(false);
  do
    variable(space, declared, isExtern);
  while (accept(','));
  expect(';');
}

// "{1, 2}": of the values of one dimension, which for all but the last are rows.
void Parser::row(Variable &variable, const std::vector<uint64_t> &dimensions, size_t level) {
  uint64_t bytes = byteSize(variable.type);
  for (size_t inner = level + 1; inner < dimensions.size(); ++inner)
    bytes *= dimensions[inner];
  const size_t start = variable.initial.size();
  expect('{');
  if (accept('}'))
    return;
  uint64_t count = 0;
  do {
    if (count == dimensions[level] && count > 0)
      fail("more than " + std::to_string(count) + " initial values in a row of " + quote(variable.name));
    if (variable.initial.size() != start + count * bytes)
      fail("too few initial values in a row of " + quote(variable.name) + " that is not the last");
    if (level + 1 < dimensions.size())
      row(variable, dimensions, level + 1);
    else
      value(variable);
    ++count;
  } while (accept(','));
  expect('}');
}

void Parser::value(Variable &variable) {
  const unsigned bytes = byteSize(variable.type);
  const bool isFloat = variable.type == Type::F32 || variable.type == Type::F64;
  if (bytes > 8 || variable.type == Type::F16 || variable.type == Type::F16x2)
    fail(quote(variable.name) + ": no initial values for its type");
  if (token.kind == Token::Word)
    fail("addresses as initial values are not supported");
  const Token first = token;
  auto mismatch = [&](const char *expected) {
    source.fail(first.line, quote(variable.name) + ": expected " + expected + ", found " + describe(first));
  };
  Operand constant = this->constant();
  uint64_t bits = constant.bits;
  if (constant.kind == Operand::Float) {
    const bool isBits = variable.type == Type::B32 || variable.type == Type::B64;
    if (!isFloat && !(isBits && constant.wide == (bytes == 8)))
      mismatch("an integer");
    if (constant.wide && bytes == 4)
      bits = bitsOf(float(doubleOf(bits)));
    else if (!constant.wide && bytes == 8)
      bits = bitsOf(double(floatOf(uint32_t(bits))));
  } else {
    if (isFloat)
      mismatch("a floating-point number");
    auto number = int64_t(bits);
    if (bytes < 8 && (number < -(int64_t(1) << (8 * bytes - 1)) || number >= int64_t(1) << (8 * bytes)))
      mismatch(("an integer of " + std::to_string(8 * bytes) + " bits").c_str());
  }
  for (unsigned byte = 0; byte < bytes; ++byte)
    variable.initial.push_back(uint8_t(bits >> (8 * byte)));
}

void Parser::registers(Entry &entry) {
  if (accept("align"))
    integer(1, largestVariable);
  if (token.is("v2") || token.is("v4"))
    fail("vectors of registers are not supported");
  std::optional<Type> type = token.kind == Token::Dotted ? parseType(token.text) : std::nullopt;
  if (!type || isAlternate(*type))
    unexpected("the type of a register");
  take();
  do {
    int line = token.line;
    std::string_view name = newName("the name of a register");
    if (accept('<')) {
      names.declareRange(name, uint32_t(integer(0, INT_MAX)), *type, line);
      expect('>');
    } else {
      names.declare(name, {Meaning::Register, int(entry.registers.size()), line});
      entry.registers.push_back({std::string(name), *type});
    }
  } while (accept(','));
  expect(';');
}

} // namespace treadle::sim::ptx
