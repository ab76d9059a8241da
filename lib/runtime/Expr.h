// Grid expressions: integers over named dimensions.
#pragma once

#include "Json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace treadle::rt {

class Expr {
public:
  // One of the integers, names and [op, a, b] that a manifest may have; dims are the known names.
  static Expr parse(const JsonNode &node, const std::vector<std::string> &dims);
  static Expr constant(int64_t value);

  // The value for these sizes, one for each of the names it was parsed with. Overflow and divisors below 1 throw an
  // Error whose message is the complaint alone.
  int64_t evaluate(const std::vector<int64_t> &sizes) const;

private:
  enum class Op : uint8_t { Constant, Dim, Add, Sub, Mul, FloorDiv, CeilDiv, Mod };
  struct Step {
    Op op;
    int64_t value; // of a constant, or the dimension's index
  };
  void parseInto(const JsonNode &node, const std::vector<std::string> &dims, int depth);
  static int64_t apply(Op op, int64_t a, int64_t b);

  std::vector<Step> steps; // in postfix order
};

} // namespace treadle::rt
