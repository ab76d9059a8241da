// Launching an entry: what must hold before it, its blocks on the host's threads, and the report.
#include "Block.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <tuple>

namespace treadle::sim {

namespace {

auto placeOf(const Finding &finding) {
  const Dim3 &b = finding.thread.block, &t = finding.thread.thread;
  return std::make_tuple(b.z, b.y, b.x, t.z, t.y, t.x);
}

std::string text(const Dim3 &d) { return std::to_string(d.x) + "," + std::to_string(d.y) + "," + std::to_string(d.z); }

// Bytes of shared memory that a block may have.
uint32_t sharedLimit(const std::string &target) {
  int arch = 0;
  for (char c : target)
    if (c >= '0' && c <= '9')
      arch = arch * 10 + (c - '0');
  switch (arch) {
  case 80:
  case 87:
    return 163 * 1024;
  case 86:
  case 89:
  case 120:
  case 121:
    return 99 * 1024;
  case 75:
    return 64 * 1024;
  case 70:
  case 72:
    return 96 * 1024;
  default:
    return arch >= 90 ? 227 * 1024 : 48 * 1024;
  }
}

void checkLaunch(const ptx::Module &module, const Program &program, const Dim3 &grid, const Dim3 &block,
                 uint64_t sharedBytes, size_t paramCount, const Options &options) {
  auto fail = [&](const std::string &message) { throw Error(program.name + ": " + message); };
  if (paramCount != program.params.size())
    fail("expected " + std::to_string(program.params.size()) + " parameters, found " + std::to_string(paramCount));
  constexpr int64_t mostThreads = 1024, mostX = INT32_MAX, mostYZ = 65535;
  if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > mostX || grid.y > mostYZ || grid.z > mostYZ)
    fail("expected a grid from 1,1,1 to " + text({mostX, mostYZ, mostYZ}) + ", found " + text(grid));
  if (block.x < 1 || block.y < 1 || block.z < 1 || block.x > mostThreads || block.y > mostThreads || block.z > 64 ||
      block.x * block.y * block.z > mostThreads)
    fail("expected a block of 1 to " + std::to_string(mostThreads) + " threads, found " + text(block));
  const ptx::Entry &entry = *module.find(program.name);
  auto axes = [](const std::array<uint32_t, 3> &d) { return Dim3{d[0], std::max(1U, d[1]), std::max(1U, d[2])}; };
  if (entry.reqntid[0]) {
    Dim3 required = axes(entry.reqntid);
    if (text(required) != text(block))
      fail("expected a block of " + text(required) + ", which .reqntid asks for, found " + text(block));
  }
  if (entry.maxntid[0]) {
    Dim3 most = axes(entry.maxntid);
    if (block.x * block.y * block.z > most.x * most.y * most.z)
      fail("expected a block of at most " + text(most) + ", which .maxntid allows, found " + text(block));
  }
  uint32_t limit = options.sharedLimit ? options.sharedLimit : sharedLimit(module.target);
  if (sharedBytes > limit)
    fail("expected at most " + std::to_string(limit) + " bytes of shared memory, found " + std::to_string(sharedBytes));
}

// What one host thread has found and counted.
struct Worker {
  Findings findings;
  std::vector<OpCounts> counts;
  std::exception_ptr failed;
};

} // namespace

void Findings::add(Finding finding) {
  auto key = std::make_tuple(finding.op, finding.kind, finding.otherOp);
  auto [entry, isNew] = found.try_emplace(key, finding);
  if (isNew)
    return;
  uint64_t times = entry->second.times + finding.times;
  if (placeOf(finding) < placeOf(entry->second))
    entry->second = std::move(finding);
  entry->second.times = times;
}

void Findings::merge(Findings other) {
  for (auto &item : other.found)
    add(std::move(item.second));
}

std::vector<Finding> Findings::take() {
  std::vector<Finding> all;
  for (auto &item : found)
    all.push_back(std::move(item.second));
  return all;
}

Report launch(const ptx::Module &module, const std::shared_ptr<const Program> &program, GlobalMemory &memory, Dim3 grid,
              Dim3 block, uint32_t dynamicShared, const void *const *params, size_t paramCount,
              const Options &options) {
  uint64_t sharedBytes = uint64_t(program->staticShared) + dynamicShared;
  checkLaunch(module, *program, grid, block, sharedBytes, paramCount, options);
  memory.mapVariables(module);
  memory.beginLaunch();

  Launch launch{module,
                *program,
                memory,
                options,
                grid,
                block,
                static_cast<uint32_t>(sharedBytes),
                {},
                Accessors(program->usesGlobalAtomics),
                {}};
  launch.params.resize(program->paramBytes);
  for (size_t i = 0; i < paramCount; ++i)
    std::memcpy(launch.params.data() + program->params[i].offset, params[i], program->params[i].bytes);

  int64_t blocks = grid.x * grid.y * grid.z;
  int64_t threads = options.threads > 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  if (program->usesGlobalAtomics)
    threads = 1;
  threads = std::min(threads, blocks);

  auto start = std::chrono::steady_clock::now();
  std::vector<Worker> workers(threads);
  std::atomic<int64_t> next{0};
  auto work = [&](Worker &worker) {
    try {
      worker.counts.resize(program->ops.size());
      for (int64_t id; (id = next++) < blocks;)
        Block(launch, id, worker.findings, worker.counts).run();
    } catch (...) {
      worker.failed = std::current_exception();
      next = blocks;
    }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < threads; ++i)
    others.emplace_back(work, std::ref(workers[i]));
  work(workers[0]);
  for (std::thread &other : others)
    other.join();
  for (const Worker &worker : workers)
    if (worker.failed)
      std::rethrow_exception(worker.failed);

  Report report;
  report.program = program;
  report.module = &module;
  report.grid = grid;
  report.block = block;
  report.sharedBytes = launch.sharedBytes;
  Findings findings;
  report.counts.resize(program->ops.size());
  for (Worker &worker : workers) {
    findings.merge(std::move(worker.findings));
    for (size_t i = 0; i < report.counts.size(); ++i)
      report.counts[i].add(worker.counts[i]);
  }
  report.findings = findings.take();
  auto most = static_cast<size_t>(std::max(options.maxFindings, 0));
  report.findingsCut = report.findings.size() > most;
  if (report.findingsCut)
    report.findings.resize(most);
  for (const OpCounts &counts : report.counts)
    report.instructions += counts.lanes;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

} // namespace treadle::sim
