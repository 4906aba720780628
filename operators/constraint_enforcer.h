#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::operators {

// Holds rows to the constraints of the table that they are written into, as Flink's
// ConstraintEnforcer before a sink: NOT NULL columns, and lengths of CHAR, VARCHAR, BINARY, VARBINARY.
// Config: {"table": identifier, "configuration": {
//   "table.exec.sink.not-null-enforcer": "ERROR" (default) or "DROP",
//   "table.exec.sink.type-length-enforcer": "IGNORE" (default), "TRIM_PAD" or "ERROR"}}.
// Constraints of fields within nested types are not enforced (Flink: nested-constraint-enforcer IGNORE).
class ConstraintEnforcer : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(const runtime::OperatorSpec& spec,
                                                                  const runtime::JobSettings&);
  // Whether rows of `input` written into `table` can break a constraint at all.
  static bool IsNeeded(const runtime::RowType& input, const runtime::RowType& table,
                       bool enforce_lengths);

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  enum class Lengths : uint8_t { kIgnore, kTrimPad, kError };
  runtime::Result<runtime::VectorPtr> FitLengths(const runtime::Batch& batch, int column);

  runtime::RowType table_;
  std::string table_name_;
  std::vector<int> not_null_;
  std::vector<int> limited_;
  bool drop_ = false;
  Lengths lengths_ = Lengths::kIgnore;
  runtime::OperatorContext* context_ = nullptr;
};

}  // namespace millrace::operators
