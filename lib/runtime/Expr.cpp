#include "Expr.h"

#include "Error.h"

#include <algorithm>

namespace treadle::rt {

Expr Expr::constant(int64_t value) {
  Expr expr;
  expr.steps.push_back({Op::Constant, value});
  return expr;
}

Expr Expr::parse(const JsonNode &node, const std::vector<std::string> &dims) {
  Expr expr;
  expr.parseInto(node, dims, 0);
  return expr;
}

void Expr::parseInto(const JsonNode &node, const std::vector<std::string> &dims, int depth) {
  constexpr int maxDepth = 64;
  if (node.isInteger()) {
    steps.push_back({Op::Constant, node.integer()});
    return;
  }
  if (node.isString()) {
    auto found = std::find(dims.begin(), dims.end(), node.string());
    if (found == dims.end())
      node.failExpected("the name of a dimension of a tensor parameter");
    steps.push_back({Op::Dim, found - dims.begin()});
    return;
  }
  if (!node.isArray())
    node.failExpected("an integer, a dimension's name or [op, a, b]");
  std::vector<JsonNode> parts = node.items();
  if (parts.size() != 3)
    node.failExpected("[op, a, b]");
  if (depth == maxDepth)
    node.failHere(cat("expected an expression of at most ", maxDepth, " levels, found more"));

  static constexpr std::pair<std::string_view, Op> ops[] = {{"+", Op::Add},           {"-", Op::Sub},
                                                            {"*", Op::Mul},           {"floordiv", Op::FloorDiv},
                                                            {"ceildiv", Op::CeilDiv}, {"mod", Op::Mod}};
  for (const auto &[name, op] : ops) {
    if (!parts[0].isString() || parts[0].string() != name)
      continue;
    parseInto(parts[1], dims, depth + 1);
    parseInto(parts[2], dims, depth + 1);
    steps.push_back({op, 0});
    return;
  }
  parts[0].failExpected("one of '+' '-' '*' 'floordiv' 'ceildiv' 'mod'");
}

int64_t Expr::apply(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == Op::Add) {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == Op::Sub) {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == Op::Mul) {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else {
    if (b < 1)
      fail(TREADLE_RT_ERROR_ARGUMENT, "expected a divisor of at least 1, found ", b);
    int64_t remainder = a % b < 0 ? a % b + b : a % b;
    int64_t quotient = a / b - (a % b < 0);
    result = op == Op::Mod ? remainder : op == Op::FloorDiv ? quotient : quotient + (remainder != 0);
  }
  if (overflow)
    fail(TREADLE_RT_ERROR_ARGUMENT, "expected a value of 64 bits, found one that overflows");
  return result;
}

int64_t Expr::evaluate(const std::vector<int64_t> &sizes) const {
  if (steps.size() == 1)
    return steps[0].op == Op::Constant ? steps[0].value : sizes[steps[0].value];
  std::vector<int64_t> stack;
  for (const Step &step : steps) {
    if (step.op == Op::Constant) {
      stack.push_back(step.value);
    } else if (step.op == Op::Dim) {
      stack.push_back(sizes[step.value]);
    } else {
      int64_t b = stack.back();
      stack.pop_back();
      stack.back() = apply(step.op, stack.back(), b);
    }
  }
  return stack.back();
}

} // namespace treadle::rt
