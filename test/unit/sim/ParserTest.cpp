//===- ParserTest.cpp - PTX text and what is wrong with it ----------------===//

#include "ptx/Ptx.h"

#include <gtest/gtest.h>

using namespace treadle::sim;
using namespace treadle::sim::ptx;

namespace {

constexpr char header[] = ".version 8.0\n.target sm_90a\n.address_size 64\n";

// Line 4 begins after the header.
Module parseModule(const std::string &text) { return parse(header + text, "t.ptx"); }

constexpr char declarations[] = ".shared .b32 tile[8]; .reg .pred p, q; .reg .b32 %r<10>; .reg .b64 %rd<10>;\n";

// Line 5 begins the body, line 6 the text.
Module parseBody(const std::string &text) {
  return parseModule(std::string(".entry k(.param .u64 a)\n{ ") + declarations + text + "\n}");
}

Instruction parseInstruction(const std::string &text) { return parseBody(text).entries.at(0).instructions.at(0); }

Operand parseOperand(const std::string &text) { return parseInstruction("op " + text + ";").operands.at(0); }

std::string errorOf(const std::string &text) {
  try {
    parse(text, "t.ptx");
  } catch (const Error &error) {
    std::string prefix = "t.ptx:" + std::to_string(error.line) + ": ";
    EXPECT_EQ(std::string(error.what()).substr(0, prefix.size()), prefix);
    return std::string(error.what()).substr(6);
  }
  return "";
}

std::string moduleError(const std::string &text) { return errorOf(header + text); }
std::string bodyError(const std::string &text) {
  return moduleError(std::string(".entry k(.param .u64 a)\n{ ") + declarations + text + "\n}");
}

std::string repeat(const std::string &text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i)
    out += text;
  return out;
}

} // namespace

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

TEST(Types, NamesAndSizes) {
  EXPECT_EQ(parseType("f16x2"), Type::F16x2);
  EXPECT_EQ(parseType("e5m2"), Type::E5M2);
  EXPECT_EQ(parseType("f128"), std::nullopt);
  EXPECT_EQ(byteSize(Type::None), 0u);
  EXPECT_EQ(byteSize(Type::Pred), 4u);
  EXPECT_EQ(byteSize(Type::B128), 16u);
  EXPECT_EQ(byteSize(Type::BF16x2), 4u);
  EXPECT_EQ(byteSize(Type::E4M3), 1u);
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

TEST(Parser, Header) {
  Module module = parse("// first\n.version 8.10 .target sm_100a, texmode_independent, debug", "n");
  EXPECT_EQ(module.name, "n");
  EXPECT_EQ(module.versionMajor, 8);
  EXPECT_EQ(module.versionMinor, 10);
  EXPECT_EQ(module.target, "sm_100a");
  EXPECT_EQ(errorOf(""), "1: expected '.version', found the end of the text");
  EXPECT_EQ(errorOf(".target sm_90"), "1: expected '.version', found '.target'");
  EXPECT_EQ(errorOf(".version 8"), "1: expected a version such as 8.0, found '8'");
  EXPECT_EQ(errorOf(".version 8.0e1"), "1: expected a version such as 8.0, found '8.0e1'");
  EXPECT_EQ(errorOf(".version 8.0\n.entry k {}"), "2: expected '.target', found '.entry'");
  EXPECT_EQ(errorOf(".version 8.0 .target x"), "1: expected a target such as sm_80, found 'x'");
  EXPECT_EQ(errorOf(".version 8.0 .target sm_90,"), "1: expected an option of the target, found the end of the text");
  EXPECT_EQ(errorOf(".version 8.0 .target sm_90 .address_size 32"), "1: expected an integer from 64 to 64, found '32'");
}

TEST(Parser, FilesSectionsAndPragmas) {
  Module module = parseModule(".file 1 \"/a/b.py\"\n.file 2 \"c\", 1700000000, 25\n"
                              ".section .debug_str { $L: .b8 1,2 { .b32 $L+4 .b64 x-y } }\n"
                              "\t.section\t.debug_macinfo\t{\t}\n.pragma \"nounroll\", \"x\";");
  EXPECT_EQ(module.files.at(1), "/a/b.py");
  EXPECT_EQ(module.files.at(2), "c");
  EXPECT_EQ(moduleError(".file 1 \"a\"\n.file 1 \"b\""), "5: file 1 is already declared");
  EXPECT_EQ(moduleError(".file 1 a"), "4: expected the name of a file, found 'a'");
  EXPECT_EQ(moduleError(".file 1 \"a"), "4: a string without an end");
  EXPECT_EQ(moduleError(".file 1 \"a\nb\""), "4: a string without an end");
  EXPECT_EQ(moduleError(".section x { }"), "4: expected the name of a section, found 'x'");
  EXPECT_EQ(moduleError(".section .x ;"), "4: expected '{', found ';'");
  EXPECT_EQ(moduleError(".section .x { {\n }"), "4: a section without an end");
  EXPECT_EQ(moduleError(".pragma nounroll;"), "4: expected a pragma in quotes, found 'nounroll'");
}

TEST(Parser, FunctionsAreDeclaredAtMost) {
  EXPECT_TRUE(parseModule(".extern .func (.param .b32 r) vprintf\n(.param .b64 a, .param .b64 b)\n;").entries.empty());
  EXPECT_EQ(moduleError("\n.visible .func f() { }"), "5: functions are not supported");
  EXPECT_EQ(moduleError(".func f() { }"), "4: functions are not supported");
  EXPECT_EQ(moduleError(".alias f, g;"), "4: functions are not supported");
  EXPECT_EQ(moduleError(".extern .func f() { }"), "4: expected ';' after the declaration of a function, found '{'");
  EXPECT_EQ(moduleError(".extern .func f()"),
            "4: expected ';' after the declaration of a function, found the end of the text");
  EXPECT_EQ(bodyError("call f;"), "6: functions are not supported");
  EXPECT_EQ(bodyError("{ .param .b32 x; }"),
            "6: '.param' inside an entry is for calls, and functions are not supported");
}

TEST(Parser, Entries) {
  Module module =
      parseModule(".visible .entry first(\n"
                  ".param .u64 .ptr .global .align 16 x,\n.param .u64 .ptr y, .param .align 8 .b8 z[20]\n)\n"
                  ".reqntid 128, 2\n.minnctapersm 1 .maxnreg 32 .pragma \"x\";\n{ ret; }\n"
                  ".weak .entry second .maxntid 4,5,6 .maxclusterrank 8 .noreturn { }\n"
                  ".entry third() .reqntid 1 .explicitcluster .reqnctapercluster 2,1,1 {}\n");
  ASSERT_EQ(module.entries.size(), 3u);
  const Entry &first = module.entries[0];
  EXPECT_EQ(module.find("first"), &first);
  EXPECT_EQ(module.find("fourth"), nullptr);
  EXPECT_EQ(first.line, 4);
  EXPECT_EQ(first.reqntid, (std::array<uint32_t, 3>{128, 2, 1}));
  EXPECT_EQ(first.maxntid, (std::array<uint32_t, 3>{}));
  EXPECT_EQ(module.entries[1].maxntid, (std::array<uint32_t, 3>{4, 5, 6}));
  EXPECT_EQ(module.entries[2].reqntid, (std::array<uint32_t, 3>{1, 1, 1}));
  ASSERT_EQ(first.params, (std::vector<int>{0, 1, 2}));
  const Variable &x = module.variables[0], &z = module.variables[2];
  EXPECT_EQ(x.name, "x");
  EXPECT_EQ(x.space, Space::Param);
  EXPECT_EQ(x.type, Type::U64);
  EXPECT_EQ(x.bytes, 8u);
  EXPECT_EQ(x.align, 8u); // its own, not that of what it points to
  EXPECT_EQ(x.line, 5);
  EXPECT_EQ(z.bytes, 20u);
  EXPECT_EQ(z.align, 8u);

  EXPECT_EQ(moduleError(".entry k {}\n.entry k {}"), "5: 'k' is already declared in line 4");
  EXPECT_EQ(moduleError(".entry () {}"), "4: expected the name of an entry, found '('");
  EXPECT_EQ(moduleError(".entry k(.reg .b32 x) {}"), "4: expected '.param', found '.reg'");
  EXPECT_EQ(moduleError(".entry k(.param .b32 x,) {}"), "4: expected '.param', found ')'");
  EXPECT_EQ(moduleError(".entry k(.param .b32 x, .param .b32 x) {}"), "4: 'x' is already declared in line 4");
  EXPECT_EQ(moduleError(".entry k(.param .pred x) {}"), "4: expected the type of a variable, found '.pred'");
  EXPECT_EQ(moduleError(".entry k(.param .b8 x[]) {}"), "4: 'x' has no size");
  EXPECT_EQ(moduleError(".entry k(.param .b32 x = 1) {}"), "4: 'x': initial values are for '.global' and '.const'");
  EXPECT_EQ(moduleError(".entry k() .reqntid 0 {}"), "4: expected an integer from 1 to 2147483647, found '0'");
  EXPECT_EQ(moduleError(".entry k() .reqntid 1,2,3,4 {}"), "4: expected '{', found ','");
  EXPECT_EQ(moduleError(".entry k() .reg {}"), "4: expected a directive of an entry, found '.reg'");
  EXPECT_EQ(moduleError(".entry k();"), "4: expected '{', found ';'");
  EXPECT_EQ(moduleError(".extern .entry k {}"), "4: expected a directive of a module, found '.entry'");
  EXPECT_EQ(moduleError("ret;"), "4: expected a directive of a module, found 'ret'");
  EXPECT_EQ(moduleError(".reg .b32 x;"), "4: expected a directive of a module, found '.reg'");
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

TEST(Parser, Variables) {
  Module module = parseModule(".extern .shared .align 1024 .b8 dynamic[];\n"
                              ".shared .align 16 .f32 tile[4][8], one;\n"
                              ".global .v4 .b32 v[2];\n.visible .shared::cta .b64 m;\n"
                              ".entry k { .local .align 4 .b8 depot[12]; { .shared .b32 tile; .const .b16 c; } }");
  ASSERT_EQ(module.variables.size(), 8u);
  const Variable &dynamic = module.variables[0];
  EXPECT_TRUE(dynamic.isExtern);
  EXPECT_EQ(dynamic.bytes, 0u);
  EXPECT_EQ(dynamic.align, 1024u);
  EXPECT_EQ(module.variables[1].bytes, 128u);
  EXPECT_EQ(module.variables[1].align, 16u);
  EXPECT_FALSE(module.variables[1].isExtern);
  EXPECT_EQ(module.variables[2].bytes, 4u);
  EXPECT_EQ(module.variables[2].align, 16u);
  EXPECT_EQ(module.variables[3].bytes, 32u);
  EXPECT_EQ(module.variables[3].align, 16u);
  EXPECT_EQ(module.variables[3].space, Space::Global);
  EXPECT_EQ(module.variables[4].space, Space::Shared);
  EXPECT_EQ(module.variables[5].space, Space::Local);
  EXPECT_EQ(module.variables[6].name, "tile");
  EXPECT_EQ(module.variables[7].space, Space::Const);

  EXPECT_EQ(moduleError(".global .b32 x;\n.shared .b32 x;"), "5: 'x' is already declared in line 4");
  EXPECT_EQ(moduleError(".local .b32 x;"), "4: a '.local' variable outside an entry");
  EXPECT_EQ(moduleError(".extern .global .b32 x;"), "4: 'x': external variables outside '.shared' are not supported");
  EXPECT_EQ(moduleError(".shared .b8 x[];"), "4: 'x' has no size");
  EXPECT_EQ(moduleError(".shared .b8 x[0];"), "4: expected an integer from 1 to 1073741824, found '0'");
  EXPECT_EQ(moduleError(".shared .b8 x[2][];"), "4: expected an integer, found ']'");
  EXPECT_EQ(moduleError(".shared .b64 x[134217729];"), "4: 'x' is larger than 1 GiB");
  EXPECT_EQ(moduleError(".shared .b8 x[1][40000][40000];"), "4: 'x' is larger than 1 GiB");
  EXPECT_EQ(moduleError(".shared .b8 x" + repeat("[1]", 65) + ";"), "4: 'x' has more than 64 dimensions");
  EXPECT_EQ(moduleError(".shared .align 3 .b8 x;"), "4: an alignment of 3, which is no power of two");
  EXPECT_EQ(moduleError(".shared .bf16 x;"), "4: expected the type of a variable, found '.bf16'");
  EXPECT_EQ(moduleError(".shared .b8 .b8 x;"), "4: expected the name of a variable, found '.b8'");
  EXPECT_EQ(moduleError(".shared x;"), "4: expected the type of a variable, found 'x'");
  EXPECT_EQ(moduleError(".shared .b8 _;"), "4: expected the name of a variable, found '_'");
  EXPECT_EQ(moduleError(".shared .b8 WARP_SZ;"), "4: expected the name of a variable, found 'WARP_SZ'");
  EXPECT_EQ(moduleError(".shared .b8 x"), "4: expected ';', found the end of the text");
}

TEST(Parser, InitialValues) {
  auto bytes = [](const std::string &declaration) { return parseModule(declaration).variables.at(0).initial; };
  using Bytes = std::vector<uint8_t>;
  EXPECT_EQ(bytes(".global .b8 x[4] = {37, 0xff, -1};"), (Bytes{37, 255, 255}));
  EXPECT_EQ(bytes(".const .b16 x = 0x1234;"), (Bytes{0x34, 0x12}));
  EXPECT_EQ(bytes(".const .u64 x = -2;"), (Bytes{254, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(bytes(".const .f32 x = 0f3F800000;"), (Bytes{0, 0, 0x80, 0x3f}));
  EXPECT_EQ(bytes(".const .f32 x = -1.0;"), (Bytes{0, 0, 0x80, 0xbf}));
  EXPECT_EQ(bytes(".const .f64 x = 0f3F800000;"), (Bytes{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}));
  EXPECT_EQ(bytes(".const .b32 x = 0f3F800000;"), (Bytes{0, 0, 0x80, 0x3f}));
  EXPECT_EQ(bytes(".const .b64 x = 1.0;"), (Bytes{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}));
  EXPECT_EQ(bytes(".global .b8 x[2][2] = {{1,2},{3}};"), (Bytes{1, 2, 3}));
  EXPECT_EQ(bytes(".global .b8 x[3] = {};"), Bytes());
  EXPECT_EQ(bytes(".global .v2 .b8 x[2] = {{1,2},{3,4}};"), (Bytes{1, 2, 3, 4}));

  EXPECT_EQ(parseModule(".global .b32 x[] = {1, 2};").variables[0].bytes, 8u);
  EXPECT_EQ(parseModule(".global .b8 x[][4] = {{1,2,3,4},{5}};").variables[0].bytes, 8u);

  EXPECT_EQ(moduleError(".global .b8 x = 256;"), "4: 'x': expected an integer of 8 bits, found '256'");
  EXPECT_EQ(moduleError(".global .b8 x = -129;"), "4: 'x': expected an integer of 8 bits, found '-'");
  EXPECT_EQ(moduleError(".global .f32 x = 1;"), "4: 'x': expected a floating-point number, found '1'");
  EXPECT_EQ(moduleError(".global .u32 x = 0f00000000;"), "4: 'x': expected an integer, found '0f00000000'");
  EXPECT_EQ(moduleError(".global .b32 x = 1.5;"), "4: 'x': expected an integer, found '1.5'");
  EXPECT_EQ(moduleError(".global .f16 x = 1.5;"), "4: 'x': no initial values for its type");
  EXPECT_EQ(moduleError(".global .b128 x = 1;"), "4: 'x': no initial values for its type");
  EXPECT_EQ(moduleError(".global .b64 x = y;"), "4: addresses as initial values are not supported");
  EXPECT_EQ(moduleError(".global .b64 x[1] = {generic(y)};"), "4: addresses as initial values are not supported");
  EXPECT_EQ(moduleError(".shared .b32 x = 5;"), "4: 'x': initial values are for '.global' and '.const'");
  EXPECT_EQ(moduleError(".global .b8 x[2] = {1,2,3};"), "4: more than 2 initial values in a row of 'x'");
  EXPECT_EQ(moduleError(".global .b8 x[2][2] = {{1},{2}};"),
            "4: too few initial values in a row of 'x' that is not the last");
  EXPECT_EQ(moduleError(".global .b8 x[2][2] = {1,2};"), "4: expected '{', found '1'");
  EXPECT_EQ(moduleError(".global .b8 x[2] = {{1,2}};"), "4: expected an operand, found '{'");
  EXPECT_EQ(moduleError(".global .b8 x[2] = {1,};"), "4: expected an operand, found '}'");
  EXPECT_EQ(moduleError(".global .b8 x[] = {};"), "4: 'x' has no size");
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

TEST(Parser, Registers) {
  Module module = parseModule(".entry k { .reg .pred p, q; .reg .b32 %r<1000000000>, x<0>, y; .reg .align 4 .f16x2 h;\n"
                              "op %r999999999, %r7, h, %r7; }");
  const Entry &entry = module.entries[0];
  std::vector<std::string> names;
  for (const Register &reg : entry.registers)
    names.push_back(reg.name);
  EXPECT_EQ(names, (std::vector<std::string>{"p", "q", "y", "h", "%r999999999", "%r7"}));
  EXPECT_EQ(entry.registers[0].type, Type::Pred);
  EXPECT_EQ(entry.registers[3].type, Type::F16x2);
  EXPECT_EQ(entry.registers[4].type, Type::B32);
  EXPECT_EQ(entry.instructions[0].operands[0].index, 4);
  EXPECT_EQ(entry.instructions[0].operands[3].index, entry.instructions[0].operands[1].index);

  EXPECT_EQ(bodyError("op %r10;"), "6: undeclared register '%r10'");
  EXPECT_EQ(bodyError("op %r01;"), "6: undeclared register '%r01'");
  EXPECT_EQ(bodyError("op %r;"), "6: undeclared register '%r'");
  EXPECT_EQ(bodyError("op %f1;"), "6: undeclared register '%f1'");
  EXPECT_EQ(bodyError(".reg .b32 x, x;"), "6: 'x' is already declared in line 6");
  EXPECT_EQ(bodyError(".reg .b32 a;"), "6: 'a' is already declared in line 4");
  EXPECT_EQ(bodyError(".reg .b32 %r<5>;"), "6: '%r' is already declared in line 5");
  EXPECT_EQ(bodyError(".reg .b32 %r5;"), "6: '%r5' is already declared in line 5");
  EXPECT_EQ(bodyError("op %r5; .reg .b32 %r5;"), "6: '%r5' is already declared in line 5");
  EXPECT_EQ(bodyError(".reg .b32 x5;\n.reg .b32 x<6>;"), "7: 'x5' is already declared in line 6");
  EXPECT_EQ(bodyError(".reg .b32 %r1<3>;\nop %r12;"), "") << "%r has 10 registers, so %r12 is number 2 of %r1";
  EXPECT_EQ(bodyError(".reg .b32 y<13>;\n.reg .b32 y1<3>;\nop y12;"), "8: 'y12' is declared twice, in lines 6 and 7");
  EXPECT_EQ(bodyError(".reg .b32 x<2147483648>;"), "6: expected an integer from 0 to 2147483647, found '2147483648'");
  EXPECT_EQ(bodyError(".reg .b32 x<5;"), "6: expected '>', found ';'");
  EXPECT_EQ(bodyError(".reg .tf32 x;"), "6: expected the type of a register, found '.tf32'");
  EXPECT_EQ(bodyError(".reg x;"), "6: expected the type of a register, found 'x'");
  EXPECT_EQ(bodyError(".reg .b32 _;"), "6: expected the name of a register, found '_'");
  EXPECT_EQ(bodyError(".reg .v2 .b32 x;"), "6: vectors of registers are not supported");
}

TEST(Parser, Scopes) {
  // Names of an inner scope hide those around it; its labels are not seen from outside.
  Module module = parseBody("{ .reg .b64 %r<3>; op %r1; { op %r1, %r5; } }\nop %r1;\n"
                            "bra L; { bra L; M: bra M; bra N; L: } L: { M: } N:");
  const Entry &entry = module.entries[0];
  auto operand = [&](int instruction, int index = 0) { return entry.instructions[instruction].operands[index].index; };
  EXPECT_EQ(entry.registers[operand(0)].type, Type::B64);
  EXPECT_EQ(operand(1), operand(0));
  EXPECT_EQ(entry.registers[operand(1, 1)].type, Type::B32);
  EXPECT_EQ(entry.registers[operand(2)].type, Type::B32);
  EXPECT_EQ(operand(3), 7); // past the end
  EXPECT_EQ(operand(4), 7);
  EXPECT_EQ(operand(5), 5);
  EXPECT_EQ(operand(6), 7);

  EXPECT_EQ(bodyError("bra L; { L: }"), "6: undefined label 'L'");
  EXPECT_EQ(bodyError("{ bra\nL; }"), "7: undefined label 'L'");
  EXPECT_EQ(bodyError("bra tile;"), "6: undefined label 'tile'");
  EXPECT_EQ(bodyError("L:\nL:"), "7: 'L' is already declared in line 6");
  EXPECT_EQ(bodyError("_: ret;"), "6: expected the name of a label, found '_'");
  EXPECT_EQ(bodyError("{ .reg .b32 x; } op x;"), "6: undeclared register or variable 'x'");
  EXPECT_EQ(bodyError(repeat("{", 64)), "6: braces deeper than 64");
  EXPECT_EQ(bodyError(repeat("{", 63) + repeat("}", 63)), "");
  EXPECT_EQ(moduleError(".entry k\n{\n{ }"), "6: expected '}' for the '{' in line 5, found the end of the text");
  EXPECT_EQ(moduleError(".entry k\n{\n{"), "6: expected '}' for the '{' in line 6, found the end of the text");
  // A parameter belongs to its entry.
  EXPECT_EQ(moduleError(".entry j(.param .b32 x) {}\n.entry k { ld.param.b32 _, [x]; }"),
            "5: undeclared register or variable 'x'");
}

TEST(Parser, Locations) {
  Module module =
      parseBody("op; .loc 1 20 5\nop;\nop; .loc 2 0 0, function_name $L__info_string0+12, inlined_at 1 40 2\n"
                "{ op; .loc 1 3 4 , function_name f, inlined_at 1 1 1\n } op; .pragma \"nounroll\";");
  const std::vector<Instruction> &instructions = module.entries[0].instructions;
  auto location = [](int file, int line, int column) {
    Location out;
    out.file = file;
    out.line = line;
    out.column = column;
    return out;
  };
  EXPECT_EQ(instructions[0].location, Location());
  EXPECT_EQ(instructions[1].location, location(1, 20, 5));
  EXPECT_EQ(instructions[2].location, location(1, 20, 5));
  EXPECT_EQ(instructions[3].location, location(2, 0, 0));
  EXPECT_EQ(instructions[4].location, location(1, 3, 4));
  EXPECT_EQ(instructions[2].line, 8);

  EXPECT_EQ(bodyError(".loc 1 2 ret;"), "6: expected an integer, found 'ret'");
  EXPECT_EQ(bodyError(".loc 1 2 2147483648"), "6: expected an integer from 0 to 2147483647, found '2147483648'");
  EXPECT_EQ(bodyError(".loc 1 2 3, f"), "6: expected 'function_name' after ',', found 'f'");
  EXPECT_EQ(bodyError(".loc 1 2 3, function_name f, x"), "6: expected 'inlined_at' after ',', found 'x'");
  EXPECT_EQ(moduleError(".loc 1 2 3"), "4: expected a directive of a module, found '.loc'");
}

TEST(Parser, Instructions) {
  Instruction copy = parseInstruction(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::128B [tile], [%rd1], 16, [tile+8];");
  EXPECT_EQ(copy.opcode, "cp");
  EXPECT_EQ(copy.modifiers, (std::vector<std::string>{"async", "bulk", "shared::cluster", "global",
                                                      "mbarrier::complete_tx::bytes", "L2::128B"}));
  EXPECT_EQ(copy.name(), "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::128B");
  EXPECT_TRUE(copy.has("shared::cluster"));
  EXPECT_FALSE(copy.has("shared"));
  EXPECT_EQ(copy.guard, -1);
  EXPECT_EQ(copy.operands.size(), 4u);
  EXPECT_EQ(copy.line, 6);

  Instruction guarded = parseInstruction("@!\nq ld /* a\ncomment */ .global.2d.v4 %r1, [%rd1]; // and\r\n");
  EXPECT_EQ(guarded.guard, 1);
  EXPECT_TRUE(guarded.guardNegated);
  EXPECT_EQ(guarded.line, 7);
  EXPECT_EQ(guarded.name(), "ld.global.2d.v4");
  EXPECT_FALSE(parseInstruction("@p ret;").guardNegated);
  EXPECT_TRUE(parseInstruction("ret;").operands.empty());

  EXPECT_EQ(bodyError("@%r1 ret;"), "6: expected a predicate, found '%r1'");
  EXPECT_EQ(bodyError("@tile ret;"), "6: expected a predicate, found 'tile'");
  EXPECT_EQ(bodyError("@x ret;"), "6: undeclared predicate 'x'");
  EXPECT_EQ(bodyError("@5 ret;"), "6: expected a predicate, found '5'");
  EXPECT_EQ(bodyError("@p { ret; }"), "6: expected an instruction, found '{'");
  EXPECT_EQ(bodyError("@p L: ret;"), "6: expected an operand, found ':'");
  EXPECT_EQ(bodyError("%r1 foo;"), "6: expected an instruction, found '%r1'");
  EXPECT_EQ(bodyError("@p %r1 foo;"), "6: expected an instruction, found '%r1'");
  EXPECT_EQ(bodyError("ret;;"), "6: expected an instruction, found ';'");
  EXPECT_EQ(bodyError("ret"), "7: expected an operand, found '}'");
  EXPECT_EQ(bodyError("op %r1 %r2;"), "6: expected ',' or ';', found '%r2'");
  EXPECT_EQ(bodyError("op %r1,;"), "6: expected an operand, found ';'");
  EXPECT_EQ(bodyError("op (%r1);"), "6: expected an operand, found '('");
  EXPECT_EQ(bodyError(".file 1 \"a\""), "6: expected a directive of an entry's body, found '.file'");
  EXPECT_EQ(bodyError("L: .branchtargets M;"), "6: '.branchtargets' is not supported");
  EXPECT_EQ(bodyError("/* no end\n"), "6: a comment without an end");
  EXPECT_EQ(bodyError("op \"text\";"), "6: expected an operand, found \"text\"");
  EXPECT_EQ(bodyError("op #;"), "6: unexpected character '#'");
  EXPECT_EQ(bodyError("op \xe9;"), "6: unexpected character '\\xe9'");
  EXPECT_EQ(bodyError("op % r;"), "6: unexpected character '%'");
  EXPECT_EQ(bodyError("op " + repeat("x", 50) + ";"),
            "6: undeclared register or variable '" + repeat("x", 40) + "...'");
}

TEST(Parser, Names) {
  Operand reg = parseOperand("%rd2");
  EXPECT_EQ(reg.kind, Operand::Register);
  EXPECT_EQ(reg.index, 2); // after p and q
  Operand symbol = parseOperand("tile");
  EXPECT_EQ(symbol.kind, Operand::Symbol);
  EXPECT_EQ(symbol.index, 1); // after the parameter
  EXPECT_EQ(symbol.offset, 0);
  EXPECT_EQ(parseOperand("tile+8-4").offset, 4);
  EXPECT_EQ(parseOperand("_").kind, Operand::Sink);
  Operand negated = parseOperand("!q");
  EXPECT_EQ(negated.kind, Operand::Register);
  EXPECT_TRUE(negated.negated);
  EXPECT_EQ(negated.index, 1);

  for (const char *special : {"%tid.x", "%cluster_nctaid.z", "%laneid", "%clock64", "%pm7", "%pm0_64", "%envreg31",
                              "%reserved_smem_offset_1", "WARP_SZ"}) {
    Operand operand = parseOperand(special);
    EXPECT_EQ(operand.kind, Operand::Special);
    EXPECT_EQ(operand.name, special);
  }
  EXPECT_EQ(parseModule(".entry k { .reg .b32 %laneid; op %laneid; }").entries[0].instructions[0].operands[0].kind,
            Operand::Register);
  EXPECT_EQ(bodyError("op %tid;"), "6: expected a component of '%tid', such as '.x', found ';'");
  EXPECT_EQ(bodyError("op %tid.q;"), "6: undeclared register '%tid.q'");
  EXPECT_EQ(bodyError("op %laneid.x;"), "6: expected ',' or ';', found '.x'");
  EXPECT_EQ(bodyError("op %pm8;"), "6: undeclared register '%pm8'");
  EXPECT_EQ(bodyError("op %pm8_64;"), "6: undeclared register '%pm8_64'");
  EXPECT_EQ(bodyError("op %envreg032;"), "6: undeclared register '%envreg032'");
  EXPECT_EQ(bodyError("op x;"), "6: undeclared register or variable 'x'");
  EXPECT_EQ(bodyError("L: op L;"), "6: expected a register or a variable, found 'L'");
  EXPECT_EQ(bodyError("op k;"), "6: expected a register or a variable, found 'k'");
  EXPECT_EQ(bodyError("op !%r1;"), "6: expected a predicate, found '%r1'");
  EXPECT_EQ(bodyError("op !x;"), "6: undeclared predicate 'x'");
  EXPECT_EQ(bodyError("op tile-4;"), "6: expected ',' or ';', found '-'");
  EXPECT_EQ(bodyError("op tile+2147483648;"), "6: an offset that does not fit 32 bits");
}

TEST(Parser, Integers) {
  auto bits = [](const std::string &text) {
    Operand operand = parseOperand(text);
    EXPECT_EQ(operand.kind, Operand::Integer);
    return operand.bits;
  };
  EXPECT_EQ(bits("0"), 0u);
  EXPECT_EQ(bits("0U"), 0u);
  EXPECT_EQ(bits("10U"), 10u);
  EXPECT_EQ(bits("017"), 15u);
  EXPECT_EQ(bits("0x1F"), 31u);
  EXPECT_EQ(bits("0XfU"), 15u);
  EXPECT_EQ(bits("0b101"), 5u);
  EXPECT_EQ(bits("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(bits("-1"), UINT64_MAX);
  EXPECT_EQ(bits("-9223372036854775808"), uint64_t(1) << 63);
  EXPECT_EQ(bits("- -5"), 5u);
  EXPECT_EQ(bits("+5"), 5u);
  EXPECT_EQ(bits("~0"), UINT64_MAX);
  EXPECT_EQ(bits("-~4"), 5u);
  EXPECT_EQ(bits("~-5"), 4u);
  EXPECT_EQ(bits("1+2-0x10"), uint64_t(-13));
  EXPECT_EQ(bits("1+-2"), UINT64_MAX);

  EXPECT_EQ(bodyError("op 18446744073709551616;"), "6: number '18446744073709551616' is out of range");
  EXPECT_EQ(bodyError("op 0x10000000000000000;"), "6: number '0x10000000000000000' is out of range");
  EXPECT_EQ(bodyError("op -9223372036854775809;"), "6: a constant that does not fit 64 bits");
  EXPECT_EQ(bodyError("op 18446744073709551615+1;"), "6: a constant that does not fit 64 bits");
  EXPECT_EQ(bodyError("op " + repeat("18446744073709551615-", 100000) + "1;"),
            "6: a constant that does not fit 64 bits");
  EXPECT_EQ(bodyError("op " + repeat("-", 100000) + "1;"), "");
  EXPECT_EQ(bodyError("op 08;"), "6: expected a number, found '08'");
  EXPECT_EQ(bodyError("op 0x;"), "6: expected a number, found '0x'");
  EXPECT_EQ(bodyError("op 0b2;"), "6: expected a number, found '0b2'");
  EXPECT_EQ(bodyError("op 5a;"), "6: expected a number, found '5a'");
  EXPECT_EQ(bodyError("op 5u;"), "6: expected a number, found '5u'");
  EXPECT_EQ(bodyError("op -;"), "6: expected an integer, found ';'");
  EXPECT_EQ(bodyError("op 1+;"), "6: expected an integer, found ';'");
  EXPECT_EQ(bodyError("op 1*2;"), "6: expected ',' or ';', found '*'");
}

TEST(Parser, Floats) {
  auto check = [](const std::string &text, bool wide, uint64_t bits) {
    Operand operand = parseOperand(text);
    EXPECT_EQ(operand.kind, Operand::Float) << text;
    EXPECT_EQ(operand.wide, wide) << text;
    EXPECT_EQ(operand.bits, bits) << text;
  };
  check("0f3F800000", false, 0x3f800000);
  check("0FffC00000", false, 0xffc00000);
  check("0d3FF0000000000000", true, 0x3ff0000000000000);
  check("0Dbff0000000000000", true, 0xbff0000000000000);
  for (const char *one : {"1.0", "1.", "1e0", "10E-1", "0.1e+1", ".1e1"})
    check(one, true, 0x3ff0000000000000);
  check(".5", true, 0x3fe0000000000000);
  check("-1.0", true, 0xbff0000000000000);
  check("- -1.0", true, 0x3ff0000000000000);
  check("08.0", true, 0x4020000000000000);

  EXPECT_EQ(bodyError("op 0f3F80000;"), "6: expected 8 hexadecimal digits, found '0f3F80000'");
  EXPECT_EQ(bodyError("op 0f3F8000000;"), "6: expected 8 hexadecimal digits, found '0f3F8000000'");
  EXPECT_EQ(bodyError("op 0d3F800000;"), "6: expected 16 hexadecimal digits, found '0d3F800000'");
  EXPECT_EQ(bodyError("op 0fG0000000;"), "6: expected a number, found '0fG0000000'");
  EXPECT_EQ(bodyError("op 1e;"), "6: expected a number, found '1e'");
  EXPECT_EQ(bodyError("op 1.5f;"), "6: expected a number, found '1.5f'");
  EXPECT_EQ(bodyError("op 1e999;"), "6: number '1e999' is out of range");
  EXPECT_EQ(bodyError("op -0f3F800000;"), "6: expected an integer, found '0f3F800000'");
  EXPECT_EQ(bodyError("op ~1.5;"), "6: expected an integer, found '1.5'");
}

TEST(Parser, AddressesAndVectors) {
  Operand address = parseOperand("[%rd1+16]");
  EXPECT_EQ(address.kind, Operand::Address);
  ASSERT_EQ(address.elements.size(), 1u);
  EXPECT_EQ(address.elements[0].kind, Operand::Register);
  EXPECT_EQ(address.offset, 16);
  EXPECT_EQ(parseOperand("[ %rd1 + -0x10 ]").offset, -16);
  EXPECT_EQ(parseOperand("[%rd1]").offset, 0);
  Operand symbol = parseOperand("[tile+4]");
  EXPECT_EQ(symbol.elements[0].kind, Operand::Symbol);
  EXPECT_EQ(symbol.elements[0].index, 1);
  EXPECT_EQ(symbol.elements[0].offset, 0);
  EXPECT_EQ(symbol.offset, 4);
  Operand absolute = parseOperand("[0x10+8]");
  EXPECT_EQ(absolute.elements[0].kind, Operand::Integer);
  EXPECT_EQ(absolute.elements[0].bits, 24u);
  EXPECT_EQ(absolute.offset, 0);

  Operand vector = parseOperand("{%r1, _, 5, 0f00000000, !p, %tid.x}");
  EXPECT_EQ(vector.kind, Operand::Vector);
  std::vector<Operand::Kind> kinds;
  for (const Operand &element : vector.elements)
    kinds.push_back(element.kind);
  EXPECT_EQ(kinds, (std::vector<Operand::Kind>{Operand::Register, Operand::Sink, Operand::Integer, Operand::Float,
                                               Operand::Register, Operand::Special}));
  Operand pair = parseOperand("_|q");
  EXPECT_EQ(pair.kind, Operand::Pair);
  ASSERT_EQ(pair.elements.size(), 2u);
  EXPECT_EQ(pair.elements[0].kind, Operand::Sink);
  EXPECT_EQ(pair.elements[1].index, 1);

  EXPECT_EQ(bodyError("op [%rd1-4];"), "6: expected ']', found '-'");
  EXPECT_EQ(bodyError("op [%rd1+%rd2];"), "6: expected an integer, found '%rd2'");
  EXPECT_EQ(bodyError("op [%rd1+0x80000000];"), "6: an offset that does not fit 32 bits");
  EXPECT_EQ(bodyError("op [%rd1, {%r1}];"), "6: addresses with coordinates are not supported");
  EXPECT_EQ(bodyError("op [%tid.x];"), "6: expected an address, found '%tid'");
  EXPECT_EQ(bodyError("op [_];"), "6: expected an address, found '_'");
  EXPECT_EQ(bodyError("op [];"), "6: expected an integer, found ']'");
  EXPECT_EQ(bodyError("op [1.5];"), "6: expected an integer, found '1.5'");
  EXPECT_EQ(bodyError("op {};"), "6: expected an operand, found '}'");
  EXPECT_EQ(bodyError("op {%r1 %r2};"), "6: expected ',' or '}', found '%r2'");
  EXPECT_EQ(bodyError("op {{%r1}};"), "6: expected an operand, found '{'");
  EXPECT_EQ(bodyError("op p|5;"), "6: expected registers on both sides of '|'");
  EXPECT_EQ(bodyError("op tile|p;"), "6: expected registers on both sides of '|'");
  EXPECT_EQ(bodyError("op p|!q;"), "6: expected registers on both sides of '|'");
  EXPECT_EQ(bodyError("op p|q|p;"), "6: expected ',' or ';', found '|'");
}
