#pragma GCC optimize("O3")

#include <cmath>
#include <limits>

#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"
#include "operators/functions/java_math.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/decimal.h"

// ABS, ROUND, CEIL, FLOOR, SIGN, powers, logarithms, trigonometry.

namespace millrace::operators {
namespace {

using runtime::Int128;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;

template <typename T>
struct Absolute {
  static constexpr bool kCostly = false;
  void call(T& result, T value) {
    if constexpr (std::is_floating_point_v<T>) result = std::fabs(value);
    // Unsigned, so that the least value stays itself as in Java.
    else
      result = value < 0 ? static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(value)) : value;
  }
};
struct AbsoluteDecimal {
  void call(Decimal& result, Decimal value) {
    result.unscaled = value.unscaled < 0 ? -value.unscaled : value.unscaled;
  }
};

template <typename T>
struct Sign {
  static constexpr bool kCostly = false;
  void call(T& result, T value) {
    if constexpr (std::is_floating_point_v<T>)
      result = value > 0 ? 1 : value < 0 ? -1 : value;
    else
      result = static_cast<T>(value > 0 ? 1 : value < 0 ? -1 : 0);
  }
};
struct SignDecimal {
  int scale = 0;
  Status prepare(const CallShape& call) {
    scale = call.type.scale();
    return Status::Ok();
  }
  void call(Decimal& result, Decimal value) {
    const Int128 one = runtime::PowerOfTen(scale);
    result.unscaled = value.unscaled > 0 ? one : value.unscaled < 0 ? -one : 0;
  }
};

struct Ceil {
  template <typename T>
  static T Apply(T value) {
    return std::ceil(value);
  }
};
struct Floor {
  template <typename T>
  static T Apply(T value) {
    return std::floor(value);
  }
};
template <typename Operation>
Result<BoundCall> BindRounding(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 1) return bound;
  const TypeKind kind = call.operands[0].type.kind();
  if (call.operands[0].type.is_integer()) {
    bound.kernel = std::make_unique<SameValues>();
  } else if (kind == TypeKind::kFloat) {
    bound.kernel =
        std::make_unique<DenseUnary<Operation, float, float>>(runtime::PhysicalType::kFloat);
  } else if (kind == TypeKind::kDouble) {
    bound.kernel =
        std::make_unique<DenseUnary<Operation, double, double>>(runtime::PhysicalType::kDouble);
  }
  return bound;
}

template <bool kCeil>
struct RoundDecimalToWhole {
  int scale = 0;
  Status prepare(const CallShape& call) {
    scale = call.operands[0].type.scale();
    return Status::Ok();
  }
  void call(Decimal& result, Decimal value) {
    const Int128 unit = runtime::PowerOfTen(scale);
    Int128 whole = value.unscaled / unit;
    const Int128 rest = value.unscaled % unit;
    if (kCeil && rest > 0) ++whole;
    if (!kCeil && rest < 0) --whole;
    result.unscaled = whole;
  }
};

// ROUND and TRUNCATE of DECIMAL to `digits`, which may be negative; the result's scale is the
// plan's.
template <bool kTruncate>
struct RoundDecimal {
  int from_scale = 0;
  int precision = 38;
  int scale = 0;
  Status prepare(const CallShape& call) {
    from_scale = call.operands[0].type.scale();
    precision = call.type.precision();
    scale = call.type.scale();
    return Status::Ok();
  }
  bool call(Decimal& result, Decimal value, int32_t digits) {
    if (digits >= from_scale) {
      return runtime::Rescale(value.unscaled, from_scale, precision, scale, &result.unscaled);
    }
    const int drop = from_scale - digits;
    if (drop > 38) {
      result.unscaled = 0;
      return true;
    }
    const Int128 unit = runtime::PowerOfTen(drop);
    Int128 whole = value.unscaled / unit;
    if (!kTruncate) {
      const Int128 rest = value.unscaled % unit;
      const Int128 magnitude = rest < 0 ? -rest : rest;
      if (magnitude >= unit - magnitude) whole += value.unscaled < 0 ? -1 : 1;
    }
    return runtime::Rescale(whole * unit, from_scale, precision, scale, &result.unscaled);
  }
};
template <bool kTruncate>
struct RoundDecimalToUnit : RoundDecimal<kTruncate> {
  bool call(Decimal& result, Decimal value) {
    return RoundDecimal<kTruncate>::call(result, value, 0);
  }
};

// ROUND of a DOUBLE goes by its decimal digits (BigDecimal.valueOf), half up.
template <bool kTruncate>
struct RoundDouble {
  void call(double& result, double value, int32_t digits) {
    result = value;
    if (!std::isfinite(value) || digits > 30 || std::fabs(value) >= 1e17) return;
    if (digits < -18) {
      result = 0;
      return;
    }
    // Enough scale for the digits that matter; larger ones leave the value as it is.
    const int scale = std::max(digits, 0) + 1;
    Int128 unscaled = 0;
    if (!runtime::DecimalFromDouble(value, 38, std::min(scale + 18, 20), &unscaled)) return;
    const int kept_scale = std::min(scale + 18, 20);
    if (digits >= kept_scale) return;
    const Int128 unit = runtime::PowerOfTen(kept_scale - digits);
    Int128 whole = unscaled / unit;
    if (!kTruncate) {
      const Int128 rest = unscaled % unit;
      const Int128 magnitude = rest < 0 ? -rest : rest;
      if (magnitude >= unit - magnitude) whole += value < 0 ? -1 : 1;
    }
    result = runtime::DecimalToDouble(whole * unit, kept_scale);
  }
};
template <bool kTruncate>
struct RoundDoubleToWhole {
  void call(double& result, double value) { RoundDouble<kTruncate>().call(result, value, 0); }
};
template <bool kTruncate>
struct RoundFloat {
  void call(float& result, float value, int32_t digits) {
    double rounded = 0;
    // By the float's own shortest digits.
    RoundDouble<kTruncate>().call(rounded, static_cast<double>(value), digits);
    result = static_cast<float>(rounded);
  }
};
template <bool kTruncate>
struct RoundInteger {
  void call(int64_t& result, int64_t value, int32_t digits) {
    result = value;
    if (digits >= 0) return;
    if (digits < -18) {
      result = 0;
      return;
    }
    const auto unit = static_cast<int64_t>(runtime::PowerOfTen(-digits));
    int64_t whole = value / unit;
    if (!kTruncate) {
      const int64_t rest = value % unit;
      const int64_t magnitude = rest < 0 ? -rest : rest;
      if (magnitude >= unit - magnitude) whole += value < 0 ? -1 : 1;
    }
    result = static_cast<int64_t>(static_cast<uint64_t>(whole) * static_cast<uint64_t>(unit));
  }
};
template <bool kTruncate>
Result<BoundCall> BindRoundInteger(const CallShape& call) {
  if (call.operands.empty() || !call.operands[0].type.is_integer()) return BoundCall();
  if (call.operands.size() == 1) {
    BoundCall bound;
    bound.kernel = std::make_unique<SameValues>();
    return bound;
  }
  return BindScalar<RoundInteger<kTruncate>>(call);
}

// One function of a double.
template <double (*kFunction)(double)>
struct OfDouble {
  void call(double& result, double value) { result = kFunction(value); }
};
double Cotangent(double value) { return 1.0 / std::tan(value); }
double ToDegrees(double value) { return value * (180.0 / 3.14159265358979323846); }
double ToRadians(double value) { return value * (3.14159265358979323846 / 180.0); }

struct Power {
  void call(double& result, double base, double exponent) { result = std::pow(base, exponent); }
};
struct Atan2 {
  void call(double& result, double y, double x) { result = std::atan2(y, x); }
};
struct LogBase {
  void call(double& result, double base, double value) {
    result = std::log(value) / std::log(base);
  }
};
double Log2(double value) { return std::log(value) / std::log(2.0); }

struct Pi {
  void call(double& result) { result = 3.141592653589793; }
};
struct Euler {
  void call(double& result) { result = 2.718281828459045; }
};

constexpr FunctionEntry kEntries[] = {
    {"ABS", "(TINYINT) -> TINYINT", BindScalar<Absolute<int8_t>>},
    {"ABS", "(SMALLINT) -> SMALLINT", BindScalar<Absolute<int16_t>>},
    {"ABS", "(INT) -> INT", BindScalar<Absolute<int32_t>>},
    {"ABS", "(BIGINT) -> BIGINT", BindScalar<Absolute<int64_t>>},
    {"ABS", "(DECIMAL) -> DECIMAL", BindScalar<AbsoluteDecimal>},
    {"ABS", "(FLOAT) -> FLOAT", BindScalar<Absolute<float>>},
    {"ABS", "(DOUBLE) -> DOUBLE", BindScalar<Absolute<double>>},
    {"SIGN", "(INT) -> INT", BindScalar<Sign<int32_t>>},
    {"SIGN", "(BIGINT) -> BIGINT", BindScalar<Sign<int64_t>>},
    {"SIGN", "(DECIMAL) -> DECIMAL", BindScalar<SignDecimal>},
    {"SIGN", "(FLOAT) -> FLOAT", BindScalar<Sign<float>>},
    {"SIGN", "(DOUBLE) -> DOUBLE", BindScalar<Sign<double>>},
    {"CEIL", "(NUMBER) -> NUMBER", BindRounding<Ceil>},
    {"CEIL", "(DECIMAL) -> DECIMAL", BindScalar<RoundDecimalToWhole<true>>},
    {"FLOOR", "(NUMBER) -> NUMBER", BindRounding<Floor>},
    {"FLOOR", "(DECIMAL) -> DECIMAL", BindScalar<RoundDecimalToWhole<false>>},
    {"ROUND", "(INTEGER [, INT]) -> INTEGER", BindRoundInteger<false>},
    {"ROUND", "(DECIMAL) -> DECIMAL", BindScalar<RoundDecimalToUnit<false>>},
    {"ROUND", "(DECIMAL, INT) -> DECIMAL", BindScalar<RoundDecimal<false>>},
    {"ROUND", "(FLOAT, INT) -> FLOAT", BindScalar<RoundFloat<false>>},
    {"ROUND", "(DOUBLE) -> DOUBLE", BindScalar<RoundDoubleToWhole<false>>},
    {"ROUND", "(DOUBLE, INT) -> DOUBLE", BindScalar<RoundDouble<false>>},
    {"TRUNCATE", "(INTEGER [, INT]) -> INTEGER", BindRoundInteger<true>},
    {"TRUNCATE", "(DECIMAL) -> DECIMAL", BindScalar<RoundDecimalToUnit<true>>},
    {"TRUNCATE", "(DECIMAL, INT) -> DECIMAL", BindScalar<RoundDecimal<true>>},
    {"TRUNCATE", "(FLOAT, INT) -> FLOAT", BindScalar<RoundFloat<true>>},
    {"TRUNCATE", "(DOUBLE) -> DOUBLE", BindScalar<RoundDoubleToWhole<true>>},
    {"TRUNCATE", "(DOUBLE, INT) -> DOUBLE", BindScalar<RoundDouble<true>>},
    {"POWER", "(DOUBLE, DOUBLE) -> DOUBLE", BindScalar<Power>},
    {"SQRT", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::sqrt>>},
    {"EXP", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::exp>>},
    {"LN", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::log>>},
    {"LOG10", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::log10>>},
    {"LOG2", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<Log2>>},
    {"LOG", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::log>>},
    {"LOG", "(DOUBLE, DOUBLE) -> DOUBLE", BindScalar<LogBase>},
    {"SIN", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::sin>>},
    {"COS", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::cos>>},
    {"TAN", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::tan>>},
    {"COT", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<Cotangent>>},
    {"ASIN", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::asin>>},
    {"ACOS", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::acos>>},
    {"ATAN", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<std::atan>>},
    {"ATAN2", "(DOUBLE, DOUBLE) -> DOUBLE", BindScalar<Atan2>},
    {"SINH", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<JavaSinh>>},
    {"COSH", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<JavaCosh>>},
    {"TANH", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<JavaTanh>>},
    {"DEGREES", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<ToDegrees>>},
    {"RADIANS", "(DOUBLE) -> DOUBLE", BindScalar<OfDouble<ToRadians>>},
    {"PI", "() -> DOUBLE", BindScalar<Pi>},
    {"E", "() -> DOUBLE", BindScalar<Euler>},
};

}  // namespace

std::span<const FunctionEntry> NumericFunctions() { return kEntries; }

}  // namespace millrace::operators
