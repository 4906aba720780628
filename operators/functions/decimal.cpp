#pragma GCC optimize("O3")

#include "runtime/types/text/decimal.h"

#include <algorithm>

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"
#include "operators/functions/number_types.h"
#include "runtime/types/text/value_text.h"

// + - * / % of DECIMAL. The plan pins precision and scale of the result; what does not fit is NULL.

namespace millrace::operators {
namespace {

using runtime::Encoding;
using runtime::Int128;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorPtr;

enum class Operation : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kModulo };

// Sums and products of up to 18 digits that need no rounding: 64-bit, all rows at once.
template <Operation kOperation>
class SmallDecimal final : public Kernel {
 public:
  SmallDecimal(int64_t factor_a, int64_t factor_b) : factor_a_(factor_a), factor_b_(factor_b) {}
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, PhysicalType::kInt64, RowSet::All(rows.length),
                           CombineValidity(*context.pool, arguments, rows.length));
    const int64_t* __restrict a = arguments[0]->values<int64_t>();
    const int64_t* __restrict b = arguments[1]->values<int64_t>();
    int64_t* __restrict to = MutableValues<int64_t>(*vector);
    if (arguments[0]->encoding() == Encoding::kConstant) {
      const int64_t value = a[0];
      for (int32_t i = 0; i < rows.length; ++i) to[i] = Apply(value, b[i]);
    } else if (arguments[1]->encoding() == Encoding::kConstant) {
      const int64_t value = b[0];
      for (int32_t i = 0; i < rows.length; ++i) to[i] = Apply(a[i], value);
    } else {
      for (int32_t i = 0; i < rows.length; ++i) to[i] = Apply(a[i], b[i]);
    }
    return VectorPtr(std::move(vector));
  }

 private:
  int64_t Apply(int64_t a, int64_t b) const {
    const auto x = static_cast<uint64_t>(a) * static_cast<uint64_t>(factor_a_);
    const auto y = static_cast<uint64_t>(b) * static_cast<uint64_t>(factor_b_);
    if constexpr (kOperation == Operation::kAdd) return static_cast<int64_t>(x + y);
    if constexpr (kOperation == Operation::kSubtract) return static_cast<int64_t>(x - y);
    return static_cast<int64_t>(x * y);
  }
  int64_t factor_a_;
  int64_t factor_b_;
};

template <Operation kOperation>
class DecimalKernel final : public Kernel {
 public:
  DecimalKernel(int scale_a, int scale_b, const LogicalType& type)
      : scale_a_(scale_a), scale_b_(scale_b), type_(type) {}
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    runtime::BufferPtr validity = CombineValidity(*context.pool, arguments, rows.length);
    const uint64_t* words = validity ? Words(validity) : nullptr;
    auto vector = std::make_shared<runtime::Vector>(type_.physical(), Encoding::kFlat, rows.length);
    runtime::BufferPtr values =
        runtime::AllocateValues(*context.pool, type_.physical(), rows.length);
    std::memset(values->data(), 0,
                runtime::WidthOf(type_.physical()) * static_cast<size_t>(rows.length));
    vector->SetValues(std::move(values));
    const bool wide = type_.physical() == PhysicalType::kInt128;
    int64_t* to_narrow = MutableValues<int64_t>(*vector);
    Int128* to_wide = MutableValues<Int128>(*vector);
    runtime::BufferPtr own;
    bool by_zero = false;
    ForEachRow(rows, words, [&](int32_t row) {
      const Int128 a = runtime::DecimalAt(*arguments[0], row);
      const Int128 b = runtime::DecimalAt(*arguments[1], row);
      Int128 result = 0;
      if (kOperation >= Operation::kDivide && b == 0) {
        by_zero = true;
        return;
      }
      if (Apply(a, b, &result)) {
        if (wide) {
          to_wide[row] = result;
        } else {
          to_narrow[row] = static_cast<int64_t>(result);
        }
        return;
      }
      if (!own) {
        own = AllValid(*context.pool, rows.length);
        if (words != nullptr) {
          std::memcpy(own->data(), words, static_cast<size_t>(runtime::WordsFor(rows.length)) * 8);
        }
      }
      ClearBit(Words(own), row);
    });
    if (by_zero) return Status::User("Division by zero");
    if (own) {
      vector->SetValidity(std::move(own));
    } else if (validity) {
      vector->SetValidity(std::move(validity));
    }
    return VectorPtr(std::move(vector));
  }

 private:
  bool Apply(Int128 a, Int128 b, Int128* out) const {
    const int precision = type_.precision();
    const int scale = type_.scale();
    switch (kOperation) {
      case Operation::kAdd:
        return runtime::AddDecimal(a, scale_a_, b, scale_b_, precision, scale, out);
      case Operation::kSubtract:
        return runtime::AddDecimal(a, scale_a_, -b, scale_b_, precision, scale, out);
      case Operation::kMultiply:
        return runtime::MultiplyDecimal(a, scale_a_, b, scale_b_, precision, scale, out);
      case Operation::kDivide:
        return runtime::DivideDecimal(a, scale_a_, b, scale_b_, precision, scale, out);
      case Operation::kModulo:
        return runtime::ModDecimal(a, scale_a_, b, scale_b_, precision, scale, out);
    }
    return false;
  }

  int scale_a_;
  int scale_b_;
  LogicalType type_;
};

// An operand as DECIMAL: integers with their digits and scale 0.
LogicalType AsDecimal(const LogicalType& type) {
  if (type.kind() == TypeKind::kDecimal) return type;
  return LogicalType::Decimal(DigitsOf(type.kind()), 0);
}

template <Operation kOperation>
Result<BoundCall> BindDecimal(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 2) return bound;
  const LogicalType& given_a = call.operands[0].type;
  const LogicalType& given_b = call.operands[1].type;
  const auto takes = [](const LogicalType& type) {
    return type.is_integer() || type.kind() == TypeKind::kDecimal;
  };
  if (!takes(given_a) || !takes(given_b)) return bound;
  // MOD of decimals may be typed as an integer: computed as DECIMAL of that many digits.
  LogicalType result = call.type.AsNullable();
  if (result.is_integer()) {
    if (given_a.kind() != TypeKind::kDecimal && given_b.kind() != TypeKind::kDecimal) return bound;
    result = AsDecimal(result);
    bound.computed_type = result;
  } else if (result.kind() != TypeKind::kDecimal) {
    return bound;
  }
  const LogicalType a = AsDecimal(given_a);
  const LogicalType b = AsDecimal(given_b);
  bound.operand_types = {a, b};
  const int scale = result.scale();
  const bool narrow = a.physical() == PhysicalType::kInt64 &&
                      b.physical() == PhysicalType::kInt64 &&
                      result.physical() == PhysicalType::kInt64;
  if constexpr (kOperation == Operation::kAdd || kOperation == Operation::kSubtract) {
    const int integer_digits = std::max(a.precision() - a.scale(), b.precision() - b.scale());
    if (narrow && scale == std::max(a.scale(), b.scale()) &&
        result.precision() >= integer_digits + 1 + scale) {
      bound.kernel = std::make_unique<SmallDecimal<kOperation>>(
          static_cast<int64_t>(runtime::PowerOfTen(scale - a.scale())),
          static_cast<int64_t>(runtime::PowerOfTen(scale - b.scale())));
      return bound;
    }
  }
  if constexpr (kOperation == Operation::kMultiply) {
    if (narrow && scale == a.scale() + b.scale() &&
        result.precision() >= a.precision() + b.precision()) {
      bound.kernel = std::make_unique<SmallDecimal<kOperation>>(1, 1);
      return bound;
    }
  }
  bound.kernel = std::make_unique<DecimalKernel<kOperation>>(a.scale(), b.scale(), result);
  bound.costly = true;
  bound.can_fail = kOperation >= Operation::kDivide;
  return bound;
}

struct NegateWide {
  static Int128 Apply(Int128 value) { return -value; }
};

Result<BoundCall> BindNegate(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() == 1 && call.operands[0].type.physical() == PhysicalType::kInt128 &&
      call.type.physical() == PhysicalType::kInt128) {
    bound.kernel = std::make_unique<DenseUnary<NegateWide, Int128, Int128>>(PhysicalType::kInt128);
  }
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"+", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kAdd>},
    {"-", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kSubtract>},
    {"-", "(DECIMAL) -> DECIMAL", BindNegate},
    {"*", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kMultiply>},
    {"/", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kDivide>},
    {"MOD", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kModulo>},
    {"%", "(DECIMAL, DECIMAL) -> DECIMAL", BindDecimal<Operation::kModulo>},
};

}  // namespace

std::span<const FunctionEntry> DecimalFunctions() { return kEntries; }

}  // namespace millrace::operators
