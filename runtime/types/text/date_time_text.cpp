#include "runtime/types/text/date_time_text.h"

#include <algorithm>
#include <cstdlib>

#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/number_text.h"

namespace millrace::runtime {
namespace {

void AppendTwo(int32_t value, std::string* to) {
  to->push_back(static_cast<char>('0' + value / 10 % 10));
  to->push_back(static_cast<char>('0' + value % 10));
}

void AppendFour(int32_t value, std::string* to) {
  AppendTwo(value / 100, to);
  AppendTwo(value % 100, to);
}

void AppendClock(int32_t hour, int32_t minute, int32_t second, std::string* to) {
  AppendTwo(hour, to);
  to->push_back(':');
  AppendTwo(minute, to);
  to->push_back(':');
  AppendTwo(second, to);
}

void AppendYearMonthDay(const CivilDate& date, std::string* to) {
  AppendFour(date.year, to);
  to->push_back('-');
  AppendTwo(date.month, to);
  to->push_back('-');
  AppendTwo(date.day, to);
}

// Nine digits of nanoseconds, cut to `digits`.
void AppendFraction(int32_t nanosecond, int digits, std::string* to) {
  int32_t unit = 100'000'000;
  for (int i = 0; i < digits; ++i) {
    to->push_back(static_cast<char>('0' + nanosecond / unit % 10));
    unit /= 10;
  }
}

// java.time: no fraction, or 3, 6, 9 digits.
void AppendJavaFraction(int32_t nanosecond, std::string* to) {
  if (nanosecond == 0) return;
  to->push_back('.');
  AppendFraction(nanosecond, nanosecond % 1'000'000 == 0 ? 3 : nanosecond % 1000 == 0 ? 6 : 9, to);
}

void AppendJavaClock(const CivilTime& time, std::string* to) {
  AppendTwo(time.hour, to);
  to->push_back(':');
  AppendTwo(time.minute, to);
  if (time.second == 0 && time.nanosecond == 0) return;
  to->push_back(':');
  AppendTwo(time.second, to);
  AppendJavaFraction(time.nanosecond, to);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Digits only, blanks around allowed.
bool ParsePlain(std::string_view text, int32_t* out) {
  text = TrimJava(text);
  if (text.empty() || text.size() > 9) return false;
  int32_t value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return false;
    value = value * 10 + (c - '0');
  }
  *out = value;
  return true;
}

// Reads along a text as java.time's formatter does.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool at_end() const { return at_ == text_.size(); }
  int32_t position() const { return static_cast<int32_t>(at_); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  bool Skip(char c) {
    if (peek() != c || at_end()) return false;
    ++at_;
    return true;
  }
  // `least` to `most` digits.
  bool Number(int least, int most, int32_t* out) {
    int32_t value = 0;
    int digits = 0;
    while (digits < most && !at_end() && IsDigit(text_[at_])) {
      value = value * 10 + (text_[at_] - '0');
      ++at_;
      ++digits;
    }
    *out = value;
    return digits >= least;
  }
  // Up to nine digits behind a point.
  void Fraction(int32_t* nanosecond) {
    *nanosecond = 0;
    int32_t unit = 100'000'000;
    int digits = 0;
    for (; digits < 9 && !at_end() && IsDigit(text_[at_]); ++digits, ++at_) {
      *nanosecond += (text_[at_] - '0') * unit;
      unit /= 10;
    }
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

// The day is clamped to the month's last as java.time's SMART resolver does.
bool ScanDate(Scanner& scan, bool negative_years, CivilDate* date) {
  const bool negative = negative_years && scan.Skip('-');
  const bool plus = !negative && scan.Skip('+');
  if (!scan.Number(4, negative || plus ? 9 : 4, &date->year)) return false;
  if (negative) date->year = -date->year;
  if (!scan.Skip('-') || !scan.Number(1, 2, &date->month)) return false;
  if (!scan.Skip('-') || !scan.Number(1, 2, &date->day)) return false;
  if (date->month < 1 || date->month > 12 || date->day < 1 || date->day > 31) return false;
  date->day = std::min(date->day, DaysInMonth(date->year, date->month));
  return true;
}

// 24:00:00 is the end of the day, as java.time's SMART resolver has it.
bool ScanClock(Scanner& scan, bool seconds_optional, CivilTime* time) {
  if (!scan.Number(1, 2, &time->hour) || time->hour > 24) return false;
  if (!scan.Skip(':') || !scan.Number(1, 2, &time->minute) || time->minute > 59) return false;
  if (seconds_optional && scan.peek() != ':') return time->hour < 24 || time->minute == 0;
  if (!scan.Skip(':') || !scan.Number(1, 2, &time->second) || time->second > 59) return false;
  if (scan.Skip('.')) scan.Fraction(&time->nanosecond);
  return time->hour < 24 || (time->minute == 0 && time->second == 0 && time->nanosecond == 0);
}

}  // namespace

void AppendDate(int32_t days, std::string* to) { AppendYearMonthDay(CivilFromDays(days), to); }

void AppendTime(int32_t ms_of_day, int precision, std::string* to) {
  ms_of_day = static_cast<int32_t>(FloorMod(ms_of_day, kMsPerDay));
  int32_t ms = ms_of_day % 1000;
  const int32_t seconds = ms_of_day / 1000;
  AppendClock(seconds / 3600, seconds / 60 % 60, seconds % 60, to);
  if (precision <= 0) return;
  // Flink ends at the last digit that is not 0, but writes one.
  to->push_back('.');
  for (; precision > 0; --precision) {
    to->push_back(static_cast<char>('0' + ms / 100));
    ms = ms % 100 * 10;
    if (ms == 0) break;
  }
}

void AppendTimestamp(TimestampNanos time, int precision, std::string* to) {
  const CivilTime civil = CivilTimeFrom(time);
  AppendYearMonthDay(civil.date, to);
  to->push_back(' ');
  AppendClock(civil.hour, civil.minute, civil.second, to);
  // Digits behind the precision appear only if they are there.
  int digits = 9;
  int32_t rest = civil.nanosecond;
  while (digits > precision && rest % 10 == 0) {
    rest /= 10;
    --digits;
  }
  if (digits == 0) return;
  to->push_back('.');
  AppendFraction(civil.nanosecond, digits, to);
}

void AppendIntervalYearMonth(int32_t months, std::string* to) {
  to->push_back(months < 0 ? '-' : '+');
  const int64_t magnitude = std::abs(static_cast<int64_t>(months));
  AppendInteger(magnitude / 12, to);
  to->push_back('-');
  AppendTwo(static_cast<int32_t>(magnitude % 12), to);
}

void AppendIntervalDayTime(int64_t ms, std::string* to) {
  to->push_back(ms < 0 ? '-' : '+');
  const uint64_t magnitude = ms < 0 ? 0 - static_cast<uint64_t>(ms) : static_cast<uint64_t>(ms);
  AppendInteger(static_cast<int64_t>(magnitude / kMsPerDay), to);
  to->push_back(' ');
  const auto of_day = static_cast<int32_t>(magnitude % kMsPerDay);
  AppendClock(of_day / 3'600'000, of_day / 60'000 % 60, of_day / 1000 % 60, to);
  to->push_back('.');
  AppendFraction(of_day % 1000 * kNanosPerMs, 3, to);
}

void AppendLocalDate(int32_t days, std::string* to) {
  const CivilDate date = CivilFromDays(days);
  if (date.year >= 0 && date.year <= 9999) {
    AppendYearMonthDay(date, to);
    return;
  }
  to->push_back(date.year < 0 ? '-' : '+');
  const int32_t magnitude = std::abs(date.year);
  if (magnitude < 10000) {
    AppendFour(magnitude, to);
  } else {
    AppendInteger(magnitude, to);
  }
  to->push_back('-');
  AppendTwo(date.month, to);
  to->push_back('-');
  AppendTwo(date.day, to);
}

void AppendLocalTime(int32_t ms_of_day, std::string* to) {
  AppendJavaClock(CivilTimeFrom({ms_of_day, 0}), to);
}

void AppendLocalDateTime(TimestampNanos time, std::string* to) {
  AppendLocalDate(static_cast<int32_t>(FloorDiv(time.ms, kMsPerDay)), to);
  to->push_back('T');
  AppendJavaClock(CivilTimeFrom(time), to);
}

void AppendInstant(TimestampNanos time, std::string* to) {
  AppendLocalDate(static_cast<int32_t>(FloorDiv(time.ms, kMsPerDay)), to);
  to->push_back('T');
  const CivilTime civil = CivilTimeFrom(time);
  AppendClock(civil.hour, civil.minute, civil.second, to);
  AppendJavaFraction(civil.nanosecond, to);
  to->push_back('Z');
}

void AppendPeriod(int32_t months, std::string* to) {
  to->push_back('P');
  const int32_t years = months / 12;
  if (years != 0) {
    AppendInteger(years, to);
    to->push_back('Y');
  }
  if (months % 12 != 0) {
    AppendInteger(months % 12, to);
    to->push_back('M');
  }
  if (months == 0) to->append("0D");
}

void AppendDuration(int64_t ms, std::string* to) {
  to->append("PT");
  if (ms == 0) {
    to->append("0S");
    return;
  }
  // java.time.Duration: whole seconds rounded to zero, hours and minutes of these.
  const int64_t total_seconds = ms / 1000;
  const int64_t hours = total_seconds / 3600;
  const int64_t minutes = total_seconds % 3600 / 60;
  const int64_t seconds = total_seconds % 60;
  const int64_t fraction = std::abs(ms % 1000);
  if (hours != 0) {
    AppendInteger(hours, to);
    to->push_back('H');
  }
  if (minutes != 0) {
    AppendInteger(minutes, to);
    to->push_back('M');
  }
  if (seconds == 0 && fraction == 0) return;
  if (ms < 0 && seconds == 0) to->push_back('-');
  AppendInteger(seconds, to);
  if (fraction != 0) {
    to->push_back('.');
    const size_t start = to->size();
    AppendFraction(static_cast<int32_t>(fraction) * kNanosPerMs, 3, to);
    while (to->size() > start && to->back() == '0') to->pop_back();
  }
  to->push_back('S');
}

bool ParseDate(std::string_view text, int32_t* days) {
  const size_t blank = text.find(' ');
  if (blank != std::string_view::npos && blank > 0) text = text.substr(0, blank);
  int32_t year = 0;
  int32_t month = 1;
  int32_t day = 1;
  const size_t first = text.find('-');
  if (first == std::string_view::npos) {
    if (!ParsePlain(text, &year)) return false;
  } else {
    if (!ParsePlain(text.substr(0, first), &year)) return false;
    const size_t second = text.find('-', first + 1);
    if (second == std::string_view::npos) {
      if (!ParsePlain(text.substr(first + 1), &month)) return false;
    } else if (!ParsePlain(text.substr(first + 1, second - first - 1), &month) ||
               !ParsePlain(text.substr(second + 1), &day)) {
      return false;
    }
  }
  if (year > 9999 || month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month)) {
    return false;
  }
  *days = DaysFromCivil(year, month, day);
  return true;
}

bool ParseTime(std::string_view text, int32_t* ms_of_day) {
  int32_t zone_hour = 0;
  int32_t zone_minute = 0;
  int32_t sign = -1;
  std::string_view clock = text;
  size_t zone = text.find('-');
  if (zone == std::string_view::npos) {
    zone = text.find('+');
    sign = 1;
  }
  if (zone != std::string_view::npos) {
    clock = text.substr(0, zone);
    const std::string_view offset = text.substr(zone + 1);
    const size_t colon = offset.find(':');
    if (!ParsePlain(offset.substr(0, colon), &zone_hour)) return false;
    if (colon != std::string_view::npos && !ParsePlain(offset.substr(colon + 1), &zone_minute)) {
      return false;
    }
  }
  int32_t hour = 0;
  int32_t minute = 0;
  int32_t second = 0;
  int32_t ms = 0;
  const size_t first = clock.find(':');
  if (!ParsePlain(clock.substr(0, first), &hour)) return false;
  if (first != std::string_view::npos) {
    const size_t second_colon = clock.find(':', first + 1);
    const size_t length =
        second_colon == std::string_view::npos ? second_colon : second_colon - first - 1;
    if (!ParsePlain(clock.substr(first + 1, length), &minute)) return false;
    if (second_colon != std::string_view::npos) {
      const size_t dot = clock.find('.', second_colon);
      const size_t digits = dot == std::string_view::npos ? dot : dot - second_colon - 1;
      if (!ParsePlain(clock.substr(second_colon + 1, digits), &second)) return false;
      if (dot != std::string_view::npos) {
        const std::string_view fraction = TrimJava(clock.substr(dot + 1));
        int32_t unit = 100;
        for (size_t i = 0; i < fraction.size(); ++i) {
          ms += unit * (IsDigit(fraction[i]) ? fraction[i] - '0' : 0);
          if (unit < 10) {
            if (i + 1 < fraction.size() && fraction[i + 1] >= '5') ++ms;
            break;
          }
          unit /= 10;
        }
      }
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  hour += sign * zone_hour;
  minute += sign * zone_minute;
  *ms_of_day =
      static_cast<int32_t>(hour * kMsPerHour + minute * kMsPerMinute + second * kMsPerSecond + ms);
  return true;
}

bool ParseTimestamp(std::string_view text, int precision, TimestampNanos* out) {
  Scanner scan(text);
  CivilTime time;
  if (!ScanDate(scan, false, &time.date)) return false;
  if (!scan.at_end() && !(scan.Skip(' ') && ScanClock(scan, false, &time) && scan.at_end())) {
    return false;
  }
  *out = TruncateToPrecision(TimestampFrom(time), precision);
  return true;
}

std::string WhyNotTime(std::string_view text) {
  return "Invalid time format: '" + std::string(text) +
         "'. Expected format: HH:mm:ss[.fff] where HH is 00-23, mm is 00-59, ss is 00-59";
}

std::string WhyNotTimestamp(std::string_view text) {
  Scanner scan(text);
  CivilTime time;
  std::string words = "Text '" + std::string(text) + "' could not be parsed";
  if (!ScanDate(scan, false, &time.date)) return words + " at index " + std::to_string(scan.position());
  int32_t read = scan.position();
  if (scan.Skip(' ') && ScanClock(scan, false, &time)) read = scan.position();
  return words + ", unparsed text found at index " + std::to_string(read);
}

bool ParseIsoTimestamp(std::string_view text, int precision, TimestampNanos* out,
                       bool* has_offset) {
  Scanner scan(text);
  CivilTime time;
  *has_offset = false;
  if (!ScanDate(scan, true, &time.date)) return false;
  if (scan.Skip(' ') || scan.Skip('T')) {
    if (!ScanClock(scan, true, &time)) return false;
  }
  int64_t offset_ms = 0;
  if (scan.Skip('Z')) {
    *has_offset = true;
  } else if (!scan.at_end()) {
    const bool negative = scan.peek() == '-';
    if (!scan.Skip('-') && !scan.Skip('+')) return false;
    int32_t hour = 0;
    int32_t minute = 0;
    if (!scan.Number(2, 2, &hour)) return false;
    scan.Skip(':');
    if (!scan.at_end() && !scan.Number(2, 2, &minute)) return false;
    offset_ms = (hour * 60 + minute) * kMsPerMinute * (negative ? -1 : 1);
    *has_offset = true;
  }
  if (!scan.at_end()) return false;
  *out = TruncateToPrecision(TimestampFrom(time), precision);
  out->ms -= offset_ms;
  return true;
}

}  // namespace millrace::runtime
