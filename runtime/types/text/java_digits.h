#pragma once

#include <cstdint>

namespace millrace::runtime {

// Decimal digits of a number: 0.d1d2...dn times ten to the `exponent`.
struct JavaDigits {
  char digits[32];  // '0' .. '9'
  int count = 0;
  int exponent = 0;
};

// Finds the digits that Double.toString and Float.toString of JDK 17 (all before JDK 19) write.
// They are those of Steele and White's free-format algorithm as FloatingDecimal has it: its
// stopping test takes the gap below a number for as wide as the one above, and numbers that fit
// into 32 or 64 bits are judged strictly; so there may be a digit more than is needed, or the last
// one not be the nearest (JDK-4511638): 2.0E-3 is exact, 2.2250738585072014E-308 is not the
// shortest.
//
// `fraction`: significant bits of the number with the highest at bit 52; `exponent`: of two, of
// that bit; `significant_bits`: how many bits the type kept (53, 24, fewer for subnormal numbers).
// About 100 ns for numbers of everyday size.
void FindJavaDigits(uint64_t fraction, int exponent, int significant_bits, JavaDigits* to);

}  // namespace millrace::runtime
