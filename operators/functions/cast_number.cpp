#pragma GCC optimize("O3")

#include <cmath>
#include <limits>

#include "operators/functions/cast.h"
#include "operators/functions/dense.h"
#include "operators/functions/number_types.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/decimal.h"

// CAST among numbers and BOOLEAN, with Java's rules: integers wrap when narrowed, floating numbers
// saturate at INT and BIGINT (narrower integers wrap from INT), NaN is 0; DECIMAL rounds half up
// and is NULL where it does not fit.

namespace millrace::operators {
namespace {

using runtime::Int128;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::TypeKind;

template <typename To, typename From>
To Convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Wide = std::conditional_t<sizeof(To) == 8, int64_t, int32_t>;
    constexpr auto kLow = static_cast<From>(std::numeric_limits<Wide>::min());
    constexpr auto kHigh = static_cast<From>(std::numeric_limits<Wide>::max());
    // Limits first: converting what does not fit is undefined in C++.
    const bool low = !(value > kLow);
    const bool high = value >= kHigh;
    const Wide inside = static_cast<Wide>(low || high ? From{0} : value);
    const Wide result = high  ? std::numeric_limits<Wide>::max()
                        : low ? (value != value ? Wide{0} : std::numeric_limits<Wide>::min())
                              : inside;
    return static_cast<To>(result);
  } else {
    return static_cast<To>(value);
  }
}

template <typename To>
struct NumberTo {
  template <typename From>
  static To Apply(From value) {
    return Convert<To, From>(value);
  }
};
struct NotZero {
  template <typename From>
  static uint8_t Apply(From value) {
    return value != 0;
  }
};

template <typename From>
std::unique_ptr<Kernel> MakeFrom(PhysicalType to) {
  switch (to) {
    case PhysicalType::kBool:
      return std::make_unique<DenseUnary<NotZero, From, uint8_t>>(to);
    case PhysicalType::kInt8:
      return std::make_unique<DenseUnary<NumberTo<int8_t>, From, int8_t>>(to);
    case PhysicalType::kInt16:
      return std::make_unique<DenseUnary<NumberTo<int16_t>, From, int16_t>>(to);
    case PhysicalType::kInt32:
      return std::make_unique<DenseUnary<NumberTo<int32_t>, From, int32_t>>(to);
    case PhysicalType::kInt64:
      return std::make_unique<DenseUnary<NumberTo<int64_t>, From, int64_t>>(to);
    case PhysicalType::kFloat:
      return std::make_unique<DenseUnary<NumberTo<float>, From, float>>(to);
    case PhysicalType::kDouble:
      return std::make_unique<DenseUnary<NumberTo<double>, From, double>>(to);
    default:
      return nullptr;
  }
}

std::unique_ptr<Kernel> MakePrimitive(PhysicalType from, PhysicalType to) {
  switch (from) {
    case PhysicalType::kBool:
      return MakeFrom<uint8_t>(to);
    case PhysicalType::kInt8:
      return MakeFrom<int8_t>(to);
    case PhysicalType::kInt16:
      return MakeFrom<int16_t>(to);
    case PhysicalType::kInt32:
      return MakeFrom<int32_t>(to);
    case PhysicalType::kInt64:
      return MakeFrom<int64_t>(to);
    case PhysicalType::kFloat:
      return MakeFrom<float>(to);
    case PhysicalType::kDouble:
      return MakeFrom<double>(to);
    default:
      return nullptr;
  }
}

struct IntegerToDecimal {
  int precision = 0;
  int scale = 0;
  runtime::Status prepare(const CallShape& call) {
    precision = call.type.precision();
    scale = call.type.scale();
    return runtime::Status::Ok();
  }
  bool call(Decimal& result, int64_t value) {
    return runtime::Rescale(value, 0, precision, scale, &result.unscaled);
  }
};

struct BooleanToDecimal : IntegerToDecimal {
  bool call(Decimal& result, bool value) {
    return runtime::Rescale(value ? 1 : 0, 0, precision, scale, &result.unscaled);
  }
};

struct DoubleToDecimal : IntegerToDecimal {
  bool call(Decimal& result, double value) {
    return runtime::DecimalFromDouble(value, precision, scale, &result.unscaled);
  }
};

struct DecimalToDecimal : IntegerToDecimal {
  int from_scale = 0;
  runtime::Status prepare(const CallShape& call) {
    from_scale = call.operands[0].type.scale();
    return IntegerToDecimal::prepare(call);
  }
  bool call(Decimal& result, Decimal value) {
    return runtime::Rescale(value.unscaled, from_scale, precision, scale, &result.unscaled);
  }
};

struct FromDecimal {
  int scale = 0;
  runtime::Status prepare(const CallShape& call) {
    scale = call.operands[0].type.scale();
    return runtime::Status::Ok();
  }
};

struct DecimalToInteger : FromDecimal {
  // BigDecimal.longValue: the fraction is cut off, what does not fit wraps.
  void call(int64_t& result, Decimal value) {
    result = static_cast<int64_t>(runtime::TruncateScale(value.unscaled, scale, 0));
  }
};

struct DecimalToFloating : FromDecimal {
  void call(double& result, Decimal value) {
    result = runtime::DecimalToDouble(value.unscaled, scale);
  }
};

struct DecimalToBoolean {
  void call(bool& result, Decimal value) { result = value.unscaled != 0; }
};

}  // namespace

Result<BoundCall> BindNumberCast(const CallShape& call, bool try_cast) {
  const LogicalType& from = call.operands[0].type;
  const LogicalType& to = call.type;
  const auto primitive = [](const LogicalType& type) {
    return IsPrimitiveNumber(type.kind()) || type.kind() == TypeKind::kBoolean;
  };
  BoundCall bound;
  if (primitive(from) && primitive(to)) {
    bound.kernel = MakePrimitive(from.physical(), to.physical());
    return bound;
  }
  if (to.kind() == TypeKind::kDecimal) {
    if (from.is_integer()) return BindScalar<IntegerToDecimal>(call);
    if (from.kind() == TypeKind::kBoolean) return BindScalar<BooleanToDecimal>(call);
    if (from.kind() == TypeKind::kDecimal) return BindScalar<DecimalToDecimal>(call);
    if (IsPrimitiveNumber(from.kind())) return BindScalar<DoubleToDecimal>(call);
  }
  if (from.kind() == TypeKind::kDecimal) {
    if (to.kind() == TypeKind::kBoolean) return BindScalar<DecimalToBoolean>(call);
    if (to.is_integer()) return BindScalar<DecimalToInteger>(call);
    if (IsPrimitiveNumber(to.kind())) return BindScalar<DecimalToFloating>(call);
  }
  return bound;
}

}  // namespace millrace::operators
