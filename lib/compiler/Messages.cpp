//===-- Messages.cpp - what a compile has to say ------------------------===//

#include "compiler/Messages.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

using namespace mlir;
using namespace treadle;
using namespace treadle::compiler;

/// The first place in a file that a location names; inlined code is where it was written, as callees come first.
static FileLineColLoc placeOf(Location location) {
  FileLineColLoc place;
  location->walk([&](Location at) {
    place = dyn_cast<FileLineColLoc>(at);
    return place ? WalkResult::interrupt() : WalkResult::advance();
  });
  return place;
}

static Message at(Message::Severity severity, Location location, std::string message) {
  Message result;
  result.severity = severity;
  result.message = std::move(message);
  if (FileLineColLoc place = placeOf(location)) {
    result.file = place.getFilename().str();
    result.line = place.getLine();
    result.column = place.getColumn();
  }
  return result;
}

/// One note for each call through which inlined code was reached, up to a limit.
static void addCallers(Location location, std::vector<Message> &notes) {
  constexpr size_t maxCallers = 32;
  auto call = dyn_cast<CallSiteLoc>(location);
  if (!call || notes.size() >= maxCallers)
    return;
  addCallers(call.getCallee(), notes);
  if (notes.size() < maxCallers && placeOf(call.getCaller()))
    notes.push_back(at(Message::Note, call.getCaller(), "called from here"));
  addCallers(call.getCaller(), notes);
}

Message compiler::convert(const mlir::Diagnostic &diagnostic) {
  static constexpr Message::Severity severities[] = {Message::Note, Message::Warning, Message::Error, Message::Remark};
  Message result = at(severities[int(diagnostic.getSeverity())], diagnostic.getLocation(), diagnostic.str());
  addCallers(diagnostic.getLocation(), result.notes);
  // "see current operation" prints the whole op, with everything inside it: no use to who wrote the kernel.
  for (const mlir::Diagnostic &note : const_cast<mlir::Diagnostic &>(diagnostic).getNotes())
    if (!StringRef(note.str()).starts_with("see current operation"))
      result.notes.push_back(convert(note));
  return result;
}

bool compiler::hasError(const Messages &messages) {
  return llvm::any_of(messages, [](const Message &d) { return d.severity == Message::Error; });
}

llvm::json::Value compiler::toJSON(const Message &message) {
  static constexpr StringLiteral names[] = {"error", "warning", "remark", "note"};
  llvm::json::Array notes;
  for (const Message &note : message.notes)
    notes.push_back(toJSON(note));
  return llvm::json::Object{{"severity", names[message.severity]},
                            {"file", llvm::json::fixUTF8(message.file)},
                            {"line", int64_t(message.line)},
                            {"column", int64_t(message.column)},
                            {"message", llvm::json::fixUTF8(message.message)},
                            {"notes", std::move(notes)}};
}

Collector::Collector(MLIRContext *context, Messages &into)
    : handler(context, [&into](mlir::Diagnostic &diagnostic) {
        Message next = convert(diagnostic);
        bool repeated = !into.empty() && into.back().message == next.message && into.back().line == next.line &&
                        into.back().file == next.file;
        if (!repeated)
          into.push_back(std::move(next));
        return success();
      }) {}
