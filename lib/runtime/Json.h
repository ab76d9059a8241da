// A JSON value that knows where it stands, so that every complaint about a manifest carries the path of the fault.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace treadle::rt {

class JsonNode {
public:
  JsonNode(const nlohmann::json &value, std::string path) : value(&value), path(std::move(path)) {}

  // What is wrong with this value: "$.launches[0].grid: expected EXPECTED, found FOUND".
  [[noreturn]] void failExpected(std::string_view expected) const;
  // A complaint in other words: "$.launches[0].grid: MESSAGE".
  [[noreturn]] void failHere(std::string_view message) const;

  bool isNull() const;
  bool isInteger() const;
  bool isNumber() const;
  bool isString() const;
  bool isArray() const;

  JsonNode at(const char *key) const;                  // of an object; it must be there
  std::optional<JsonNode> find(const char *key) const; // of an object
  std::vector<std::string> keys() const;
  std::vector<JsonNode> items() const;

  int64_t integer(int64_t min = INT64_MIN, int64_t max = INT64_MAX) const;
  double number() const;
  const std::string &string() const;   // without NUL characters
  const std::string &nonEmpty() const; // likewise

private:
  std::string describe() const;

  const nlohmann::json *value;
  std::string path;
};

} // namespace treadle::rt
