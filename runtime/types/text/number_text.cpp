#include "runtime/types/text/number_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "runtime/types/text/java_digits.h"

namespace millrace::runtime {
namespace {

template <typename T>
void AppendJavaFloating(T value, std::string* to) {
  if (std::isnan(value)) {
    to->append("NaN");
    return;
  }
  if (std::signbit(value)) to->push_back('-');
  if (std::isinf(value)) {
    to->append("Infinity");
    return;
  }
  if (value == 0) {
    to->append("0.0");
    return;
  }
  // Significant bits with the highest at bit 52, and the exponent of that bit.
  constexpr int kBits = std::numeric_limits<T>::digits;
  int exponent_of_two;
  const T half_to_one = std::frexp(std::fabs(value), &exponent_of_two);
  const auto fraction = static_cast<uint64_t>(std::ldexp(static_cast<double>(half_to_one), 53));
  --exponent_of_two;
  const int missing = std::max(0, std::numeric_limits<T>::min_exponent - 1 - exponent_of_two);
  JavaDigits found;
  FindJavaDigits(fraction, exponent_of_two, kBits - missing, &found);
  const char* digits = found.digits;
  const int count = found.count;
  const int exponent = found.exponent - 1;
  if (exponent >= -3 && exponent < 7) {
    if (exponent < 0) {
      to->append("0.");
      to->append(static_cast<size_t>(-exponent - 1), '0');
      to->append(digits, static_cast<size_t>(count));
      return;
    }
    for (int i = 0; i <= exponent; ++i) to->push_back(i < count ? digits[i] : '0');
    to->push_back('.');
    if (count > exponent + 1) {
      to->append(digits + exponent + 1, static_cast<size_t>(count - exponent - 1));
    } else {
      to->push_back('0');
    }
    return;
  }
  to->push_back(digits[0]);
  to->push_back('.');
  if (count > 1) {
    to->append(digits + 1, static_cast<size_t>(count - 1));
  } else {
    to->push_back('0');
  }
  to->push_back('E');
  AppendInteger(exponent, to);
}

template <typename T>
bool ParseJavaFloating(std::string_view text, T* out) {
  text = TrimJava(text);
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  T value = 0;
  if (text == "NaN") {
    value = std::numeric_limits<T>::quiet_NaN();
  } else if (text == "Infinity") {
    value = std::numeric_limits<T>::infinity();
  } else {
    if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return false;
    const char last = text.back();
    if (text.size() > 1 && (last == 'd' || last == 'D' || last == 'f' || last == 'F')) {
      text.remove_suffix(1);
    }
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ptr != text.data() + text.size()) return false;
    if (parsed.ec == std::errc::result_out_of_range) {
      // from_chars leaves the value; Java gives zero or infinity. Tell by the exponent's sign, or
      // by the digits if there is none.
      const size_t e = text.find_first_of("eE");
      const bool tiny =
          e != std::string_view::npos ? text[e + 1] == '-' : text[0] == '.' || text[0] == '0';
      value = tiny ? T{0} : std::numeric_limits<T>::infinity();
    } else if (parsed.ec != std::errc()) {
      return false;
    }
  }
  *out = negative ? -value : value;
  return true;
}

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

}  // namespace

void AppendJavaDouble(double value, std::string* to) { AppendJavaFloating(value, to); }
void AppendJavaFloat(float value, std::string* to) { AppendJavaFloating(value, to); }

void AppendInteger(int64_t value, std::string* to) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof text, value);
  to->append(text, static_cast<size_t>(end.ptr - text));
}

const char* Words(NumberParse outcome) {
  switch (outcome) {
    case NumberParse::kOk:
      return "";
    case NumberParse::kEmpty:
      return "Input is empty.";
    case NumberParse::kOnlySign:
      return "Input has only positive or negative symbol.";
    case NumberParse::kInvalidCharacter:
      return "Invalid character found.";
    case NumberParse::kOverflow:
      return "Overflow.";
  }
  return "";
}

NumberParse ParseInteger(std::string_view text, int64_t minimum, int64_t maximum, int64_t* out) {
  if (text.empty()) return NumberParse::kEmpty;
  size_t i = 0;
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') {
    if (text.size() == 1) return NumberParse::kOnlySign;
    i = 1;
  }
  // Counts downwards, so that the least value fits.
  int64_t value = 0;
  for (; i < text.size() && text[i] != '.'; ++i) {
    const auto digit = static_cast<uint32_t>(static_cast<unsigned char>(text[i])) - '0';
    if (digit > 9) return NumberParse::kInvalidCharacter;
    if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
        __builtin_sub_overflow(value, static_cast<int64_t>(digit), &value)) {
      return NumberParse::kOverflow;
    }
  }
  for (++i; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return NumberParse::kInvalidCharacter;
  }
  if (!negative) {
    if (value == INT64_MIN) return NumberParse::kOverflow;
    value = -value;
  }
  if (value < minimum || value > maximum) return NumberParse::kOverflow;
  *out = value;
  return NumberParse::kOk;
}

bool ParseJavaDouble(std::string_view text, double* out) { return ParseJavaFloating(text, out); }
bool ParseJavaFloat(std::string_view text, float* out) { return ParseJavaFloating(text, out); }

bool ParseBoolean(std::string_view text, bool* out) {
  for (std::string_view word : {"true", "t", "yes", "y", "1"}) {
    if (EqualsIgnoringCase(text, word)) {
      *out = true;
      return true;
    }
  }
  for (std::string_view word : {"false", "f", "no", "n", "0"}) {
    if (EqualsIgnoringCase(text, word)) {
      *out = false;
      return true;
    }
  }
  return false;
}

std::string_view TrimSpaces(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view TrimJava(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

}  // namespace millrace::runtime
