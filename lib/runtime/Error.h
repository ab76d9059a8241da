// The one exception type of the runtime. Api.cpp turns it into a status and a message.
#pragma once

#include "treadle_rt.h"

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

namespace treadle::rt {

struct Error {
  int status;
  std::string message;
};

inline void append(std::string &out, std::string_view part) { out += part; }
inline void append(std::string &out, double part) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", part);
  out += text;
}
template <typename T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, char>, int> = 0>
void append(std::string &out, T part) {
  out += std::to_string(part);
}

// One string of the parts.
template <typename... Parts> std::string cat(const Parts &...parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

template <typename... Parts> [[noreturn]] void fail(int status, const Parts &...parts) {
  throw Error{status, cat(parts...)};
}

} // namespace treadle::rt
