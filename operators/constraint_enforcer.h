#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::operators {

// Holds rows to the constraints of the table that they are written into, as Flink's
// ConstraintEnforcer before a sink: NOT NULL columns, and lengths of CHAR, VARCHAR, BINARY,
// VARBINARY. Config: {"table": identifier, "configuration": {
//   "table.exec.sink.not-null-enforcer": "ERROR" (default) or "DROP",
//   "table.exec.sink.type-length-enforcer": "IGNORE" (default), "TRIM_PAD" or "ERROR",
//   "table.exec.sink.nested-constraint-enforcer": "IGNORE" (default), "ROWS" or
//   "ROWS_AND_COLLECTIONS"}}: whether both also hold within rows, and within arrays and maps.
class ConstraintEnforcer : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(const runtime::OperatorSpec& spec,
                                                                  const runtime::JobSettings&);
  // Whether rows of `input` written into `table` can break a constraint at all.
  static bool IsNeeded(const runtime::RowType& input, const runtime::RowType& table,
                       const nlohmann::json& configuration);

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  enum class Lengths : uint8_t { kIgnore, kTrimPad, kError };
  enum class Nested : uint8_t { kIgnore, kRows, kCollections };
  struct Rules {
    bool drop = false;
    Lengths lengths = Lengths::kIgnore;
    Nested nested = Nested::kIgnore;

    // Whether constraints hold within values of this type.
    bool Enters(const runtime::LogicalType& type) const;
    bool LimitsLength(const runtime::LogicalType& type) const;
    bool ForbidsNullWithin(const runtime::LogicalType& type) const;
  };
  static Rules ReadRules(const nlohmann::json& configuration);
  // The same rows with values that fit. `name`: for messages.
  runtime::Result<runtime::VectorPtr> FitLengths(const runtime::LogicalType& type,
                                                 const std::string& name,
                                                 const runtime::Vector& values);
  // Whether the value, which is not NULL, has a NULL within where its type forbids it.
  bool HasNullWithin(const runtime::LogicalType& type, const runtime::Vector& values,
                     int32_t row) const;

  runtime::RowType table_;
  std::string table_name_;
  std::vector<int> not_null_;
  std::vector<int> limited_;
  Rules rules_;
  runtime::OperatorContext* context_ = nullptr;
};

}  // namespace millrace::operators
