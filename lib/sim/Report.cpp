// Reports as JSON: findings at their places, and counts by source line.
#include "Report.h"

#include <map>
#include <nlohmann/json.hpp>

namespace treadle::sim {

using Json = nlohmann::ordered_json;

const char *className(Class c) {
  static constexpr const char *names[classCount] = {"integer",   "float",   "special", "convert", "move",
                                                    "predicate", "control", "load",    "store",   "copy",
                                                    "atomic",    "tensor",  "warp",    "sync"};
  return names[static_cast<int>(c)];
}

const char *kindName(Finding::Kind kind) {
  static constexpr const char *names[] = {
      "out-of-bounds", "misaligned",   "uninitialised",   "race", "unwaited-copy", "divergent-barrier",
      "deadlock",      "null-pointer", "invalid-operand", "limit"};
  return names[static_cast<int>(kind)];
}

void OpCounts::add(const OpCounts &o) {
  warps += o.warps;
  lanes += o.lanes;
  globalRead += o.globalRead;
  globalWritten += o.globalWritten;
  sectorsRead += o.sectorsRead;
  sectorsWritten += o.sectorsWritten;
  sharedWavefronts += o.sharedWavefronts;
  sharedIdeal += o.sharedIdeal;
  multiplyAdds += o.multiplyAdds;
}

namespace {

Json triple(const Dim3 &dim) { return Json::array({dim.x, dim.y, dim.z}); }

std::string text(const Dim3 &dim) {
  return "(" + std::to_string(dim.x) + "," + std::to_string(dim.y) + "," + std::to_string(dim.z) + ")";
}

// The counts of some instructions together.
struct Sum {
  OpCounts counts;
  std::array<uint64_t, classCount> classes{};
  uint64_t barriers = 0; // times that a warp came to a barrier of its block

  void add(const OpCounts &counted, Class kind, const std::string &name) {
    counts.add(counted);
    classes[static_cast<int>(kind)] += counted.lanes;
    bool isBarrier = name.rfind("barrier.", 0) == 0 || (name.rfind("bar.", 0) == 0 && name.rfind("bar.warp.", 0) != 0);
    barriers += isBarrier ? counted.warps : 0;
  }

  void write(Json &json) const {
    Json byClass = Json::object();
    for (int i = 0; i < classCount; ++i)
      if (classes[i])
        byClass[className(static_cast<Class>(i))] = classes[i];
    json["warps"] = counts.warps;
    json["lanes"] = counts.lanes;
    json["classes"] = std::move(byClass);
    json["global_bytes_read"] = counts.globalRead;
    json["global_bytes_written"] = counts.globalWritten;
    json["sectors_read"] = counts.sectorsRead;
    json["sectors_written"] = counts.sectorsWritten;
    json["shared_wavefronts"] = counts.sharedWavefronts;
    json["bank_conflicts"] = counts.sharedWavefronts - counts.sharedIdeal;
    json["multiply_adds"] = counts.multiplyAdds;
    json["barriers"] = barriers;
  }
};

class Writer {
public:
  explicit Writer(const Report &report) : report(report), program(*report.program) {}

  Json write() const {
    Json json;
    json["kernel"] = program.name;
    json["grid"] = triple(report.grid);
    json["block"] = triple(report.block);
    json["shared_bytes"] = report.sharedBytes;
    json["seconds"] = report.seconds;
    json["instructions"] = report.instructions;
    json["findings"] = Json::array();
    for (const Finding &finding : report.findings)
      json["findings"].push_back(write(finding));
    json["findings_cut"] = report.findingsCut;
    writeCounts(json);
    return json;
  }

private:
  std::string fileName(int file) const {
    auto found = report.module->files.find(file);
    return found == report.module->files.end() ? report.module->name : found->second;
  }

  // The source line of an instruction; its line of the PTX text where the compiler names none.
  void writePlace(Json &json, int op, const std::optional<Thread> &thread) const {
    bool known = op >= 0 && op < static_cast<int>(program.ops.size());
    ptx::Location location = known ? program.locations[op] : ptx::Location();
    int line = known ? program.lines[op] : 0;
    bool hasSource = location.line > 0;
    json["file"] = hasSource ? fileName(location.file) : report.module->name;
    json["line"] = hasSource ? location.line : line;
    json["column"] = hasSource ? location.column : 0;
    json["ptx_line"] = line;
    json["instruction"] = known ? program.names[op] : "";
    json["block"] = thread ? triple(thread->block) : Json();
    json["thread"] = thread ? triple(thread->thread) : Json();
  }

  Json write(const Finding &finding) const {
    Json json;
    json["kind"] = kindName(finding.kind);
    json["message"] =
        "thread " + text(finding.thread.thread) + " of block " + text(finding.thread.block) + " " + finding.what;
    writePlace(json, finding.op, finding.thread);
    json["other"] = nullptr;
    if (finding.otherOp >= 0)
      writePlace(json["other"] = Json::object(), finding.otherOp, finding.other);
    json["times"] = finding.times;
    return json;
  }

  // By source line in the order of files and lines; what has a file but no line comes first, as line 0.
  void writeCounts(Json &json) const {
    std::map<std::pair<std::string, int>, Sum> lines;
    Sum total;
    for (size_t i = 0; i < report.counts.size(); ++i) {
      const OpCounts &counts = report.counts[i];
      if (counts.warps == 0)
        continue;
      const ptx::Location &location = program.locations[i];
      bool hasFile = location.file != 0;
      int line = hasFile ? location.line : program.lines[i];
      lines[{hasFile ? fileName(location.file) : report.module->name, line}].add(counts, program.ops[i].kind,
                                                                                 program.names[i]);
      total.add(counts, program.ops[i].kind, program.names[i]);
    }
    json["lines"] = Json::array();
    for (const auto &[place, sum] : lines) {
      Json &entry = json["lines"].emplace_back(Json{{"file", place.first}, {"line", place.second}});
      sum.write(entry);
    }
    total.write(json["total"]);
  }

  const Report &report;
  const Program &program;
};

} // namespace

std::string toJson(const Report &report) {
  // File names are whatever bytes the PTX has.
  return Writer(report).write().dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace treadle::sim
