#pragma GCC optimize("O3")

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"
#include "operators/functions/number_types.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/value_text.h"

// = <> < <= > >= and IS [NOT] DISTINCT FROM of all types that have an order.

namespace millrace::operators {
namespace {

using runtime::Encoding;
using runtime::Int128;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::StringRef;
using runtime::TimestampNanos;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorPtr;

struct Equal {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return a == b;
  }
};
struct NotEqual {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return !(a == b);
  }
};
struct Less {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return a < b;
  }
};
struct LessOrEqual {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return a <= b;
  }
};
struct Greater {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return b < a;
  }
};
struct GreaterOrEqual {
  template <typename T>
  static uint8_t Apply(const T& a, const T& b) {
    return b <= a;
  }
};

// Strings (by unsigned bytes) and DECIMALs of different scales, row by row.
template <typename Operation>
class CompareRows final : public Kernel {
 public:
  CompareRows(const LogicalType& a, const LogicalType& b)
      : strings_(a.physical() == PhysicalType::kString),
        scale_a_(ScaleOf(a)),
        scale_b_(ScaleOf(b)) {}
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    runtime::BufferPtr validity = CombineValidity(*context.pool, arguments, rows.length);
    const uint64_t* words = validity ? Words(validity) : nullptr;
    auto vector = MakeFlat(*context.pool, PhysicalType::kBool, rows, validity);
    std::memset(vector->values_buffer()->data(), 0, static_cast<size_t>(rows.length));
    uint8_t* to = MutableValues<uint8_t>(*vector);
    const Vector& a = *arguments[0];
    const Vector& b = *arguments[1];
    if (strings_) {
      constexpr bool kEquality =
          std::is_same_v<Operation, Equal> || std::is_same_v<Operation, NotEqual>;
      ForEachRow(rows, words, [&](int32_t row) {
        const StringRef& x = a.At<StringRef>(row);
        const StringRef& y = b.At<StringRef>(row);
        if constexpr (kEquality) {
          to[row] = (x == y) == std::is_same_v<Operation, Equal>;
        } else {
          to[row] = Operation::Apply(x.Compare(y), 0);
        }
      });
    } else {
      ForEachRow(rows, words, [&](int32_t row) {
        to[row] = Operation::Apply(runtime::CompareDecimal(IntegerOrDecimalAt(a, row), scale_a_,
                                                           IntegerOrDecimalAt(b, row), scale_b_),
                                   0);
      });
    }
    return VectorPtr(std::move(vector));
  }

 private:
  static int ScaleOf(const LogicalType& type) {
    return type.kind() == TypeKind::kDecimal ? type.scale() : 0;
  }
  static Int128 IntegerOrDecimalAt(const Vector& vector, int32_t row) {
    switch (vector.physical()) {
      case PhysicalType::kInt8:
        return vector.At<int8_t>(row);
      case PhysicalType::kInt16:
        return vector.At<int16_t>(row);
      case PhysicalType::kInt32:
        return vector.At<int32_t>(row);
      default:
        return runtime::DecimalAt(vector, row);
    }
  }

  bool strings_;
  int scale_a_;
  int scale_b_;
};

template <typename Operation, typename T>
std::unique_ptr<Kernel> Dense() {
  return std::make_unique<DenseBinary<Operation, T, T, uint8_t>>(PhysicalType::kBool);
}

template <typename Operation>
std::unique_ptr<Kernel> MakeDense(PhysicalType type) {
  switch (type) {
    case PhysicalType::kBool:
      return Dense<Operation, uint8_t>();
    case PhysicalType::kInt8:
      return Dense<Operation, int8_t>();
    case PhysicalType::kInt16:
      return Dense<Operation, int16_t>();
    case PhysicalType::kInt32:
      return Dense<Operation, int32_t>();
    case PhysicalType::kInt64:
      return Dense<Operation, int64_t>();
    case PhysicalType::kInt128:
      return Dense<Operation, Int128>();
    case PhysicalType::kFloat:
      return Dense<Operation, float>();
    case PhysicalType::kDouble:
      return Dense<Operation, double>();
    case PhysicalType::kTimestamp:
      return Dense<Operation, TimestampNanos>();
    default:
      return nullptr;
  }
}

template <typename Operation>
Result<BoundCall> BindComparison(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 2 || call.type.kind() != TypeKind::kBoolean) return bound;
  const LogicalType& a = call.operands[0].type;
  const LogicalType& b = call.operands[1].type;
  const bool texts = (a.is_string() && b.is_string()) || (a.is_binary() && b.is_binary());
  if (texts) {
    bound.kernel = std::make_unique<CompareRows<Operation>>(a, b);
    bound.costly = true;
    return bound;
  }
  if (a.is_numeric() && b.is_numeric()) {
    const bool decimals = a.kind() == TypeKind::kDecimal || b.kind() == TypeKind::kDecimal;
    const bool floating = a.kind() == TypeKind::kFloat || a.kind() == TypeKind::kDouble ||
                          b.kind() == TypeKind::kFloat || b.kind() == TypeKind::kDouble;
    if (!decimals || floating) {
      const LogicalType common(decimals ? TypeKind::kDouble : std::max(a.kind(), b.kind()));
      bound.operand_types = {common, common};
      bound.kernel = MakeDense<Operation>(common.physical());
    } else if (a.kind() == b.kind() && a.scale() == b.scale() && a.physical() == b.physical()) {
      bound.kernel = MakeDense<Operation>(a.physical());
    } else {
      bound.kernel = std::make_unique<CompareRows<Operation>>(a, b);
    }
    return bound;
  }
  if (a.kind() != b.kind()) {
    return bound;
  }
  switch (a.kind()) {
    case TypeKind::kBoolean:
    case TypeKind::kDate:
    case TypeKind::kTime:
    case TypeKind::kIntervalYearMonth:
    case TypeKind::kIntervalDayTime:
      bound.kernel = MakeDense<Operation>(a.physical());
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: {
      const LogicalType& finer = a.precision() >= b.precision() ? a : b;
      bound.operand_types = {finer, finer};
      bound.kernel = MakeDense<Operation>(finer.physical());
      break;
    }
    default:
      break;
  }
  return bound;
}

// Equality in which NULL equals NULL, over an equality kernel.
class DistinctFrom final : public Kernel {
 public:
  DistinctFrom(std::unique_ptr<Kernel> equality, bool negated)
      : equality_(std::move(equality)), negated_(negated) {}
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, PhysicalType::kBool, rows, runtime::BufferPtr());
    uint8_t* to = MutableValues<uint8_t>(*vector);
    // What lies under NULLs may be compared, it is only not used.
    VectorPtr equal;
    const bool null_constant =
        (arguments[0]->encoding() == Encoding::kConstant && arguments[0]->IsNull(0)) ||
        (arguments[1]->encoding() == Encoding::kConstant && arguments[1]->IsNull(0));
    if (!null_constant) {
      ASSIGN_OR_RETURN(equal, equality_->Evaluate(context, rows, arguments));
    }
    ForEachRow(rows, nullptr, [&](int32_t row) {
      const bool null_a = arguments[0]->IsNull(row);
      const bool null_b = arguments[1]->IsNull(row);
      const bool same = null_a || null_b ? null_a == null_b : equal->At<uint8_t>(row) != 0;
      to[row] = same == negated_;
    });
    return VectorPtr(std::move(vector));
  }

 private:
  std::unique_ptr<Kernel> equality_;
  bool negated_;  // IS NOT DISTINCT FROM
};

template <bool kNegated>
Result<BoundCall> BindDistinct(const CallShape& call) {
  ASSIGN_OR_RETURN(BoundCall bound, BindComparison<Equal>(call));
  if (bound.kernel == nullptr) return bound;
  bound.kernel = std::make_unique<DistinctFrom>(std::move(bound.kernel), kNegated);
  bound.strict = false;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"=", "(T, T) -> BOOLEAN", BindComparison<Equal>},
    {"<>", "(T, T) -> BOOLEAN", BindComparison<NotEqual>},
    {"<", "(T, T) -> BOOLEAN", BindComparison<Less>},
    {"<=", "(T, T) -> BOOLEAN", BindComparison<LessOrEqual>},
    {">", "(T, T) -> BOOLEAN", BindComparison<Greater>},
    {">=", "(T, T) -> BOOLEAN", BindComparison<GreaterOrEqual>},
    {"IS DISTINCT FROM", "(T, T) -> BOOLEAN", BindDistinct<false>},
    {"IS NOT DISTINCT FROM", "(T, T) -> BOOLEAN", BindDistinct<true>},
};

}  // namespace

std::span<const FunctionEntry> ComparisonFunctions() { return kEntries; }

}  // namespace millrace::operators
