// Small kernels, launched with arrays, and what was found of them.
#pragma once

#include "Machine.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

namespace treadle::sim {

// An entry `k` with parameters p0, p1, ... of 64 bits, and registers of every sort.
inline std::string entry(int params, const std::string &body, const std::string &variables = "") {
  std::string text = ".version 8.0\n.target sm_90a\n.address_size 64\n" + variables + "\n.visible .entry k(";
  for (int i = 0; i < params; ++i)
    text += (i ? ", .param .u64 p" : ".param .u64 p") + std::to_string(i);
  text += ")\n{\n.reg .pred %p<10>;\n.reg .b16 %h<10>;\n.reg .b32 %r<60>;\n.reg .b64 %d<60>;\n";
  for (int i = 0; i < params; ++i)
    text += "ld.param.b64 %d" + std::to_string(50 + i) + ", [p" + std::to_string(i) + "];\n";
  // %r50: the thread; %d40 + i: parameter i plus four bytes a thread of the block; %r51: the block.
  text += "mov.u32 %r50, %tid.x;\nmov.u32 %r51, %ctaid.x;\nmul.wide.u32 %d49, %r50, 4;\n";
  for (int i = 0; i < params; ++i)
    text += "add.s64 %d" + std::to_string(40 + i) + ", %d" + std::to_string(50 + i) + ", %d49;\n";
  return text + body + "\n}\n";
}

class Kernel {
public:
  explicit Kernel(const std::string &text) : module(ptx::parse(text, "k.ptx")) {
    program = decode(module, module.entries.at(0));
  }

  // Adds an array as the next parameter.
  Kernel &give(std::vector<uint32_t> &array, bool initialised = true) {
    int64_t size = static_cast<int64_t>(array.size()), stride = 1;
    values.push_back(memory.map(array.data(), 4, 1, &size, &stride, "x" + std::to_string(values.size()), initialised));
    return *this;
  }
  Kernel &value(uint64_t bits) {
    values.push_back(bits);
    return *this;
  }

  Report run(int64_t blocks, int64_t threads, uint32_t shared = 0) {
    std::vector<const void *> params;
    for (const uint64_t &bits : values)
      params.push_back(&bits);
    return launch(module, program, memory, {blocks}, {threads}, shared, params.data(), params.size(), options);
  }

  ptx::Module module;
  std::shared_ptr<const Program> program;
  GlobalMemory memory;
  Options options;
  std::vector<uint64_t> values;
};

inline std::vector<uint32_t> iota(size_t n) {
  std::vector<uint32_t> v(n);
  std::iota(v.begin(), v.end(), 0);
  return v;
}

// "race: reads ..." of every finding.
inline std::vector<std::string> found(const Report &report) {
  std::vector<std::string> all;
  for (const Finding &finding : report.findings)
    all.push_back(std::string(kindName(finding.kind)) + ": " + finding.what);
  return all;
}

#define EXPECT_CLEAN(report) EXPECT_THAT(found(report), testing::IsEmpty())
#define EXPECT_FOUND(report, ...) EXPECT_THAT(found(report), testing::ElementsAre(__VA_ARGS__))

inline std::string errorOf(const std::function<void()> &f) {
  try {
    f();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

constexpr const char *dynamicShared = ".extern .shared .align 16 .b8 mem[];";

// Each thread writes its number and reads its neighbour's, with `between` between the two.
inline std::string exchange(const std::string &between, int neighbour) {
  return entry(1,
               "shl.b32 %r1, %r50, 2;\nmov.u32 %r2, mem;\nadd.s32 %r3, %r2, %r1;\nst.shared.b32 [%r3], %r50;\n" +
                   between + "\nxor.b32 %r4, %r1, " + std::to_string(4 * neighbour) +
                   ";\nadd.s32 %r5, %r2, %r4;\nld.shared.b32 %r6, [%r5];\nst.global.b32 [%d40], %r6;\nret;",
               dynamicShared);
}

} // namespace treadle::sim
