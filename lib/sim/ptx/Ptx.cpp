// The types of PTX and questions about a parsed module.
#include "Ptx.h"

namespace treadle::sim::ptx {

namespace {

struct TypeName {
  std::string_view name;
  Type type;
  uint8_t bytes;
};

constexpr TypeName typeNames[] = {
    {"pred", Type::Pred, 4}, {"b8", Type::B8, 1},         {"b16", Type::B16, 2},   {"b32", Type::B32, 4},
    {"b64", Type::B64, 8},   {"b128", Type::B128, 16},    {"u8", Type::U8, 1},     {"u16", Type::U16, 2},
    {"u32", Type::U32, 4},   {"u64", Type::U64, 8},       {"s8", Type::S8, 1},     {"s16", Type::S16, 2},
    {"s32", Type::S32, 4},   {"s64", Type::S64, 8},       {"f16", Type::F16, 2},   {"f16x2", Type::F16x2, 4},
    {"bf16", Type::BF16, 2}, {"bf16x2", Type::BF16x2, 4}, {"tf32", Type::TF32, 4}, {"f32", Type::F32, 4},
    {"f64", Type::F64, 8},   {"e4m3", Type::E4M3, 1},     {"e5m2", Type::E5M2, 1},
};

} // namespace

std::optional<Type> parseType(std::string_view name) {
  for (const TypeName &known : typeNames)
    if (known.name == name)
      return known.type;
  return std::nullopt;
}

unsigned byteSize(Type type) {
  for (const TypeName &known : typeNames)
    if (known.type == type)
      return known.bytes;
  return 0;
}

std::string Instruction::name() const {
  std::string name = opcode;
  for (const std::string &modifier : modifiers)
    name += "." + modifier;
  return name;
}

bool Instruction::has(std::string_view modifier) const {
  for (const std::string &own : modifiers)
    if (own == modifier)
      return true;
  return false;
}

const Entry *Module::find(std::string_view entry) const {
  for (const Entry &own : entries)
    if (own.name == entry)
      return &own;
  return nullptr;
}

} // namespace treadle::sim::ptx
