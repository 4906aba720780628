#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/types/value_types.h"

namespace millrace::runtime {

// Arithmetic on DECIMAL: unscaled values of up to 38 digits, as Flink's DecimalDataUtils. Functions
// that return bool give false where Flink gives NULL: the result has more digits than `precision`.

inline constexpr int kMaxDecimalPrecision = 38;

// 10^n. REQUIRES: 0 <= n <= 38.
Int128 PowerOfTen(int n);
inline bool FitsPrecision(Int128 unscaled, int precision) {
  const Int128 limit = PowerOfTen(precision);
  return unscaled < limit && unscaled > -limit;
}

// Changes the scale, rounding half away from zero (HALF_UP).
bool Rescale(Int128 unscaled, int from_scale, int precision, int scale, Int128* out);
// As Rescale, but cuts digits off (BigDecimal's RoundingMode.DOWN). The result may be any size.
Int128 TruncateScale(Int128 unscaled, int from_scale, int scale);

bool AddDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                Int128* out);
bool MultiplyDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                     Int128* out);
// REQUIRES: b != 0. Rounds half up at the result's scale. (Flink rounds to 38 digits first: a
// quotient within 10^-38 of a tie may differ in the last digit.)
bool DivideDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                   Int128* out);
// Remainder with the sign of `a`. REQUIRES: b != 0.
bool ModDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                Int128* out);
// Compares values of different scales exactly: -1, 0 or 1.
int CompareDecimal(Int128 a, int scale_a, Int128 b, int scale_b);

// Nearest value with `scale` digits, by the decimal form of the double that Java writes, as its
// BigDecimal.valueOf / new BigDecimal(Double.toString(d)) does. False also for NaN and infinities.
bool DecimalFromDouble(double value, int precision, int scale, Int128* out);
double DecimalToDouble(Int128 unscaled, int scale);

// Reads digits with optional sign, point and exponent ("-1.50", "1e3"), rounding half up.
enum class DecimalParse : uint8_t { kOk, kMalformed, kOverflow };
DecimalParse ParseDecimal(std::string_view text, int precision, int scale, Int128* out);

// Appends all `scale` fractional digits: "-0.050" (BigDecimal.toPlainString).
void AppendDecimal(Int128 unscaled, int scale, std::string* to);
// Appends BigDecimal.toString: an exponent if the value is below 10^-6, "0E-18".
void AppendJavaBigDecimal(Int128 unscaled, int scale, std::string* to);
void AppendInt128(Int128 value, std::string* to);

}  // namespace millrace::runtime
