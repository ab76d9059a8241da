#include "Json.h"

#include "Error.h"

#include <nlohmann/json.hpp>

namespace treadle::rt {

std::string JsonNode::describe() const {
  switch (value->type()) {
  case nlohmann::json::value_t::null:
    return "null";
  case nlohmann::json::value_t::boolean:
    return value->get<bool>() ? "true" : "false";
  case nlohmann::json::value_t::number_integer:
    return cat(value->get<int64_t>());
  case nlohmann::json::value_t::number_unsigned:
    return cat(value->get<uint64_t>());
  case nlohmann::json::value_t::number_float:
    return cat("the number ", value->get<double>());
  case nlohmann::json::value_t::string: {
    const auto &text = value->get_ref<const std::string &>();
    return text.size() <= 60 ? cat("'", text, "'") : cat("a string of ", text.size(), " bytes");
  }
  case nlohmann::json::value_t::array:
    return value->empty() ? "an empty array" : cat("an array of ", value->size());
  default:
    return "an object";
  }
}

void JsonNode::failHere(std::string_view message) const { fail(TREADLE_RT_ERROR_MANIFEST, path, ": ", message); }

void JsonNode::failExpected(std::string_view expected) const {
  failHere(cat("expected ", expected, ", found ", describe()));
}

bool JsonNode::isNull() const { return value->is_null(); }
bool JsonNode::isInteger() const { return value->is_number_integer(); }
bool JsonNode::isNumber() const { return value->is_number(); }
bool JsonNode::isString() const { return value->is_string(); }
bool JsonNode::isArray() const { return value->is_array(); }

std::optional<JsonNode> JsonNode::find(const char *key) const {
  if (!value->is_object())
    failExpected("an object");
  auto found = value->find(key);
  if (found == value->end())
    return std::nullopt;
  return JsonNode(*found, cat(path, ".", key));
}

JsonNode JsonNode::at(const char *key) const {
  if (auto found = find(key))
    return *found;
  failHere(cat("expected a key '", key, "', found none"));
}

std::vector<std::string> JsonNode::keys() const {
  if (!value->is_object())
    failExpected("an object");
  std::vector<std::string> result;
  for (const auto &item : value->items())
    result.push_back(item.key());
  return result;
}

std::vector<JsonNode> JsonNode::items() const {
  if (!isArray())
    failExpected("an array");
  std::vector<JsonNode> result;
  result.reserve(value->size());
  for (size_t i = 0; i < value->size(); ++i)
    result.emplace_back((*value)[i], cat(path, "[", i, "]"));
  return result;
}

int64_t JsonNode::integer(int64_t min, int64_t max) const {
  bool fits = isInteger() && !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t(INT64_MAX));
  if (!fits || value->get<int64_t>() < min || value->get<int64_t>() > max) {
    std::string expected = "an integer";
    if (min != INT64_MIN && max != INT64_MAX)
      expected += cat(" from ", min, " to ", max);
    else if (min != INT64_MIN)
      expected += cat(" of at least ", min);
    failExpected(expected);
  }
  return value->get<int64_t>();
}

double JsonNode::number() const {
  if (!isNumber())
    failExpected("a number");
  return value->get<double>();
}

const std::string &JsonNode::string() const {
  if (!isString())
    failExpected("a string");
  const auto &text = value->get_ref<const std::string &>();
  if (text.find('\0') != std::string::npos)
    failHere("expected a string without NUL characters, found one");
  return text;
}

const std::string &JsonNode::nonEmpty() const {
  if (!isString() || string().empty())
    failExpected("a non-empty string");
  return string();
}

} // namespace treadle::rt
