#include "Expr.h"
#include "Error.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using treadle::rt::Error;
using treadle::rt::Expr;
using treadle::rt::JsonNode;

namespace {

const std::vector<std::string> dims = {"M", "N"};

int64_t evaluate(const char *text, std::vector<int64_t> sizes = {10, 3}) {
  nlohmann::json json = nlohmann::json::parse(text);
  return Expr::parse(JsonNode(json, "$"), dims).evaluate(sizes);
}

std::string complaint(const char *text, std::vector<int64_t> sizes = {10, 3}) {
  try {
    evaluate(text, std::move(sizes));
    return "none";
  } catch (const Error &error) {
    return error.message;
  }
}

TEST(Expr, Leaves) {
  EXPECT_EQ(evaluate("7"), 7);
  EXPECT_EQ(evaluate("-7"), -7);
  EXPECT_EQ(evaluate("\"M\""), 10);
  EXPECT_EQ(evaluate("\"N\""), 3);
}

TEST(Expr, Operators) {
  EXPECT_EQ(evaluate(R"(["+", "M", "N"])"), 13);
  EXPECT_EQ(evaluate(R"(["-", "N", "M"])"), -7);
  EXPECT_EQ(evaluate(R"(["*", "M", "N"])"), 30);
  EXPECT_EQ(evaluate(R"(["floordiv", "M", "N"])"), 3);
  EXPECT_EQ(evaluate(R"(["ceildiv", "M", "N"])"), 4);
  EXPECT_EQ(evaluate(R"(["mod", "M", "N"])"), 1);
  EXPECT_EQ(evaluate(R"(["*", ["ceildiv", "M", 4], ["+", "N", 1]])"), 12);
}

TEST(Expr, RoundsAsAffineMapsDo) {
  EXPECT_EQ(evaluate(R"(["floordiv", -7, 2])"), -4);
  EXPECT_EQ(evaluate(R"(["ceildiv", -7, 2])"), -3);
  EXPECT_EQ(evaluate(R"(["mod", -7, 2])"), 1);
  EXPECT_EQ(evaluate(R"(["floordiv", -8, 2])"), -4);
  EXPECT_EQ(evaluate(R"(["ceildiv", -8, 2])"), -4);
  EXPECT_EQ(evaluate(R"(["mod", -8, 2])"), 0);
  EXPECT_EQ(evaluate(R"(["ceildiv", 0, 2])"), 0);
  EXPECT_EQ(evaluate(R"(["ceildiv", 9223372036854775807, 2])"), int64_t(1) << 62);
  EXPECT_EQ(evaluate(R"(["floordiv", -9223372036854775808, 1])"), INT64_MIN);
}

TEST(Expr, ArithmeticFaults) {
  EXPECT_EQ(complaint(R"(["ceildiv", "M", "N"])", {10, 0}), "expected a divisor of at least 1, found 0");
  EXPECT_EQ(complaint(R"(["mod", "M", -3])"), "expected a divisor of at least 1, found -3");
  for (const char *text : {R"(["*", "M", "M"])", R"(["+", "M", "M"])", R"(["-", ["-", 0, "M"], "M"])"})
    EXPECT_EQ(complaint(text, {INT64_MAX, 1}), "expected a value of 64 bits, found one that overflows") << text;
}

TEST(Expr, ParseFaults) {
  EXPECT_EQ(complaint("\"K\""), "$: expected the name of a dimension of a tensor parameter, found 'K'");
  EXPECT_EQ(complaint("1.5"), "$: expected an integer, a dimension's name or [op, a, b], found the number 1.5");
  EXPECT_EQ(complaint("null"), "$: expected an integer, a dimension's name or [op, a, b], found null");
  EXPECT_EQ(complaint("[\"+\", 1]"), "$: expected [op, a, b], found an array of 2");
  EXPECT_EQ(complaint("[\"/\", 1, 2]"), "$[0]: expected one of '+' '-' '*' 'floordiv' 'ceildiv' 'mod', found '/'");
  EXPECT_EQ(complaint("[\"+\", 1, [\"+\", \"M\", true]]"),
            "$[2][2]: expected an integer, a dimension's name or [op, a, b], found true");
  EXPECT_EQ(complaint("18446744073709551615"), "$: expected an integer, found 18446744073709551615");
}

TEST(Expr, DepthIsLimited) {
  std::string text = "1";
  for (int i = 0; i < 200; ++i)
    text = "[\"+\", 1, " + text + "]";
  EXPECT_NE(complaint(text.c_str()).find("at most 64 levels"), std::string::npos);
}

} // namespace
