#include "operators/aggregate/function_families.h"
#include "operators/aggregate/function_kernels.h"

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::RowLayout;
using runtime::RowType;
using runtime::TimestampNanos;

template <typename T>
bool Less(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, StringRef>) {
    return a.Compare(b) < 0;
  } else {
    return a < b;  // NaN is neither, as in Java's comparison of primitives
  }
}

// MIN or MAX of values that are only added. A retraction that reaches it all the same is ignored:
// the planner knows then that the extreme only moves one way.
template <typename T, bool kMax>
class Extreme {
 public:
  using Input = T;
  using Output = T;
  struct Partial {
    T value = T();
    bool has_value = false;
  };
  static constexpr bool kNullable = true;

  explicit Extreme(LogicalType type) : type_(type.AsNullable()) {}
  RowType fields() const { return {{kMax ? "max" : "min", type_}}; }
  void Bind(const RowLayout& layout, int first) { value_ = FieldSlot(layout, first); }
  void Start(uint8_t* row, StateArena* arena) const {
    if constexpr (std::is_same_v<T, StringRef>) {
      if (arena != nullptr) arena->Free(value_.Load<T>(row));
    }
    value_.Store(row, T());
    value_.SetNull(row);
  }
  void Add(uint8_t* row, const T& value, StateArena* arena) const {
    const T current = value_.Load<T>(row);
    if (!value_.IsNull(row) && !(kMax ? Less(current, value) : Less(value, current))) return;
    if constexpr (std::is_same_v<T, StringRef>) {
      StringRef slot = current;
      arena->Set(&slot, value);
      value_.Store(row, slot);
    } else {
      value_.Store(row, value);
    }
    value_.SetValid(row);
  }
  void Subtract(uint8_t*, const T&, StateArena*) const {}
  bool Result(const uint8_t* row, T* result) const {
    *result = value_.Load<T>(row);
    return !value_.IsNull(row);
  }
  Partial FromRow(const uint8_t* row) const { return {value_.Load<T>(row), !value_.IsNull(row)}; }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    Partial partial;
    partial.has_value = PartialAt(partials, 0, i, &partial.value);
    return partial;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena* arena) const {
    if (other.has_value) Add(row, other.value, arena);
  }

 private:
  LogicalType type_;
  FieldSlot value_;
};

template <typename T>
std::unique_ptr<AggregateFunction> MakeOf(const AggregateCall& call) {
  if (call.kind == AggregateKind::kMax) return MakeFunction(Extreme<T, true>(call.type));
  return MakeFunction(Extreme<T, false>(call.type));
}

}  // namespace

std::unique_ptr<AggregateFunction> MakeExtreme(const AggregateCall& call,
                                               const LogicalType& argument) {
  if (!call.type.AsNullable().SameExceptNull(argument.AsNullable()) &&
      call.type.physical() != argument.physical()) {
    return nullptr;
  }
  switch (argument.physical()) {
    case PhysicalType::kBool:
      return MakeOf<uint8_t>(call);
    case PhysicalType::kInt8:
      return MakeOf<int8_t>(call);
    case PhysicalType::kInt16:
      return MakeOf<int16_t>(call);
    case PhysicalType::kInt32:
      return MakeOf<int32_t>(call);
    case PhysicalType::kInt64:
      return MakeOf<int64_t>(call);
    case PhysicalType::kInt128:
      return MakeOf<Int128>(call);
    case PhysicalType::kFloat:
      return MakeOf<float>(call);
    case PhysicalType::kDouble:
      return MakeOf<double>(call);
    case PhysicalType::kTimestamp:
      return MakeOf<TimestampNanos>(call);
    case PhysicalType::kString:
      return argument.is_string() ? MakeOf<StringRef>(call) : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace millrace::operators
