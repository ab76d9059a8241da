//===-- MergePTX.cpp - one PTX module of several --------------------------===//
//
// LLVM writes a module in three parts: `.version`, `.target` and `.address_size`, with declarations; functions, each
// with its braces at the start of a line; sections of debug information and the numbered files that `.loc` refers to.
//
//===----------------------------------------------------------------------===//

#include "compiler/MergePTX.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace {
struct Merger {
  bool add(StringRef text);
  std::string take();

private:
  bool addDeclarations(StringRef text);
  bool addEnd(StringRef text, DenseMap<unsigned, unsigned> &files);
  bool addFunctions(StringRef text, const DenseMap<unsigned, unsigned> &files);

  StringRef heading;
  std::vector<std::pair<std::string, std::string>> declarations; ///< what is declared, and the statement
  SetVector<StringRef> sections;
  MapVector<StringRef, unsigned> files; ///< numbers by name
  std::string functions;
};
} // namespace

static constexpr StringLiteral lastOfHeading = ".address_size 64\n", entry = "\n.visible .entry ";

bool Merger::add(StringRef text) {
  size_t declared = text.find(lastOfHeading), first = text.find(entry), last = text.rfind("\n}\n");
  if (declared == StringRef::npos || first == StringRef::npos || last == StringRef::npos || last < first)
    return false;
  declared += lastOfHeading.size();
  last += 3;
  if (first < declared || (!heading.empty() && heading != text.take_front(declared)))
    return false;
  heading = text.take_front(declared);
  DenseMap<unsigned, unsigned> numbers;
  return addDeclarations(text.slice(declared, first)) && addEnd(text.drop_front(last), numbers) &&
         addFunctions(text.slice(first, last), numbers);
}

/// Statements, each of which ends a line with a semicolon; comments say which function follows.
bool Merger::addDeclarations(StringRef text) {
  std::string statement;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    text = rest;
    if (line.trim().empty() || line.ltrim().starts_with("//"))
      continue;
    statement += (line + Twine("\n")).str();
    if (!line.ends_with(";"))
      continue;
    std::string name = StringRef(statement).take_until([](char c) { return StringRef("[(=;").contains(c); }).str();
    auto known = llvm::find_if(declarations, [&](auto &other) { return other.first == name; });
    if (known == declarations.end())
      declarations.emplace_back(name, statement);
    else if (known->second != statement)
      return false;
    statement.clear();
  }
  return true;
}

bool Merger::addEnd(StringRef text, DenseMap<unsigned, unsigned> &numbers) {
  SmallVector<StringRef> lines;
  text.split(lines, '\n', -1, /*KeepEmpty=*/false);
  for (StringRef line : lines) {
    unsigned number;
    if (StringRef file = line.ltrim(); file.consume_front(".file\t") && !file.consumeInteger(10, number))
      numbers[number] = files.try_emplace(file, files.size() + 1).first->second;
    else if (line.trim().ends_with("}") && line.ltrim().starts_with(".section"))
      sections.insert(line);
    else if (!line.trim().empty())
      return false;
  }
  return true;
}

bool Merger::addFunctions(StringRef text, const DenseMap<unsigned, unsigned> &numbers) {
  // Names of inlined functions are in a section of their own.
  if (text.contains("inlined_at"))
    return false;
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    unsigned number;
    if (StringRef place = line; place.consume_front("\t.loc\t") && !place.consumeInteger(10, number)) {
      auto renamed = numbers.find(number);
      if (renamed == numbers.end())
        return false;
      functions += ("\t.loc\t" + Twine(renamed->second) + place + "\n").str();
    } else {
      functions += line;
      functions += '\n';
    }
    text = rest;
  }
  return true;
}

std::string Merger::take() {
  std::string text;
  raw_string_ostream stream(text);
  stream << heading << "\n";
  for (auto &[name, declaration] : declarations)
    stream << declaration;
  stream << functions;
  for (StringRef section : sections)
    stream << section << "\n";
  for (auto &[name, number] : files)
    stream << "\t.file\t" << number << name << "\n";
  return text;
}

std::string treadle::compiler::mergePTX(ArrayRef<std::string> modules) {
  Merger merger;
  for (const std::string &module : modules)
    if (!merger.add(module))
      report_fatal_error("PTX of kernels cannot be put together", /*gen_crash_diag=*/false);
  return merger.take();
}
