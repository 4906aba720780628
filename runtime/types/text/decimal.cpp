#include "runtime/types/text/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "runtime/types/check.h"

#include "runtime/types/text/number_text.h"

namespace millrace::runtime {
namespace {

using Uint128 = unsigned __int128;

constexpr std::array<Int128, 39> MakePowers() {
  std::array<Int128, 39> powers{};
  Int128 power = 1;
  for (int i = 0; i < 39; ++i) {
    powers[i] = power;
    if (i < 38) power *= 10;
  }
  return powers;
}
constexpr std::array<Int128, 39> kPowers = MakePowers();

Uint128 Magnitude(Int128 value) {
  return value < 0 ? Uint128{0} - static_cast<Uint128>(value) : static_cast<Uint128>(value);
}

// Unsigned 256 bits, for products of two 128-bit values.
struct Uint256 {
  Uint128 high = 0;
  Uint128 low = 0;
};

Uint256 Multiply(Uint128 a, Uint128 b) {
  const auto a0 = static_cast<uint64_t>(a), a1 = static_cast<uint64_t>(a >> 64);
  const auto b0 = static_cast<uint64_t>(b), b1 = static_cast<uint64_t>(b >> 64);
  const Uint128 low = static_cast<Uint128>(a0) * b0;
  const Uint128 middle_a = static_cast<Uint128>(a1) * b0;
  const Uint128 middle_b = static_cast<Uint128>(a0) * b1;
  const Uint128 high = static_cast<Uint128>(a1) * b1;
  const Uint128 carry =
      (low >> 64) + static_cast<uint64_t>(middle_a) + static_cast<uint64_t>(middle_b);
  return {high + (middle_a >> 64) + (middle_b >> 64) + (carry >> 64),
          (carry << 64) | static_cast<uint64_t>(low)};
}

// Divides; the quotient must fit 128 bits, else false. One bit a step: only values that do not fit
// 128 bits come here.
bool Divide(Uint256 value, Uint128 divisor, Uint128* quotient, Uint128* remainder) {
  if (value.high == 0) {
    *quotient = value.low / divisor;
    *remainder = value.low % divisor;
    return true;
  }
  if (value.high >= divisor) return false;
  Uint128 rest = value.high;
  Uint128 result = 0;
  for (int bit = 127; bit >= 0; --bit) {
    const bool carry = (rest >> 127) != 0;
    rest = (rest << 1) | ((value.low >> bit) & 1);
    result <<= 1;
    if (carry || rest >= divisor) {
      rest -= divisor;
      result |= 1;
    }
  }
  *quotient = result;
  *remainder = rest;
  return true;
}

bool WithSign(Uint128 magnitude, bool negative, int precision, Int128* out) {
  if (magnitude >= static_cast<Uint128>(kPowers[precision])) return false;
  const auto value = static_cast<Int128>(magnitude);
  *out = negative ? -value : value;
  return true;
}

// round(value / divisor), half away from zero.
bool DivideRounded(Uint256 value, Uint128 divisor, bool negative, int precision, Int128* out) {
  Uint128 quotient = 0;
  Uint128 remainder = 0;
  if (!Divide(value, divisor, &quotient, &remainder)) return false;
  if (remainder >= divisor - remainder) ++quotient;
  return WithSign(quotient, negative, precision, out);
}

}  // namespace

Int128 PowerOfTen(int n) { return kPowers[n]; }

bool Rescale(Int128 unscaled, int from_scale, int precision, int scale, Int128* out) {
  if (from_scale == scale) {
    *out = unscaled;
    return FitsPrecision(unscaled, precision);
  }
  const Uint128 magnitude = Magnitude(unscaled);
  const bool negative = unscaled < 0;
  if (scale > from_scale) {
    const Uint256 product =
        Multiply(magnitude, static_cast<Uint128>(kPowers[std::min(scale - from_scale, 38)]));
    if (product.high != 0) return false;
    return WithSign(product.low, negative, precision, out);
  }
  if (from_scale - scale > 38) {
    *out = 0;
    return true;
  }
  return DivideRounded({0, magnitude}, static_cast<Uint128>(kPowers[from_scale - scale]), negative,
                       precision, out);
}

Int128 TruncateScale(Int128 unscaled, int from_scale, int scale) {
  if (scale >= from_scale) return unscaled * kPowers[scale - from_scale];
  return from_scale - scale > 38 ? 0 : unscaled / kPowers[from_scale - scale];
}

bool AddDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                Int128* out) {
  const int common = std::max(scale_a, scale_b);
  Int128 wide_a = 0;
  Int128 wide_b = 0;
  Int128 sum = 0;
  if (__builtin_mul_overflow(a, kPowers[common - scale_a], &wide_a) ||
      __builtin_mul_overflow(b, kPowers[common - scale_b], &wide_b) ||
      __builtin_add_overflow(wide_a, wide_b, &sum)) {
    // Only when digits above 38 cancel or are rounded away could the result still fit: bring both
    // to the result's scale first.
    if (!Rescale(a, scale_a, 38, scale, &wide_a) || !Rescale(b, scale_b, 38, scale, &wide_b)) {
      return false;
    }
    *out = wide_a + wide_b;
    return FitsPrecision(*out, precision);
  }
  return Rescale(sum, common, precision, scale, out);
}

bool MultiplyDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                     Int128* out) {
  const bool negative = (a < 0) != (b < 0);
  const Uint256 product = Multiply(Magnitude(a), Magnitude(b));
  const int drop = scale_a + scale_b - scale;
  if (drop <= 0) {
    if (product.high != 0) return false;
    const Uint256 widened = Multiply(product.low, static_cast<Uint128>(kPowers[-drop]));
    return widened.high == 0 && WithSign(widened.low, negative, precision, out);
  }
  if (drop > 38) {
    // 10^drop does not fit: cut in two steps. The first only drops digits that can't reach a tie.
    Uint128 quotient = 0;
    Uint128 remainder = 0;
    if (!Divide(product, static_cast<Uint128>(kPowers[drop - 38]), &quotient, &remainder)) {
      return false;
    }
    return DivideRounded({0, quotient}, static_cast<Uint128>(kPowers[38]), negative, precision,
                         out);
  }
  return DivideRounded(product, static_cast<Uint128>(kPowers[drop]), negative, precision, out);
}

bool DivideDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                   Int128* out) {
  const bool negative = (a < 0) != (b < 0);
  // a / 10^sa / (b / 10^sb) = q / 10^s, so q = a * 10^(s + sb - sa) / b.
  const int shift = scale + scale_b - scale_a;
  const Uint128 dividend = Magnitude(a);
  const Uint128 divisor = Magnitude(b);
  if (shift < 0) {
    const Uint256 wide = Multiply(divisor, static_cast<Uint128>(kPowers[std::min(-shift, 38)]));
    if (wide.high != 0 || -shift > 38) {
      *out = 0;
      return true;
    }
    return DivideRounded({0, dividend}, wide.low, negative, precision, out);
  }
  if (shift <= 38) {
    return DivideRounded(Multiply(dividend, static_cast<Uint128>(kPowers[shift])), divisor,
                         negative, precision, out);
  }
  // Two steps keep every digit: quotient and remainder of the first are both scaled up.
  Uint128 quotient = 0;
  Uint128 remainder = 0;
  if (!Divide(Multiply(dividend, static_cast<Uint128>(kPowers[38])), divisor, &quotient,
              &remainder)) {
    return false;
  }
  const auto rest = static_cast<Uint128>(kPowers[std::min(shift - 38, 38)]);
  const Uint256 upper = Multiply(quotient, rest);
  if (upper.high != 0) return false;
  Int128 lower = 0;
  if (!DivideRounded(Multiply(remainder, rest), divisor, false, 38, &lower)) return false;
  return WithSign(upper.low + static_cast<Uint128>(lower), negative, precision, out);
}

bool ModDecimal(Int128 a, int scale_a, Int128 b, int scale_b, int precision, int scale,
                Int128* out) {
  const int common = std::max(scale_a, scale_b);
  Int128 wide_a = 0;
  Int128 wide_b = 0;
  if (__builtin_mul_overflow(b, kPowers[common - scale_b], &wide_b)) {
    // |b| is above any value of a at this scale.
    return Rescale(a, scale_a, precision, scale, out);
  }
  if (!__builtin_mul_overflow(a, kPowers[common - scale_a], &wide_a)) {
    return Rescale(wide_a % wide_b, common, precision, scale, out);
  }
  Uint128 quotient = 0;
  Uint128 remainder = 0;
  const Uint128 divisor = Magnitude(wide_b);
  const Uint256 product = Multiply(Magnitude(a), static_cast<Uint128>(kPowers[common - scale_a]));
  // (high * 2^128 + low) mod d, with high < d after its own reduction.
  if (!Divide({product.high % divisor, product.low}, divisor, &quotient, &remainder)) return false;
  const auto rest = static_cast<Int128>(remainder);
  return Rescale(a < 0 ? -rest : rest, common, precision, scale, out);
}

int CompareDecimal(Int128 a, int scale_a, Int128 b, int scale_b) {
  if (scale_a == scale_b) return a < b ? -1 : a > b;
  if ((a < 0) != (b < 0)) return a < 0 ? -1 : 1;
  const bool negative = a < 0;
  const Uint256 x = Multiply(
      Magnitude(a), static_cast<Uint128>(kPowers[scale_b > scale_a ? scale_b - scale_a : 0]));
  const Uint256 y = Multiply(
      Magnitude(b), static_cast<Uint128>(kPowers[scale_a > scale_b ? scale_a - scale_b : 0]));
  const int compared = x.high != y.high ? (x.high < y.high ? -1 : 1)
                       : x.low != y.low ? (x.low < y.low ? -1 : 1)
                                        : 0;
  return negative ? -compared : compared;
}

bool DecimalFromDouble(double value, int precision, int scale, Int128* out) {
  if (!std::isfinite(value)) return false;
  std::string digits;  // short: no allocation but for the longest
  AppendJavaDouble(value, &digits);
  return ParseDecimal(digits, precision, scale, out) == DecimalParse::kOk;
}

double DecimalToDouble(Int128 unscaled, int scale) {
  constexpr Int128 kExact = Int128{1} << 53;
  if (unscaled <= kExact && unscaled >= -kExact && scale <= 22) {
    // Both are exact doubles, so the division rounds once.
    return static_cast<double>(static_cast<int64_t>(unscaled)) /
           static_cast<double>(static_cast<int64_t>(kPowers[std::min(scale, 18)])) /
           static_cast<double>(static_cast<int64_t>(kPowers[scale > 18 ? scale - 18 : 0]));
  }
  std::string text;
  AppendInt128(unscaled, &text);
  text += "e-" + std::to_string(scale);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

DecimalParse ParseDecimal(std::string_view text, int precision, int scale, Int128* out) {
  size_t i = 0;
  bool negative = false;
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) negative = text[i++] == '-';
  // Collects up to 39 significant digits and remembers where the point stands; what follows matters
  // only for rounding by its first digit, since HALF_UP looks no further.
  Uint128 digits = 0;
  int kept = 0;
  int64_t exponent = 0;
  bool any = false;
  bool point = false;
  int next_digit = -1;  // the first digit that was not kept
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (point) return DecimalParse::kMalformed;
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    any = true;
    if (kept < 38) {
      digits = digits * 10 + static_cast<uint32_t>(c - '0');
      if (digits != 0) ++kept;
      if (point) --exponent;
    } else {
      if (next_digit < 0) next_digit = c - '0';
      if (!point) ++exponent;
    }
  }
  if (!any) return DecimalParse::kMalformed;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return DecimalParse::kMalformed;
    ++i;
    if (i < text.size() && text[i] == '+') ++i;
    int64_t written = 0;
    const auto parsed = std::from_chars(text.data() + i, text.data() + text.size(), written);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      return DecimalParse::kMalformed;
    }
    exponent += written;
  }
  if (digits == 0) {
    *out = 0;
    return DecimalParse::kOk;
  }
  const int64_t shift = exponent + scale;
  if (shift >= 0) {
    // Digits beyond the 38 kept would be needed: too large anyway, but for the rounding digit.
    if (shift > 38) return DecimalParse::kOverflow;
    const Uint256 product = Multiply(digits, static_cast<Uint128>(kPowers[shift]));
    if (product.high != 0) return DecimalParse::kOverflow;
    const Uint128 rounded = product.low + (shift == 0 && next_digit >= 5 ? 1 : 0);
    return WithSign(rounded, negative, precision, out) ? DecimalParse::kOk
                                                       : DecimalParse::kOverflow;
  }
  if (shift < -39) {
    *out = 0;
    return DecimalParse::kOk;
  }
  if (shift == -39) {
    *out = 0;
    return DecimalParse::kOk;  // 38 digits below 0.1 of the last place
  }
  return DivideRounded({0, digits}, static_cast<Uint128>(kPowers[-shift]), negative, precision, out)
             ? DecimalParse::kOk
             : DecimalParse::kOverflow;
}

void AppendInt128(Int128 value, std::string* to) {
  char digits[40];
  char* at = digits + sizeof digits;
  Uint128 rest = Magnitude(value);
  // Nineteen digits at a time: 128-bit division is slow.
  constexpr uint64_t kChunk = 10'000'000'000'000'000'000ULL;
  do {
    auto chunk = static_cast<uint64_t>(rest % kChunk);
    rest /= kChunk;
    for (int i = 0; i < 19 && (chunk != 0 || rest != 0); ++i) {
      *--at = static_cast<char>('0' + chunk % 10);
      chunk /= 10;
    }
  } while (rest != 0);
  if (at == digits + sizeof digits) *--at = '0';
  if (value < 0) to->push_back('-');
  to->append(at, static_cast<size_t>(digits + sizeof digits - at));
}

void AppendDecimal(Int128 unscaled, int scale, std::string* to) {
  if (scale <= 0) {
    AppendInt128(unscaled, to);
    return;
  }
  if (unscaled < 0) to->push_back('-');
  const Uint128 magnitude = Magnitude(unscaled);
  const auto unit = static_cast<Uint128>(kPowers[scale]);
  AppendInt128(static_cast<Int128>(magnitude / unit), to);
  to->push_back('.');
  const size_t start = to->size();
  AppendInt128(static_cast<Int128>(magnitude % unit), to);
  const size_t written = to->size() - start;
  to->insert(start, static_cast<size_t>(scale) - written, '0');
}

void AppendJavaBigDecimal(Int128 unscaled, int scale, std::string* to) {
  std::string digits;
  AppendInt128(static_cast<Int128>(Magnitude(unscaled)), &digits);
  const int adjusted = static_cast<int>(digits.size()) - 1 - scale;
  if (adjusted >= -6) {
    AppendDecimal(unscaled, scale, to);
    return;
  }
  if (unscaled < 0) to->push_back('-');
  to->push_back(digits[0]);
  if (digits.size() > 1) {
    to->push_back('.');
    to->append(digits, 1);
  }
  to->append("E" + std::to_string(adjusted));
}

}  // namespace millrace::runtime
