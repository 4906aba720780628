#include "operators/functions/java_math.h"

#include <cmath>

namespace millrace::operators {
namespace {

constexpr double kHalfLn2 = 0.34657359027997264;
constexpr double kLargestExponent = 709.782712893384;  // log of the largest double

// exp by a rational approximation on [-ln2 / 2, ln2 / 2], for x from 0 to kLargestExponent.
double FdlibmExp(double x) {
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  constexpr double kInverseLn2 = 1.44269504088896338700;
  constexpr double kP[] = {1.66666666666666019037e-01, -2.77777777770155933842e-03,
                           6.61375632143793436117e-05, -1.65339022054652515390e-06,
                           4.13813679705723846039e-08};
  double high = 0, low = 0;
  int twos = 0;
  if (x > kHalfLn2) {
    twos = x < 3 * kHalfLn2 ? 1 : static_cast<int>(kInverseLn2 * x + 0.5);
    high = x - twos * kLn2High;
    low = twos * kLn2Low;
    x = high - low;
  } else if (x < 0x1p-28) {
    return 1.0 + x;
  }
  const double t = x * x;
  const double c = x - t * (kP[0] + t * (kP[1] + t * (kP[2] + t * (kP[3] + t * kP[4]))));
  if (twos == 0) return 1.0 - ((x * c) / (c - 2.0) - x);
  return std::ldexp(1.0 - ((low - (x * c) / (2.0 - c)) - high), twos);
}

}  // namespace

double JavaCosh(double value) {
  const double x = std::fabs(value);
  if (x < kHalfLn2) {
    const double t = std::expm1(x);
    const double w = 1.0 + t;
    return x < 0x1p-55 ? w : 1.0 + (t * t) / (w + w);
  }
  if (x < 22) {
    const double t = FdlibmExp(x);
    return 0.5 * t + 0.5 / t;
  }
  if (x < kLargestExponent) return 0.5 * FdlibmExp(x);
  if (!(x < 711)) return x * x;  // infinity or NaN
  const double w = FdlibmExp(0.5 * x);
  return (0.5 * w) * w;
}

double JavaSinh(double value) {
  const double x = std::fabs(value);
  const double half = std::copysign(0.5, value);
  if (x < 22) {
    if (x < 0x1p-28) return value;
    const double t = std::expm1(x);
    return x < 1 ? half * (2.0 * t - t * t / (t + 1.0)) : half * (t + t / (t + 1.0));
  }
  if (x < kLargestExponent) return half * FdlibmExp(x);
  if (!(x < 711)) return value + value;
  const double w = FdlibmExp(0.5 * x);
  return (half * w) * w;
}

double JavaTanh(double value) {
  const double x = std::fabs(value);
  if (std::isnan(x)) return value;
  double z = 1.0;
  if (x < 22) {
    if (x < 0x1p-55) return value * (1.0 + value);
    if (x >= 1) {
      z = 1.0 - 2.0 / (std::expm1(2.0 * x) + 2.0);
    } else {
      const double t = std::expm1(-2.0 * x);
      z = -t / (t + 2.0);
    }
  }
  return std::copysign(z, value);
}

}  // namespace millrace::operators
