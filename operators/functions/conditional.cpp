#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"

// CASE, IF, COALESCE, IFNULL: which values are computed at all is up to the evaluator.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::Result;
using runtime::TypeKind;

// What a value is cast to so that it lies in vectors as the result does; kNull: nothing to do.
// Strings are taken as they are.
LogicalType CastFor(const LogicalType& value, const LogicalType& result) {
  if (value.kind() == result.kind() && value.kind() != TypeKind::kDecimal &&
      !value.is_timestamp()) {
    return LogicalType();
  }
  if ((value.is_string() && result.is_string()) || (value.is_binary() && result.is_binary())) {
    return LogicalType();
  }
  return value.SameExceptNull(result) ? LogicalType() : result;
}

Result<BoundCall> BindCase(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() < 2) return bound;
  for (size_t i = 0; i < call.operands.size(); ++i) {
    const bool is_condition = i % 2 == 0 && i + 1 < call.operands.size();
    if (is_condition && call.operands[i].type.kind() != TypeKind::kBoolean) return bound;
    bound.operand_types.push_back(is_condition ? LogicalType()
                                               : CastFor(call.operands[i].type, call.type));
  }
  bound.control = Control::kCase;
  return bound;
}

Result<BoundCall> BindIf(const CallShape& call) {
  if (call.operands.size() != 3) return BoundCall();
  return BindCase(call);
}

Result<BoundCall> BindCoalesce(const CallShape& call) {
  BoundCall bound;
  if (call.operands.empty()) return bound;
  for (const OperandShape& operand : call.operands) {
    bound.operand_types.push_back(CastFor(operand.type, call.type));
  }
  bound.control = Control::kCoalesce;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"CASE", "(BOOLEAN, T, ..., T) -> T", BindCase},
    {"IF", "(BOOLEAN, T, T) -> T", BindIf},
    {"COALESCE", "(T, ...) -> T", BindCoalesce},
    {"IFNULL", "(T, T) -> T", BindCoalesce},
};

}  // namespace

std::span<const FunctionEntry> ConditionalFunctions() { return kEntries; }

}  // namespace millrace::operators
