#include "runtime/types/text/java_digits.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace millrace::runtime {
namespace {

constexpr int kHighestBit = 52;  // of a fraction

constexpr int kPowersOfFive = 27;  // that fit into 64 bits
constexpr uint64_t PowerOfFive(int n) {
  uint64_t power = 1;
  for (int i = 0; i < n; ++i) power *= 5;
  return power;
}
// What the algorithm takes for the bits of 5^n: exact but for n = 0 up to 26, then three a power.
int BitsOfPowerOfFive(int n) {
  if (n == 0) return 0;
  if (n >= kPowersOfFive) return 3 * n;
  return std::bit_width(PowerOfFive(n));
}

// How many decimal digits of an integer are below the precision of the type, for 2^n times its
// unit.
int DigitsBelow(int n) {
  static constexpr uint8_t kDigits[] = {
      0,  0,  0,  0,  1,  1,  1,  2,  2,  2,  3,  3,  3,  3,  4,  4,  4,  5,  5,  5,  6,  6,
      6,  6,  7,  7,  7,  8,  8,  8,  9,  9,  9,  9,  10, 10, 10, 11, 11, 11, 12, 12, 12, 12,
      13, 13, 13, 14, 14, 14, 15, 15, 15, 15, 16, 16, 16, 17, 17, 17, 18, 18, 18, 19};
  return n > 1 && n < static_cast<int>(sizeof(kDigits)) ? kDigits[n] : 0;
}

// An integer without fraction: digits of the value, rounded where it has more than it knows.
void DigitsOfInteger(uint64_t value, int below, JavaDigits* to) {
  to->exponent = 0;
  if (below != 0) {
    const uint64_t unit = PowerOfFive(below) << below;
    const uint64_t rest = value % unit;
    value /= unit;
    to->exponent += below;
    if (rest >= unit / 2) ++value;
  }
  for (; value % 10 == 0; value /= 10) ++to->exponent;
  char backwards[24];
  int count = 0;
  for (; value != 0; value /= 10) backwards[count++] = static_cast<char>('0' + value % 10);
  to->exponent += count;
  to->count = count;
  std::reverse_copy(backwards, backwards + count, to->digits);
}

// A large natural number, as long as a double needs.
class Big {
 public:
  // value * 5^fives * 2^twos
  Big(uint64_t value, int fives, int twos) {
    words_[0] = static_cast<uint32_t>(value);
    words_[1] = static_cast<uint32_t>(value >> 32);
    size_ = words_[1] != 0 ? 2 : 1;
    constexpr int kStep = 13;  // 5^13 fits into 32 bits
    for (; fives >= kStep; fives -= kStep) Multiply(static_cast<uint32_t>(PowerOfFive(kStep)));
    if (fives > 0) Multiply(static_cast<uint32_t>(PowerOfFive(fives)));
    ShiftLeft(twos);
  }
  void Multiply(uint32_t factor) {
    uint64_t carry = 0;
    for (int i = 0; i < size_; ++i) {
      carry += static_cast<uint64_t>(words_[i]) * factor;
      words_[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry != 0) words_[size_++] = static_cast<uint32_t>(carry);
  }
  void ShiftLeft(int bits) {
    const int whole = bits / 32;
    const int part = bits % 32;
    if (whole > 0) {
      std::memmove(words_ + whole, words_, static_cast<size_t>(size_) * sizeof(uint32_t));
      std::memset(words_, 0, static_cast<size_t>(whole) * sizeof(uint32_t));
      size_ += whole;
    }
    if (part > 0) Multiply(1u << part);
  }
  // Takes the divisor off as often as it goes, fewer than ten times; returns how often.
  int TakeQuotient(const Big& divisor) {
    int times = 0;
    for (; Compare(*this, divisor) >= 0; ++times) Subtract(divisor);
    return times;
  }
  static int Compare(const Big& a, const Big& b) {
    if (a.size_ != b.size_) return a.size_ < b.size_ ? -1 : 1;
    for (int i = a.size_ - 1; i >= 0; --i) {
      if (a.words_[i] != b.words_[i]) return a.words_[i] < b.words_[i] ? -1 : 1;
    }
    return 0;
  }
  // Whether a + b reaches c.
  static bool SumReaches(const Big& a, const Big& b, const Big& c) {
    Big sum = a;
    uint64_t carry = 0;
    const int size = std::max(a.size_, b.size_);
    for (int i = 0; i < size; ++i) {
      carry +=
          static_cast<uint64_t>(i < a.size_ ? a.words_[i] : 0) + (i < b.size_ ? b.words_[i] : 0);
      sum.words_[i] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    sum.size_ = size;
    if (carry != 0) sum.words_[sum.size_++] = static_cast<uint32_t>(carry);
    return Compare(sum, c) >= 0;
  }

 private:
  void Subtract(const Big& other) {
    int64_t borrow = 0;
    for (int i = 0; i < size_; ++i) {
      borrow += static_cast<int64_t>(words_[i]) - (i < other.size_ ? other.words_[i] : 0);
      words_[i] = static_cast<uint32_t>(borrow);
      borrow >>= 32;
    }
    while (size_ > 1 && words_[size_ - 1] == 0) --size_;
  }
  uint32_t words_[80];
  int size_;
};

// The number is b / s times a power of ten, m half a unit of its last bit on the scale of b. Each
// arithmetic takes a digit off b and says where b + m or b - m reaches the next digit.
// m outgrows T after enough digits: everything wraps, as in Java, whose digits depend on that.
template <typename T>
struct SmallArithmetic {
  using Bits = std::make_unsigned_t<T>;
  static T Times(T a, Bits by) { return static_cast<T>(static_cast<Bits>(a) * by); }
  static T Plus(T a, T b) { return static_cast<T>(static_cast<Bits>(a) + static_cast<Bits>(b)); }
  static T Minus(T a, T b) { return static_cast<T>(static_cast<Bits>(a) - static_cast<Bits>(b)); }

  T b, s, m;
  T tens = Times(s, 10);
  bool low = false, high = false;

  int NextDigit() {
    const T digit = b / s;
    b = Times(b % s, 10);
    m = Times(m, 10);
    low = m <= 0 || b < m;
    high = m <= 0 || Plus(b, m) > tens;
    return static_cast<int>(digit);
  }
  // Of what is left and one half.
  int CompareToHalf() const {
    const T difference = Minus(Times(b, 2), tens);
    return difference < 0 ? -1 : difference > 0 ? 1 : 0;
  }
};

struct WideArithmetic {
  unsigned __int128 b, s, m;
  unsigned __int128 tens = s * 10;
  bool low = false, high = false;

  int NextDigit() {
    int digit = 0;
    for (; b >= s; b -= s) ++digit;
    b *= 10;
    m *= 10;
    low = b < m;
    high = b + m >= tens;
    return digit;
  }
  int CompareToHalf() const { return 2 * b < tens ? -1 : 2 * b > tens ? 1 : 0; }
};

struct BigArithmetic {
  Big b, s, m, tens;
  bool low = false, high = false;

  int NextDigit() {
    const int digit = b.TakeQuotient(s);
    b.Multiply(10);
    m.Multiply(10);
    low = Big::Compare(b, m) < 0;
    high = Big::SumReaches(b, m, tens);
    return digit;
  }
  int CompareToHalf() const {
    Big twice = b;
    twice.ShiftLeft(1);
    return Big::Compare(twice, tens);
  }
};

void RoundUp(JavaDigits* digits) {
  int i = digits->count - 1;
  while (digits->digits[i] == '9' && i > 0) digits->digits[i--] = '0';
  if (digits->digits[i] == '9') {
    ++digits->exponent;
    digits->digits[0] = '1';
  } else {
    ++digits->digits[i];
  }
}

template <typename Arithmetic>
void Generate(Arithmetic number, int ten_exponent, JavaDigits* to) {
  int count = 0;
  const int first = number.NextDigit();
  if (first == 0 && !number.high) {
    --ten_exponent;  // the estimate was one too high
  } else {
    to->digits[count++] = static_cast<char>('0' + first);
  }
  // The form with an exponent has two digits at least.
  bool stop = (number.low || number.high) && ten_exponent >= -3 && ten_exponent < 8;
  bool low = stop && number.low, high = stop && number.high;
  while (!stop) {
    to->digits[count++] = static_cast<char>('0' + number.NextDigit());
    low = number.low;
    high = number.high;
    stop = low || high;
  }
  to->count = count;
  to->exponent = ten_exponent + 1;
  if (!high) return;
  if (low) {
    const int half = number.CompareToHalf();
    const bool odd = ((to->digits[count - 1] - '0') & 1) != 0;
    if (half < 0 || (half == 0 && !odd)) return;
  }
  RoundUp(to);
}

// The exponent of ten of the first digit, or one more.
int EstimateTenExponent(uint64_t fraction, int exponent) {
  const auto one_to_two = std::bit_cast<double>((fraction & ((UINT64_C(1) << kHighestBit) - 1)) |
                                                (UINT64_C(1023) << kHighestBit));
  return static_cast<int>(std::floor((one_to_two - 1.5) * 0.289529654 + 0.176091259 +
                                     static_cast<double>(exponent) * 0.301029995663981));
}

}  // namespace

void FindJavaDigits(uint64_t fraction, int exponent, int significant_bits, JavaDigits* to) {
  const int zeros = std::countr_zero(fraction);
  const int bits = kHighestBit + 1 - zeros;
  const int behind_point = std::max(0, bits - exponent - 1);
  if (exponent <= 62 && exponent >= -21 && behind_point == 0 && bits < 64) {
    const int below =
        exponent > significant_bits ? DigitsBelow(exponent - significant_bits - 1) : 0;
    const uint64_t value = exponent >= kHighestBit ? fraction << (exponent - kHighestBit)
                                                   : fraction >> (kHighestBit - exponent);
    return DigitsOfInteger(value, below, to);
  }
  const int ten_exponent = EstimateTenExponent(fraction, exponent);
  // Powers of five and two of b, s and m.
  const int b5 = std::max(0, -ten_exponent);
  int b2 = b5 + behind_point + exponent;
  const int s5 = std::max(0, ten_exponent);
  int s2 = s5 + behind_point;
  int m2 = b2 - significant_bits;
  fraction >>= zeros;
  b2 -= bits - 1;
  const int common = std::min(b2, s2);
  b2 -= common;
  s2 -= common;
  m2 -= common;
  if (bits == 1) --m2;  // below a power of two numbers are twice as near
  if (m2 < 0) {
    b2 -= m2;
    s2 -= m2;
    m2 = 0;
  }
  const int b_bits = bits + b2 + BitsOfPowerOfFive(b5);
  const int ten_s_bits = s2 + 1 + BitsOfPowerOfFive(s5 + 1);
  if (b_bits < 32 && ten_s_bits < 32) {
    // The last of these may be too large, and wraps as an int does.
    const auto part = [](uint64_t value, int twos) {
      return static_cast<int32_t>(static_cast<uint32_t>(value) << twos);
    };
    return Generate(SmallArithmetic<int32_t>{part(fraction * PowerOfFive(b5), b2),
                                             part(PowerOfFive(s5), s2), part(PowerOfFive(b5), m2)},
                    ten_exponent, to);
  }
  if (b_bits < 64 && ten_s_bits < 64) {
    const auto part = [](uint64_t value, int twos) { return static_cast<int64_t>(value << twos); };
    return Generate(SmallArithmetic<int64_t>{part(fraction * PowerOfFive(b5), b2),
                                             part(PowerOfFive(s5), s2), part(PowerOfFive(b5), m2)},
                    ten_exponent, to);
  }
  if (b_bits < 120 && ten_s_bits < 120 && b5 < kPowersOfFive && s5 < kPowersOfFive) {
    const auto part = [](uint64_t value, int fives, int twos) {
      return (static_cast<unsigned __int128>(value) * PowerOfFive(fives)) << twos;
    };
    return Generate(WideArithmetic{part(fraction, b5, b2), part(1, s5, s2), part(1, b5, m2)},
                    ten_exponent, to);
  }
  const Big s(1, s5, s2);
  Big tens = s;
  tens.Multiply(10);
  Generate(BigArithmetic{Big(fraction, b5, b2), s, Big(1, b5, m2), tens}, ten_exponent, to);
}

}  // namespace millrace::runtime
