//===-- Messages.h - what a compile has to say --------------------------===//
#ifndef TREADLE_COMPILER_MESSAGES_H
#define TREADLE_COMPILER_MESSAGES_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace treadle::compiler {

/// One message. `file` is empty where the place is unknown; lines and columns count from 1.
struct Message {
  enum Severity { Error, Warning, Remark, Note } severity = Error;
  std::string file;
  unsigned line = 0, column = 0;
  std::string message;
  std::vector<Message> notes;
};

using Messages = std::vector<Message>;

Message convert(const mlir::Diagnostic &diagnostic);
bool hasError(const Messages &messages);
llvm::json::Value toJSON(const Message &diagnostic);

/// Collects what MLIR says on a context while it lives. A message that repeats the one before is dropped.
class Collector {
public:
  Collector(mlir::MLIRContext *context, Messages &into);

private:
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace treadle::compiler

#endif
