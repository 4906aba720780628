#include <limits>

#include "operators/aggregate/function_families.h"
#include "operators/aggregate/function_kernels.h"
#include "runtime/types/text/decimal.h"

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::RowLayout;
using runtime::RowType;
using runtime::TypeKind;

LogicalType BigInt() { return LogicalType(TypeKind::kBigInt); }

// Java's arithmetic: integers wrap.
template <typename T>
T Plus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(
        static_cast<Unsigned>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b)));
  } else {
    return a + b;
  }
}
template <typename T>
T Minus(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;
    return static_cast<T>(
        static_cast<Unsigned>(static_cast<Unsigned>(a) - static_cast<Unsigned>(b)));
  } else {
    return a - b;
  }
}

// A sum of DECIMAL(38, s): false where it has more than 38 digits, and is NULL in Flink.
bool PlusDecimal(Int128 a, Int128 b, Int128* sum) {
  return !__builtin_add_overflow(a, b, sum) && runtime::FitsPrecision(*sum, 38);
}

// COUNT(*) and COUNT(x).
class Count {
 public:
  using Input = uint8_t;
  using Output = int64_t;
  using Partial = int64_t;
  static constexpr bool kNullable = false;

  RowType fields() const { return {{"count", BigInt()}}; }
  void Bind(const RowLayout& layout, int first) { count_ = FieldSlot(layout, first); }
  void Start(uint8_t* row, StateArena*) const { count_.Store<int64_t>(row, 0); }
  void Add(uint8_t* row, Input, StateArena*) const {
    count_.Store(row, count_.Load<int64_t>(row) + 1);
  }
  void Subtract(uint8_t* row, Input, StateArena*) const {
    count_.Store(row, count_.Load<int64_t>(row) - 1);
  }
  bool Result(const uint8_t* row, Output* result) const {
    *result = count_.Load<int64_t>(row);
    return true;
  }
  Partial FromRow(const uint8_t* row) const { return count_.Load<int64_t>(row); }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    int64_t count = 0;
    PartialAt(partials, 0, i, &count);
    return count;
  }
  void Merge(uint8_t* row, Partial other, StateArena*) const {
    count_.Store(row, Plus(count_.Load<int64_t>(row), other));
  }

 private:
  FieldSlot count_;
};

// SUM of one number type, giving the same type: NULL before the first value. With kRetracts
// (SumWithRetractAggFunction) a count says when nothing is left.
template <typename T, bool kRetracts>
class Sum {
 public:
  using Input = T;
  using Output = T;
  struct Partial {
    T sum = 0;
    bool has_sum = false;
    int64_t count = 0;
  };
  static constexpr bool kNullable = true;

  explicit Sum(LogicalType type) : type_(type.AsNullable()) {}
  RowType fields() const {
    if (kRetracts) return {{"sum", type_}, {"count", BigInt()}};
    return {{"sum", type_}};
  }
  void Bind(const RowLayout& layout, int first) {
    sum_ = FieldSlot(layout, first);
    if (kRetracts) count_ = FieldSlot(layout, first + 1);
  }
  void Start(uint8_t* row, StateArena*) const {
    sum_.Store<T>(row, 0);
    sum_.SetNull(row);
    if (kRetracts) count_.Store<int64_t>(row, 0);
  }
  void Add(uint8_t* row, T value, StateArena*) const { AddSum(row, {value, true, 1}); }
  void Subtract(uint8_t* row, T value, StateArena*) const {
    sum_.Store(row, Minus(sum_.Load<T>(row), value));
    sum_.SetValid(row);
    if (kRetracts) count_.Store(row, count_.Load<int64_t>(row) - 1);
  }
  bool Result(const uint8_t* row, T* result) const {
    *result = sum_.Load<T>(row);
    return !sum_.IsNull(row) && (!kRetracts || count_.Load<int64_t>(row) != 0);
  }
  Partial FromRow(const uint8_t* row) const {
    return {sum_.Load<T>(row), !sum_.IsNull(row), kRetracts ? count_.Load<int64_t>(row) : 0};
  }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    Partial partial;
    partial.has_sum = PartialAt(partials, 0, i, &partial.sum);
    if (kRetracts) PartialAt(partials, 1, i, &partial.count);
    return partial;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena*) const {
    if (other.has_sum) {
      AddSum(row, other);
    } else if (kRetracts) {
      count_.Store(row, count_.Load<int64_t>(row) + other.count);
    }
  }

 private:
  void AddSum(uint8_t* row, const Partial& other) const {
    if (std::is_integral_v<T> || !sum_.IsNull(row)) {
      sum_.Store(row, Plus(sum_.Load<T>(row), other.sum));
    } else {
      sum_.Store(row, other.sum);  // 0 + -0.0 would not be -0.0
    }
    sum_.SetValid(row);
    if (kRetracts) count_.Store(row, count_.Load<int64_t>(row) + other.count);
  }

  LogicalType type_;
  FieldSlot sum_;
  FieldSlot count_;
};

// SUM and $SUM0 of DECIMAL: a sum of more than 38 digits becomes NULL, and SUM goes on from the
// next value, as Flink's expressions do; $SUM0 stays NULL.
template <typename T, bool kRetracts, bool kZero>
class DecimalSum {
 public:
  using Input = T;
  using Output = Int128;
  struct Partial {
    Int128 sum = 0;
    bool has_sum = false;
    int64_t count = 0;
  };
  static constexpr bool kNullable = true;
  static constexpr bool kCounts = kRetracts && !kZero;

  explicit DecimalSum(LogicalType type) : type_(type.AsNullable()) {}
  RowType fields() const {
    if (kCounts) return {{"sum", type_}, {"count", BigInt()}};
    return {{"sum", type_}};
  }
  void Bind(const RowLayout& layout, int first) {
    sum_ = FieldSlot(layout, first);
    if (kCounts) count_ = FieldSlot(layout, first + 1);
  }
  void Start(uint8_t* row, StateArena*) const {
    sum_.Store<Int128>(row, 0);
    if (kZero) {
      sum_.SetValid(row);
    } else {
      sum_.SetNull(row);
    }
    if (kCounts) count_.Store<int64_t>(row, 0);
  }
  void Add(uint8_t* row, T value, StateArena*) const { AddSum(row, value, 1); }
  void Subtract(uint8_t* row, T value, StateArena*) const {
    AddSum(row, -static_cast<Int128>(value), -1);
  }
  bool Result(const uint8_t* row, Int128* result) const {
    *result = sum_.Load<Int128>(row);
    return !sum_.IsNull(row) && (!kCounts || count_.Load<int64_t>(row) != 0);
  }
  Partial FromRow(const uint8_t* row) const {
    return {sum_.Load<Int128>(row), !sum_.IsNull(row), kCounts ? count_.Load<int64_t>(row) : 0};
  }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    Partial partial;
    partial.has_sum = PartialAt(partials, 0, i, &partial.sum);
    if (kCounts) PartialAt(partials, 1, i, &partial.count);
    return partial;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena*) const {
    if (other.has_sum) {
      AddSum(row, other.sum, other.count);
    } else {
      if (kZero) sum_.SetNull(row);
      if (kCounts) count_.Store(row, count_.Load<int64_t>(row) + other.count);
    }
  }

 private:
  void AddSum(uint8_t* row, Int128 value, int64_t count) const {
    if (kCounts) count_.Store(row, count_.Load<int64_t>(row) + count);
    if (sum_.IsNull(row)) {
      if (kZero) return;
      sum_.Store(row, value);
      sum_.SetValid(row);
      return;
    }
    Int128 sum;
    if (PlusDecimal(sum_.Load<Int128>(row), value, &sum)) {
      sum_.Store(row, sum);
    } else {
      sum_.Store<Int128>(row, 0);
      sum_.SetNull(row);
    }
  }

  LogicalType type_;
  FieldSlot sum_;
  FieldSlot count_;
};

// $SUM0: 0 before the first value.
template <typename T>
class Sum0 {
 public:
  using Input = T;
  using Output = T;
  using Partial = T;
  static constexpr bool kNullable = false;

  explicit Sum0(LogicalType type) : type_(type.AsNullable()) {}
  RowType fields() const { return {{"sum", type_}}; }
  void Bind(const RowLayout& layout, int first) { sum_ = FieldSlot(layout, first); }
  void Start(uint8_t* row, StateArena*) const { sum_.Store<T>(row, 0); }
  void Add(uint8_t* row, T value, StateArena*) const {
    sum_.Store(row, Plus(sum_.Load<T>(row), value));
  }
  void Subtract(uint8_t* row, T value, StateArena*) const {
    sum_.Store(row, Minus(sum_.Load<T>(row), value));
  }
  bool Result(const uint8_t* row, T* result) const {
    *result = sum_.Load<T>(row);
    return true;
  }
  Partial FromRow(const uint8_t* row) const { return sum_.Load<T>(row); }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    T sum = 0;
    PartialAt(partials, 0, i, &sum);
    return sum;
  }
  void Merge(uint8_t* row, Partial other, StateArena*) const { Add(row, other, nullptr); }

 private:
  LogicalType type_;
  FieldSlot sum_;
};

// AVG of integers (sum BIGINT, quotient cut off) and floating numbers (sum DOUBLE).
template <typename T>
class Avg {
 public:
  using Input = T;
  using Output = T;
  using SumType = std::conditional_t<std::is_integral_v<T>, int64_t, double>;
  struct Partial {
    SumType sum = 0;
    int64_t count = 0;
  };
  static constexpr bool kNullable = true;

  RowType fields() const {
    const LogicalType sum = std::is_integral_v<T> ? BigInt() : LogicalType(TypeKind::kDouble);
    return {{"sum", sum}, {"count", BigInt()}};
  }
  void Bind(const RowLayout& layout, int first) {
    sum_ = FieldSlot(layout, first);
    count_ = FieldSlot(layout, first + 1);
  }
  void Start(uint8_t* row, StateArena*) const {
    sum_.Store<SumType>(row, 0);
    count_.Store<int64_t>(row, 0);
  }
  void Add(uint8_t* row, T value, StateArena*) const {
    Merge(row, {static_cast<SumType>(value), 1}, nullptr);
  }
  void Subtract(uint8_t* row, T value, StateArena*) const {
    sum_.Store(row, Minus(sum_.Load<SumType>(row), static_cast<SumType>(value)));
    count_.Store(row, count_.Load<int64_t>(row) - 1);
  }
  bool Result(const uint8_t* row, T* result) const {
    const auto count = count_.Load<int64_t>(row);
    const auto sum = sum_.Load<SumType>(row);
    *result = 0;
    if (count == 0) return false;
    if constexpr (std::is_integral_v<T>) {
      // The smallest BIGINT by -1 would trap; Java wraps.
      *result = static_cast<T>(count == -1 ? Minus<int64_t>(0, sum) : sum / count);
    } else {
      *result = static_cast<T>(sum / static_cast<double>(count));
    }
    return true;
  }
  Partial FromRow(const uint8_t* row) const {
    return {sum_.Load<SumType>(row), count_.Load<int64_t>(row)};
  }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    Partial partial;
    PartialAt(partials, 0, i, &partial.sum);
    PartialAt(partials, 1, i, &partial.count);
    return partial;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena*) const {
    sum_.Store(row, Plus(sum_.Load<SumType>(row), other.sum));
    count_.Store(row, count_.Load<int64_t>(row) + other.count);
  }

 private:
  FieldSlot sum_;
  FieldSlot count_;
};

// AVG of DECIMAL: sum DECIMAL(38, s), quotient rounded half up; NULL for good once the sum has more
// than 38 digits.
template <typename T, typename OutputType>
class DecimalAvg {
 public:
  using Input = T;
  using Output = OutputType;
  struct Partial {
    Int128 sum = 0;
    bool has_sum = false;
    int64_t count = 0;
  };
  static constexpr bool kNullable = true;

  DecimalAvg(int scale, LogicalType result) : scale_(scale), result_(result) {}
  RowType fields() const {
    return {{"sum", LogicalType::Decimal(38, scale_)}, {"count", BigInt()}};
  }
  void Bind(const RowLayout& layout, int first) {
    sum_ = FieldSlot(layout, first);
    count_ = FieldSlot(layout, first + 1);
  }
  void Start(uint8_t* row, StateArena*) const {
    sum_.Store<Int128>(row, 0);
    sum_.SetValid(row);
    count_.Store<int64_t>(row, 0);
  }
  void Add(uint8_t* row, T value, StateArena*) const { Merge(row, {value, true, 1}, nullptr); }
  void Subtract(uint8_t* row, T value, StateArena*) const {
    Merge(row, {-static_cast<Int128>(value), true, -1}, nullptr);
  }
  bool Result(const uint8_t* row, Output* result) const {
    const auto count = count_.Load<int64_t>(row);
    *result = 0;
    if (count == 0 || sum_.IsNull(row)) return false;
    Int128 quotient;
    if (!runtime::DivideDecimal(sum_.Load<Int128>(row), scale_, count, 0, result_.precision(),
                                result_.scale(), &quotient)) {
      return false;
    }
    *result = static_cast<Output>(quotient);
    return true;
  }
  Partial FromRow(const uint8_t* row) const {
    return {sum_.Load<Int128>(row), !sum_.IsNull(row), count_.Load<int64_t>(row)};
  }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    Partial partial;
    partial.has_sum = PartialAt(partials, 0, i, &partial.sum);
    PartialAt(partials, 1, i, &partial.count);
    return partial;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena*) const {
    count_.Store(row, count_.Load<int64_t>(row) + other.count);
    Int128 sum;
    if (!sum_.IsNull(row) && other.has_sum &&
        PlusDecimal(sum_.Load<Int128>(row), other.sum, &sum)) {
      sum_.Store(row, sum);
    } else {
      sum_.Store<Int128>(row, 0);
      sum_.SetNull(row);
    }
  }

 private:
  int scale_;
  LogicalType result_;
  FieldSlot sum_;
  FieldSlot count_;
};

template <typename T>
std::unique_ptr<AggregateFunction> MakeNumberSum(const AggregateCall& call) {
  if (call.kind == AggregateKind::kSum0) return MakeFunction(Sum0<T>(call.type));
  if (call.retracts) return MakeFunction(Sum<T, true>(call.type));
  return MakeFunction(Sum<T, false>(call.type));
}

template <typename T>
std::unique_ptr<AggregateFunction> MakeDecimalSum(const AggregateCall& call) {
  if (call.kind == AggregateKind::kSum0) return MakeFunction(DecimalSum<T, false, true>(call.type));
  if (call.retracts) return MakeFunction(DecimalSum<T, true, false>(call.type));
  return MakeFunction(DecimalSum<T, false, false>(call.type));
}

template <typename T>
std::unique_ptr<AggregateFunction> MakeDecimalAvg(const AggregateCall& call,
                                                  const LogicalType& argument) {
  if (call.type.physical() == PhysicalType::kInt128) {
    return MakeFunction(DecimalAvg<T, Int128>(argument.scale(), call.type));
  }
  return MakeFunction(DecimalAvg<T, int64_t>(argument.scale(), call.type));
}

}  // namespace

std::unique_ptr<AggregateFunction> MakeCount() { return MakeFunction(Count()); }

std::unique_ptr<AggregateFunction> MakeSum(const AggregateCall& call, const LogicalType& argument) {
  const bool decimal = argument.kind() == TypeKind::kDecimal;
  if (decimal) {
    if (call.type.kind() != TypeKind::kDecimal || call.type.scale() != argument.scale() ||
        call.type.physical() != PhysicalType::kInt128) {
      return nullptr;
    }
    return argument.physical() == PhysicalType::kInt64 ? MakeDecimalSum<int64_t>(call)
                                                       : MakeDecimalSum<Int128>(call);
  }
  if (call.type.kind() != argument.kind()) return nullptr;
  switch (argument.kind()) {
    case TypeKind::kTinyInt:
      return MakeNumberSum<int8_t>(call);
    case TypeKind::kSmallInt:
      return MakeNumberSum<int16_t>(call);
    case TypeKind::kInt:
      return MakeNumberSum<int32_t>(call);
    case TypeKind::kBigInt:
      return MakeNumberSum<int64_t>(call);
    case TypeKind::kFloat:
      return MakeNumberSum<float>(call);
    case TypeKind::kDouble:
      return MakeNumberSum<double>(call);
    default:
      return nullptr;
  }
}

std::unique_ptr<AggregateFunction> MakeAvg(const AggregateCall& call, const LogicalType& argument) {
  if (call.type.kind() != argument.kind()) return nullptr;
  switch (argument.kind()) {
    case TypeKind::kTinyInt:
      return MakeFunction(Avg<int8_t>());
    case TypeKind::kSmallInt:
      return MakeFunction(Avg<int16_t>());
    case TypeKind::kInt:
      return MakeFunction(Avg<int32_t>());
    case TypeKind::kBigInt:
      return MakeFunction(Avg<int64_t>());
    case TypeKind::kFloat:
      return MakeFunction(Avg<float>());
    case TypeKind::kDouble:
      return MakeFunction(Avg<double>());
    case TypeKind::kDecimal:
      return argument.physical() == PhysicalType::kInt64 ? MakeDecimalAvg<int64_t>(call, argument)
                                                         : MakeDecimalAvg<Int128>(call, argument);
    default:
      return nullptr;
  }
}

}  // namespace millrace::operators
