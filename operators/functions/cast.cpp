#include "operators/functions/cast.h"

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"

// CAST, TRY_CAST and REINTERPRET: picks the conversion for a pair of types.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::Result;
using runtime::TypeKind;

bool SameInVectors(const LogicalType& from, const LogicalType& to) {
  if (from.SameExceptNull(to)) return true;
  if (from.kind() != to.kind()) {
    // CHAR to VARCHAR and BINARY to VARBINARY that are long enough.
    return ((from.kind() == TypeKind::kChar && to.kind() == TypeKind::kVarChar) ||
            (from.kind() == TypeKind::kBinary && to.kind() == TypeKind::kVarBinary)) &&
           to.length() >= from.length();
  }
  switch (from.kind()) {
    case TypeKind::kVarChar:
    case TypeKind::kVarBinary: return to.length() >= from.length();
    case TypeKind::kTime: return to.precision() >= from.precision();
    case TypeKind::kDecimal: return false;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return to.physical() == from.physical() && to.precision() >= from.precision();
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset:
    case TypeKind::kRow: {
      if (from.children().size() != to.children().size()) return false;
      for (size_t i = 0; i < from.children().size(); ++i) {
        if (!SameInVectors(from.children()[i].type, to.children()[i].type)) return false;
      }
      return true;
    }
    case TypeKind::kChar:
    case TypeKind::kBinary: return false;
    default: return true;
  }
}

BoundCall Same() {
  BoundCall bound;
  bound.kernel = std::make_unique<SameValues>();
  return bound;
}

Result<BoundCall> BindAnyCast(const CallShape& call, bool try_cast) {
  if (call.operands.size() != 1) return BoundCall();
  if (SameInVectors(call.operands[0].type, call.type)) return Same();
  if (call.operands[0].type.kind() == TypeKind::kNull) {
    return BoundCall();
  }
  for (auto* bind : {BindNumberCast, BindTimeCast, BindTextCast}) {
    ASSIGN_OR_RETURN(BoundCall bound, bind(call, try_cast));
    if (bound.kernel != nullptr) return bound;
  }
  return BoundCall();
}

Result<BoundCall> BindCast(const CallShape& call) { return BindAnyCast(call, false); }
Result<BoundCall> BindTryCast(const CallShape& call) { return BindAnyCast(call, true); }

// The same bytes under another type: time attributes, numbers as intervals.
Result<BoundCall> BindReinterpret(const CallShape& call) {
  if (call.operands.empty()) return BoundCall();
  if (call.operands[0].type.physical() == call.type.physical()) {
    const bool timestamps = call.operands[0].type.is_timestamp() && call.type.is_timestamp();
    if (!timestamps || call.operands[0].type.precision() <= call.type.precision()) return Same();
  }
  return BindAnyCast(call, false);
}

constexpr FunctionEntry kEntries[] = {
    {"CAST", "(ANY AS TYPE) -> TYPE", BindCast},
    {"TRY_CAST", "(ANY AS TYPE) -> TYPE", BindTryCast},
    {"REINTERPRET", "(ANY AS TYPE) -> TYPE", BindReinterpret},
    {"Reinterpret", "(ANY AS TYPE) -> TYPE", BindReinterpret},
};

}  // namespace

std::span<const FunctionEntry> CastFunctions() { return kEntries; }

}  // namespace millrace::operators
