#include "operators/functions/cast.h"

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"

// CAST, TRY_CAST and REINTERPRET: picks the conversion for a pair of types.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
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
    case TypeKind::kVarBinary:
      return to.length() >= from.length();
    case TypeKind::kTime:
      return to.precision() >= from.precision();
    case TypeKind::kDecimal:
      return false;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      // Milliseconds and microseconds share a physical type.
      return to.precision() >= from.precision() &&
             (to.precision() <= 3) == (from.precision() <= 3) && to.physical() == from.physical();
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
    case TypeKind::kBinary:
      return false;
    default:
      return true;
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

// Months and milliseconds of intervals as numbers.
struct Widen {
  static int64_t Apply(int32_t value) { return value; }
};
struct Narrow {
  static int32_t Apply(int64_t value) { return static_cast<int32_t>(value); }
};

// The same bytes under another type: time attributes, numbers as intervals.
Result<BoundCall> BindReinterpret(const CallShape& call) {
  if (call.operands.empty()) return BoundCall();
  const LogicalType& from = call.operands[0].type;
  if (from.is_timestamp() && call.type.is_timestamp()) {
    // Between the two kinds of timestamps the number stays too: only its unit is adapted.
    CallShape same_kind = call;
    same_kind.operands.resize(1);
    same_kind.type = from.kind() == TypeKind::kTimestamp
                         ? LogicalType::Timestamp(call.type.precision())
                         : LogicalType::TimestampLtz(call.type.precision());
    return BindAnyCast(same_kind, false);
  }
  if (from.physical() == call.type.physical()) return Same();
  BoundCall bound;
  if (from.physical() == PhysicalType::kInt32 && call.type.physical() == PhysicalType::kInt64) {
    bound.kernel = std::make_unique<DenseUnary<Widen, int32_t, int64_t>>(PhysicalType::kInt64);
    return bound;
  }
  if (from.physical() == PhysicalType::kInt64 && call.type.physical() == PhysicalType::kInt32) {
    bound.kernel = std::make_unique<DenseUnary<Narrow, int64_t, int32_t>>(PhysicalType::kInt32);
    return bound;
  }
  CallShape cast = call;
  cast.operands.resize(1);
  return BindAnyCast(cast, false);
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
