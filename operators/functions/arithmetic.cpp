#pragma GCC optimize("O3")

#include <cmath>
#include <limits>
#include <type_traits>

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"
#include "operators/functions/number_types.h"

// + - * / % and unary minus of integers and floating numbers, as Java computes them: integers wrap,
// division by an integer zero fails, floating numbers follow IEEE 754.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorPtr;

template <typename T>
using Wide = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

struct Add {
  template <typename T>
  static T Apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a + b;
    else
      return static_cast<T>(static_cast<Wide<T>>(a) + static_cast<Wide<T>>(b));
  }
};
struct Subtract {
  template <typename T>
  static T Apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a - b;
    else
      return static_cast<T>(static_cast<Wide<T>>(a) - static_cast<Wide<T>>(b));
  }
};
struct Multiply {
  template <typename T>
  static T Apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a * b;
    else
      return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
  }
};
// For floating numbers, and for integers whose divisor is not 0.
struct Divide {
  template <typename T>
  static T Apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a / b;
    else
      return b == -1 ? static_cast<T>(Wide<T>{0} - static_cast<Wide<T>>(a)) : static_cast<T>(a / b);
  }
};
struct Modulo {
  template <typename T>
  static T Apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return std::fmod(a, b);
    else
      return b == -1 ? T{0} : static_cast<T>(a % b);
  }
};
struct Negate {
  template <typename T>
  static T Apply(T a) {
    if constexpr (std::is_floating_point_v<T>)
      return -a;
    else
      return static_cast<T>(Wide<T>{0} - static_cast<Wide<T>>(a));
  }
};

// Integer / and %, which fail where the divisor is 0 in a row that counts.
template <typename Operation, typename T>
class CheckedDivision final : public Kernel {
 public:
  explicit CheckedDivision(PhysicalType result) : result_(result) {}
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    runtime::BufferPtr validity = CombineValidity(*context.pool, arguments, rows.length);
    const uint64_t* words = validity ? Words(validity) : nullptr;
    auto vector = MakeFlat(*context.pool, result_, RowSet::All(rows.length), validity);
    const T* a = arguments[0]->values<T>();
    const T* b = arguments[1]->values<T>();
    const int32_t step_a = arguments[0]->encoding() == runtime::Encoding::kConstant ? 0 : 1;
    const int32_t step_b = arguments[1]->encoding() == runtime::Encoding::kConstant ? 0 : 1;
    T* to = MutableValues<T>(*vector);
    for (int32_t i = 0; i < rows.length; ++i) {
      const T divisor = b[i * step_b];
      to[i] = Operation::template Apply<T>(a[i * step_a], divisor == 0 ? T{1} : divisor);
    }
    bool fails = false;
    ForEachRow(rows, words, [&](int32_t row) { fails |= b[row * step_b] == 0; });
    if (fails) return Status::User("/ by zero");
    return VectorPtr(std::move(vector));
  }

 private:
  PhysicalType result_;
};

template <typename Operation>
std::unique_ptr<Kernel> MakeBinary(PhysicalType type) {
  switch (type) {
    case PhysicalType::kInt8:
      return std::make_unique<DenseBinary<Operation, int8_t, int8_t, int8_t>>(type);
    case PhysicalType::kInt16:
      return std::make_unique<DenseBinary<Operation, int16_t, int16_t, int16_t>>(type);
    case PhysicalType::kInt32:
      return std::make_unique<DenseBinary<Operation, int32_t, int32_t, int32_t>>(type);
    case PhysicalType::kInt64:
      return std::make_unique<DenseBinary<Operation, int64_t, int64_t, int64_t>>(type);
    case PhysicalType::kFloat:
      return std::make_unique<DenseBinary<Operation, float, float, float>>(type);
    case PhysicalType::kDouble:
      return std::make_unique<DenseBinary<Operation, double, double, double>>(type);
    default:
      return nullptr;
  }
}

template <typename Operation>
std::unique_ptr<Kernel> MakeChecked(PhysicalType type) {
  if (type == PhysicalType::kInt32)
    return std::make_unique<CheckedDivision<Operation, int32_t>>(type);
  if (type == PhysicalType::kInt64)
    return std::make_unique<CheckedDivision<Operation, int64_t>>(type);
  return MakeBinary<Operation>(type);  // floating numbers
}

bool TakesNumbers(const CallShape& call) {
  if (call.operands.size() != 2 || !IsPrimitiveNumber(call.type.kind())) return false;
  const TypeKind a = call.operands[0].type.kind();
  const TypeKind b = call.operands[1].type.kind();
  const bool decimal = a == TypeKind::kDecimal || b == TypeKind::kDecimal;
  return call.operands[0].type.is_numeric() && call.operands[1].type.is_numeric() &&
         (!decimal || call.type.kind() == TypeKind::kFloat ||
          call.type.kind() == TypeKind::kDouble);
}

template <typename Operation>
Result<BoundCall> BindBinary(const CallShape& call) {
  BoundCall bound;
  if (!TakesNumbers(call)) return bound;
  const LogicalType type = call.type.AsNullable();
  bound.operand_types = {type, type};
  bound.kernel = MakeBinary<Operation>(type.physical());
  return bound;
}

template <typename Operation>
Result<BoundCall> BindDivision(const CallShape& call) {
  BoundCall bound;
  if (!TakesNumbers(call)) return bound;
  // Java promotes both sides, divides, and narrows the result.
  TypeKind kind =
      std::max({call.operands[0].type.kind(), call.operands[1].type.kind(), TypeKind::kInt});
  if (kind == TypeKind::kDecimal) kind = TypeKind::kDouble;
  const LogicalType type(kind);
  bound.operand_types = {type, type};
  if (kind != call.type.kind()) bound.computed_type = type;
  const VectorPtr& divisor = call.operands[1].constant;
  const bool never_zero = divisor != nullptr && !divisor->IsNull(0) &&
                          call.operands[1].type.is_integer() && ConstantInteger(*divisor) != 0;
  if (kind <= TypeKind::kBigInt && !never_zero) {
    bound.kernel = MakeChecked<Operation>(type.physical());
    bound.can_fail = true;
  } else {
    bound.kernel = MakeBinary<Operation>(type.physical());
  }
  return bound;
}

Result<BoundCall> BindNegate(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 1) return bound;
  const TypeKind kind = call.operands[0].type.kind();
  if (kind != call.type.kind()) return bound;
  switch (call.type.physical()) {
    case PhysicalType::kInt8:
      bound.kernel = std::make_unique<DenseUnary<Negate, int8_t, int8_t>>(PhysicalType::kInt8);
      break;
    case PhysicalType::kInt16:
      bound.kernel = std::make_unique<DenseUnary<Negate, int16_t, int16_t>>(PhysicalType::kInt16);
      break;
    case PhysicalType::kInt32:
      if (kind == TypeKind::kInt || kind == TypeKind::kIntervalYearMonth) {
        bound.kernel = std::make_unique<DenseUnary<Negate, int32_t, int32_t>>(PhysicalType::kInt32);
      }
      break;
    case PhysicalType::kInt64:
      if (kind == TypeKind::kBigInt || kind == TypeKind::kIntervalDayTime ||
          kind == TypeKind::kDecimal) {
        bound.kernel = std::make_unique<DenseUnary<Negate, int64_t, int64_t>>(PhysicalType::kInt64);
      }
      break;
    case PhysicalType::kFloat:
      bound.kernel = std::make_unique<DenseUnary<Negate, float, float>>(PhysicalType::kFloat);
      break;
    case PhysicalType::kDouble:
      bound.kernel = std::make_unique<DenseUnary<Negate, double, double>>(PhysicalType::kDouble);
      break;
    default:
      break;
  }
  return bound;
}

Result<BoundCall> BindPlus(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() == 1 && call.operands[0].type.is_numeric()) {
    bound.kernel = std::make_unique<SameValues>();
    return bound;
  }
  return BindBinary<Add>(call);
}

constexpr FunctionEntry kEntries[] = {
    {"+", "(NUMBER [, NUMBER]) -> NUMBER", BindPlus},
    {"-", "(NUMBER, NUMBER) -> NUMBER", BindBinary<Subtract>},
    {"-", "(NUMBER) -> NUMBER", BindNegate},
    {"*", "(NUMBER, NUMBER) -> NUMBER", BindBinary<Multiply>},
    {"/", "(NUMBER, NUMBER) -> NUMBER", BindDivision<Divide>},
    {"/INT", "(NUMBER, NUMBER) -> NUMBER", BindDivision<Divide>},
    {"MOD", "(NUMBER, NUMBER) -> NUMBER", BindDivision<Modulo>},
    {"%", "(NUMBER, NUMBER) -> NUMBER", BindDivision<Modulo>},
    {"minusPrefix", "(NUMBER) -> NUMBER", BindNegate},
};

}  // namespace

std::span<const FunctionEntry> ArithmeticFunctions() { return kEntries; }

}  // namespace millrace::operators
