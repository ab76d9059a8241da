// What the names in PTX text mean: scopes, registers declared by the range, and special registers.
#include "Names.h"

#include <algorithm>
#include <charconv>

namespace treadle::sim::ptx {

namespace {

constexpr size_t deepest = 64;

template <size_t n> bool isOneOf(std::string_view name, const std::string_view (&names)[n]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// "%pm3": a prefix and a number without leading zeros, below the count.
bool isNumbered(std::string_view name, std::string_view prefix, uint32_t count) {
  if (name.substr(0, prefix.size()) != prefix)
    return false;
  name.remove_prefix(prefix.size());
  uint32_t number = 0;
  auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), number);
  return status == std::errc() && end == name.data() + name.size() && number < count &&
         (name.size() == 1 || name.front() != '0');
}

} // namespace

void Names::open(int line) {
  if (depth() == deepest)
    source.fail(line, "braces deeper than " + std::to_string(deepest));
  scopes.emplace_back();
  scopes.back().line = line;
}

void Names::close(Entry &entry) {
  Scope &scope = scopes.back();
  for (const auto &[name, meaning] : scope.names) {
    const Range *range = meaning.ofRange ? nullptr : findRange(scope, name, meaning.line);
    if (range)
      source.fail(std::max(meaning.line, range->line),
                  quote(name) + " is already declared in line " + std::to_string(std::min(meaning.line, range->line)));
  }
  for (LabelUse &use : scope.uses) {
    auto found = scope.names.find(use.name);
    if (found != scope.names.end() && found->second.kind == Meaning::Label)
      entry.instructions[use.instruction].operands[use.operand].index = found->second.index;
    else if (depth() > 1)
      scopes[scopes.size() - 2].uses.push_back(use);
    else
      source.fail(use.line, "undefined label " + quote(use.name));
  }
  scopes.pop_back();
}

void Names::declare(std::string_view name, Meaning meaning) {
  auto [place, isNew] = scopes.back().names.try_emplace(name, meaning);
  if (!isNew)
    source.fail(meaning.line, quote(name) + " is already declared in line " + std::to_string(place->second.line));
}

void Names::declareRange(std::string_view prefix, uint32_t count, Type type, int line) {
  auto [place, isNew] = scopes.back().ranges.try_emplace(prefix, Range{count, type, line});
  if (!isNew)
    source.fail(line, quote(prefix) + " is already declared in line " + std::to_string(place->second.line));
}

const Names::Range *Names::findRange(const Scope &scope, std::string_view name, int line) const {
  if (scope.ranges.empty())
    return nullptr;
  // "%r12" may be number 12 of %r or number 2 of %r1; counts have at most ten digits.
  const Range *found = nullptr;
  for (size_t digits = 1; digits <= 10 && digits < name.size(); ++digits) {
    size_t cut = name.size() - digits;
    if (name[cut] < '0' || name[cut] > '9')
      break;
    auto range = scope.ranges.find(name.substr(0, cut));
    if (range == scope.ranges.end() || !isNumbered(name, range->first, range->second.count))
      continue;
    if (found)
      source.fail(line, quote(name) + " is declared twice, in lines " +
                            std::to_string(std::min(found->line, range->second.line)) + " and " +
                            std::to_string(std::max(found->line, range->second.line)));
    found = &range->second;
  }
  return found;
}

const Meaning *Names::find(std::string_view name, Entry &entry, int line) {
  for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
    auto found = scope->names.find(name);
    if (found != scope->names.end())
      return &found->second;
    if (const Range *range = findRange(*scope, name, line)) {
      entry.registers.push_back({std::string(name), range->type});
      Meaning meaning{Meaning::Register, int(entry.registers.size() - 1), range->line, true};
      return &scope->names.emplace(name, meaning).first->second;
    }
  }
  return nullptr;
}

void Names::referToLabel(std::string_view name, size_t instruction, size_t operand, int line) {
  scopes.back().uses.push_back({name, instruction, operand, line});
}

bool isSpecialVector(std::string_view name) {
  static constexpr std::string_view vectors[] = {"%tid",       "%ntid",       "%ctaid",         "%nctaid",
                                                 "%clusterid", "%nclusterid", "%cluster_ctaid", "%cluster_nctaid"};
  return isOneOf(name, vectors);
}

bool isSpecialRegister(std::string_view name) {
  static constexpr std::string_view scalars[] = {"%laneid",
                                                 "%warpid",
                                                 "%nwarpid",
                                                 "%smid",
                                                 "%nsmid",
                                                 "%gridid",
                                                 "%is_explicit_cluster",
                                                 "%cluster_ctarank",
                                                 "%cluster_nctarank",
                                                 "%lanemask_eq",
                                                 "%lanemask_le",
                                                 "%lanemask_lt",
                                                 "%lanemask_ge",
                                                 "%lanemask_gt",
                                                 "%clock",
                                                 "%clock_hi",
                                                 "%clock64",
                                                 "%globaltimer",
                                                 "%globaltimer_lo",
                                                 "%globaltimer_hi",
                                                 "%reserved_smem_offset_begin",
                                                 "%reserved_smem_offset_end",
                                                 "%reserved_smem_offset_cap",
                                                 "%total_smem_size",
                                                 "%aggr_smem_size",
                                                 "%dynamic_smem_size",
                                                 "%current_graph_exec"};
  static constexpr std::string_view components[] = {"x", "y", "z", "w"};
  if (size_t dot = name.find('.'); dot != std::string_view::npos)
    return isSpecialVector(name.substr(0, dot)) && isOneOf(name.substr(dot + 1), components);
  if (name.size() > 3 && name.substr(name.size() - 3) == "_64")
    return isNumbered(name.substr(0, name.size() - 3), "%pm", 8);
  return isOneOf(name, scalars) || isNumbered(name, "%pm", 8) || isNumbered(name, "%envreg", 32) ||
         isNumbered(name, "%reserved_smem_offset_", 2);
}

} // namespace treadle::sim::ptx
