// The C ABI: every function checks its handles and sizes, and no exception leaves it.
#include "Machine.h"
#include "treadle_sim.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>
#include <nlohmann/json.hpp>

using namespace treadle::sim;

struct treadle_sim_module {
  ptx::Module module;
  std::vector<std::shared_ptr<const Program>> programs; // of its entries
};

struct treadle_sim_memory {
  GlobalMemory memory;
};

namespace {

thread_local std::string lastError;

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int record(int status, std::string_view message) noexcept {
  try {
    lastError = message;
  } catch (...) {
    lastError.clear();
  }
  return status;
}

// Runs f; an exception becomes a status and the thread's last error. ofProgram: what an Error means here.
template <typename F> int guarded(int ofProgram, F f) noexcept {
  try {
    f();
    return TREADLE_SIM_OK;
  } catch (const Error &error) {
    return record(ofProgram, error.what());
  } catch (const UsageError &error) {
    return record(TREADLE_SIM_ERROR_USAGE, error.what());
  } catch (const std::bad_alloc &) {
    return record(TREADLE_SIM_ERROR_INTERNAL, "out of memory");
  } catch (const std::exception &error) {
    return record(TREADLE_SIM_ERROR_INTERNAL, error.what());
  } catch (...) {
    return record(TREADLE_SIM_ERROR_INTERNAL, "unknown error");
  }
}

[[noreturn]] void misuse(const std::string &expected, const std::string &found) {
  throw UsageError("expected " + expected + ", found " + found);
}

void require(const void *pointer, const char *what) {
  if (!pointer)
    misuse(what, "null");
}

void requireAtLeast(int64_t least, int64_t value, const std::string &what) {
  if (value < least)
    misuse(what + " of at least " + std::to_string(least), std::to_string(value));
}

char *copyText(const std::string &text) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (!copy)
    throw std::bad_alloc();
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// The instructions that the library is compiled for.
void requireCpu() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
    misuse("a CPU with AVX2, FMA and BMI2", "one without");
#endif
}

// ---- Descriptions ----

nlohmann::ordered_json describe(const ptx::Entry &entry, const Program &program) {
  nlohmann::ordered_json json;
  json["name"] = entry.name;
  json["params"] = nlohmann::ordered_json::array();
  for (const Param &param : program.params)
    json["params"].push_back({{"name", param.name}, {"bytes", param.bytes}});
  json["reqntid"] = entry.reqntid[0] ? nlohmann::ordered_json(entry.reqntid) : nlohmann::ordered_json();
  json["static_shared"] = program.staticShared;
  json["dynamic_shared"] = program.hasDynamicShared;
  return json;
}

// ---- Launches ----

std::shared_ptr<const Program> findProgram(const treadle_sim_module &handle, const std::string &name) {
  std::string names;
  for (const auto &program : handle.programs) {
    if (program->name == name)
      return program;
    names += (names.empty() ? "" : ", ") + program->name;
  }
  throw Error(handle.module.name + ": expected an entry of " + (names.empty() ? "none" : names) + ", found " + name);
}

Options readOptions(const treadle_sim_options *given) {
  Options options;
  if (!given)
    return options;
  requireAtLeast(0, given->threads, "threads");
  requireAtLeast(0, given->max_findings, "max_findings");
  options.bounds = !given->no_bounds;
  options.uninitialised = !given->no_uninitialised;
  options.races = !given->no_races;
  options.counts = !given->no_counts;
  options.threads = given->threads;
  if (given->max_findings)
    options.maxFindings = given->max_findings;
  if (given->max_instructions)
    options.maxInstructions = given->max_instructions;
  options.sharedLimit = given->shared_limit;
  return options;
}

// Whether an array has elements. No array has more than the host's address space.
bool checkExtent(int elementBytes, int rank, const int64_t *shape, const int64_t *strides) {
  constexpr double most = double(uint64_t(1) << 47);
  double count = 1, span = 1;
  for (int axis = 0; axis < rank; ++axis) {
    requireAtLeast(0, shape[axis], "sizes");
    count *= double(shape[axis]);
    span += double(shape[axis] - 1) * std::abs(double(strides[axis]));
  }
  if (count > 0 && std::max(count, span) * elementBytes > most)
    misuse("an array of at most 2^47 bytes", "sizes and strides of more");
  return count > 0;
}

Dim3 readDim(const int64_t *sizes, const char *what) {
  require(sizes, what);
  for (int i = 0; i < 3; ++i)
    requireAtLeast(1, sizes[i], std::string(what) + " sizes");
  return {sizes[0], sizes[1], sizes[2]};
}

} // namespace

extern "C" {

const char *treadle_sim_last_error(void) { return lastError.c_str(); }

int treadle_sim_open(const char *ptx, size_t size, const char *name, treadle_sim_module **module) {
  return guarded(TREADLE_SIM_ERROR_PTX, [&] {
    require(ptx, "PTX text");
    require(name, "a name");
    require(module, "a place for the module");
    requireCpu();
    auto handle = std::make_unique<treadle_sim_module>();
    handle->module = ptx::parse({ptx, size}, name);
    for (const ptx::Entry &entry : handle->module.entries)
      handle->programs.push_back(decode(handle->module, entry));
    *module = handle.release();
  });
}

void treadle_sim_close(treadle_sim_module *module) { delete module; }

int treadle_sim_describe(const treadle_sim_module *module, char **json) {
  return guarded(TREADLE_SIM_ERROR_PTX, [&] {
    require(module, "a module");
    require(json, "a place for the text");
    nlohmann::ordered_json text;
    text["target"] = module->module.target;
    text["entries"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < module->programs.size(); ++i)
      text["entries"].push_back(describe(module->module.entries[i], *module->programs[i]));
    *json = copyText(text.dump());
  });
}

int treadle_sim_memory_create(treadle_sim_memory **memory) {
  return guarded(TREADLE_SIM_ERROR_LAUNCH, [&] {
    require(memory, "a place for the memory");
    *memory = new treadle_sim_memory;
  });
}

void treadle_sim_memory_destroy(treadle_sim_memory *memory) { delete memory; }

int treadle_sim_map(treadle_sim_memory *memory, void *data, int element_bytes, int rank, const int64_t *shape,
                    const int64_t *strides, const char *name, int initialised, uint64_t *address) {
  return guarded(TREADLE_SIM_ERROR_LAUNCH, [&] {
    require(memory, "a memory");
    require(name, "a name");
    require(address, "a place for the address");
    requireAtLeast(1, element_bytes, "element_bytes");
    requireAtLeast(0, rank, "a rank");
    if (rank > 0) {
      require(shape, "a shape");
      require(strides, "strides");
    }
    if (checkExtent(element_bytes, rank, shape, strides))
      require(data, "data");
    *address =
        memory->memory.map(data, static_cast<unsigned>(element_bytes), rank, shape, strides, name, initialised != 0);
  });
}

int treadle_sim_launch(const treadle_sim_module *module, const char *entry, treadle_sim_memory *memory,
                       const int64_t grid[3], const int64_t block[3], uint32_t dynamic_shared,
                       const void *const *params, int n, const treadle_sim_options *options, char **report) {
  return guarded(TREADLE_SIM_ERROR_LAUNCH, [&] {
    require(module, "a module");
    require(entry, "an entry's name");
    require(memory, "a memory");
    require(report, "a place for the report");
    requireAtLeast(0, n, "a number of parameters");
    auto program = findProgram(*module, entry);
    if (static_cast<size_t>(n) != program->params.size())
      misuse(std::to_string(program->params.size()) + " parameters of " + program->name, std::to_string(n));
    if (n > 0)
      require(params, "parameters");
    for (int i = 0; i < n; ++i)
      require(params[i], ("parameter " + std::to_string(i)).c_str());
    Dim3 gridSize = readDim(grid, "grid"), blockSize = readDim(block, "block");
    Report result = launch(module->module, program, memory->memory, gridSize, blockSize, dynamic_shared, params,
                           static_cast<size_t>(n), readOptions(options));
    *report = copyText(toJson(result));
  });
}

void treadle_sim_free(char *text) { std::free(text); }

} // extern "C"
