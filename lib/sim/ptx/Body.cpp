// Reads the body of an entry of PTX: labels, instructions and their operands.
#include "Parser.h"

namespace treadle::sim::ptx {

namespace {

Operand make(Operand::Kind kind) {
  Operand out;
  out.kind = kind;
  return out;
}

} // namespace

void Parser::body(Entry &entry) {
  const size_t outermost = names.depth();
  const int start = token.line;
  Location location;
  expect('{');
  for (;;) {
    if (token.kind == Token::End) {
      int line = names.depth() == outermost ? start : names.openedAt();
      unexpected("'}' for the '{' in line " + std::to_string(line));
    } else if (token.is('{')) {
      names.open(token.line);
      take();
    } else if (accept('}')) {
      names.close(entry);
      if (names.depth() < outermost)
        return;
    } else if (token.kind == Token::Dotted) {
      bodyDirective(entry, location);
    } else {
      Instruction next;
      next.location = location;
      if (accept('@')) {
        next.guardNegated = accept('!');
        next.guard = predicate(entry);
      } else if (token.kind == Token::Word) {
        Token name = take();
        if (accept(':')) {
          label(entry, name);
          continue;
        }
        next.line = name.line;
        next.opcode = std::string(name.text);
      }
      instruction(entry, std::move(next));
    }
  }
}

void Parser::bodyDirective(Entry &entry, Location &location) {
  if (token.is("param"))
    fail("'.param' inside an entry is for calls, and functions are not supported");
  if (std::optional<Space> space = variableSpace(token)) {
    take();
    variables(*space, false);
  } else if (accept("reg")) {
    registers(entry);
  } else if (accept("loc")) {
    loc(location);
  } else if (accept("pragma")) {
    pragma();
  } else {
    unexpected("a directive of an entry's body");
  }
}

// ".loc 1 20 5, function_name $L__info_string0+3, inlined_at 1 40 2"
void Parser::loc(Location &location) {
  auto position = [&] {
    Location out;
    out.file = int(integer(0, INT_MAX));
    out.line = int(integer(0, INT_MAX));
    out.column = int(integer(0, INT_MAX));
    return out;
  };
  auto keyword = [&](const char *expected) {
    if (token.kind != Token::Word || token.text != expected)
      unexpected(quote(expected) + " after ','");
    take();
  };
  location = position();
  if (!accept(','))
    return;
  keyword("function_name");
  word("the name of a function");
  if (accept('+'))
    integer(0, INT_MAX);
  expect(',');
  keyword("inlined_at");
  position();
}

void Parser::label(Entry &entry, const Token &name) {
  if (token.is("branchtargets") || token.is("calltargets") || token.is("callprototype"))
    fail(describe(token) + " is not supported");
  if (isReserved(name.text))
    source.fail(name.line, "expected the name of a label, found " + quote(name.text));
  names.declare(name.text, {Meaning::Label, int(entry.instructions.size()), name.line});
}

// The rest of an instruction, whose guard or opcode has been read.
void Parser::instruction(Entry &entry, Instruction out) {
  if (out.opcode.empty()) {
    out.line = token.line;
    out.opcode = std::string(word("an instruction"));
  }
  if (out.opcode.find_first_of("%$_") == 0)
    source.fail(out.line, "expected an instruction, found " + quote(out.opcode));
  if (out.opcode == "call")
    source.fail(out.line, "functions are not supported");
  while (token.kind == Token::Dotted)
    out.modifiers.emplace_back(take().text);
  if (!token.is(';')) {
    do {
      const Meaning *meaning = nullptr;
      if (out.opcode == "bra" && token.kind == Token::Word &&
          (!(meaning = names.find(token.text, entry, token.line)) || meaning->kind != Meaning::Register)) {
        names.referToLabel(token.text, entry.instructions.size(), out.operands.size(), token.line);
        out.operands.push_back(make(Operand::Label));
        take();
      } else {
        out.operands.push_back(operand(entry));
      }
    } while (accept(','));
  }
  if (!accept(';'))
    unexpected("',' or ';'");
  entry.instructions.push_back(std::move(out));
}

// A predicate register, for a guard or after '!'.
int Parser::predicate(Entry &entry) {
  const Token found = token;
  std::string_view name = word("a predicate");
  const Meaning *meaning = names.find(name, entry, found.line);
  if (!meaning)
    source.fail(found.line, "undeclared predicate " + quote(name));
  if (meaning->kind != Meaning::Register || entry.registers[meaning->index].type != Type::Pred)
    source.fail(found.line, "expected a predicate, found " + quote(name));
  return meaning->index;
}

Operand Parser::operand(Entry &entry) {
  if (token.is('['))
    return address(entry);
  if (accept('{')) {
    Operand vector = make(Operand::Vector);
    do
      vector.elements.push_back(scalar(entry));
    while (accept(','));
    if (!accept('}'))
      unexpected("',' or '}'");
    return vector;
  }
  Operand first = scalar(entry);
  if (!token.is('|'))
    return first;
  Operand pair = make(Operand::Pair);
  pair.elements.push_back(std::move(first));
  take();
  pair.elements.push_back(scalar(entry));
  for (const Operand &element : pair.elements)
    if ((element.kind != Operand::Register && element.kind != Operand::Sink) || element.negated)
      fail("expected registers on both sides of '|'");
  return pair;
}

Operand Parser::scalar(Entry &entry) {
  if (token.kind == Token::Word)
    return name(entry);
  if (!accept('!'))
    return constant();
  Operand out = make(Operand::Register);
  out.negated = true;
  out.index = predicate(entry);
  return out;
}

Operand Parser::name(Entry &entry) {
  const Token found = take();
  std::string_view name = found.text;
  if (name == "_")
    return make(Operand::Sink);
  if (const Meaning *meaning = names.find(name, entry, found.line)) {
    Operand out = make(meaning->kind == Meaning::Register ? Operand::Register : Operand::Symbol);
    out.index = meaning->index;
    if (meaning->kind == Meaning::Label || meaning->kind == Meaning::Entry)
      source.fail(found.line, "expected a register or a variable, found " + quote(name));
    if (out.kind == Operand::Symbol && accept('+'))
      out.offset = offset();
    return out;
  }
  Operand special = make(Operand::Special);
  special.name = std::string(name);
  if (name == "WARP_SZ")
    return special;
  if (isSpecialVector(name)) {
    if (token.kind != Token::Dotted)
      unexpected("a component of " + quote(name) + ", such as '.x'");
    special.name += "." + std::string(take().text);
  }
  if (!isSpecialRegister(special.name))
    source.fail(found.line, std::string("undeclared ") + (name.front() == '%' ? "register " : "register or variable ") +
                                quote(special.name));
  return special;
}

// A number with its signs, or a sum of integers.
Operand Parser::constant() {
  std::string signs = this->signs();
  if (token.kind == Token::Float) {
    // A hexadecimal float has its sign inside.
    std::string_view text = token.text;
    const bool isHex = text.find_first_of("fFdD") == 1;
    if (!signs.empty() && (isHex || signs.find('~') != std::string::npos))
      unexpected("an integer");
    Operand out = make(Operand::Float);
    out.wide = token.wide;
    out.bits = take().bits;
    for (char sign : signs)
      out.bits ^= uint64_t(sign == '-') << 63;
    return out;
  }
  if (token.kind != Token::Integer && signs.empty())
    unexpected("an operand");
  Operand out = make(Operand::Integer);
  out.bits = uint64_t(sum(std::move(signs)));
  return out;
}

// "[%rd1+16]", "[table]", "[0x10]"
Operand Parser::address(Entry &entry) {
  expect('[');
  Operand out = make(Operand::Address);
  if (token.kind == Token::Word) {
    const Token base = token;
    out.elements.push_back(name(entry));
    Operand &element = out.elements.front();
    if (element.kind != Operand::Register && element.kind != Operand::Symbol)
      source.fail(base.line, "expected an address, found " + quote(base.text));
    std::swap(out.offset, element.offset);
    if (element.kind == Operand::Register && accept('+'))
      out.offset = offset();
  } else {
    out.elements.push_back(make(Operand::Integer));
    out.elements.front().bits = uint64_t(sum(signs()));
  }
  if (token.is(','))
    fail("addresses with coordinates are not supported");
  expect(']');
  return out;
}

// What is added to an address; 32 bits of it exist.
int64_t Parser::offset() {
  const int line = token.line;
  Wide value = sum(signs());
  if (value < INT32_MIN || value > INT32_MAX)
    source.fail(line, "an offset that does not fit 32 bits");
  return int64_t(value);
}

} // namespace treadle::sim::ptx
