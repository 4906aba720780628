#include "connectors/formats/iso_time_text.h"

#include <algorithm>

#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/date_time_text.h"

namespace millrace::connectors {
namespace {

using runtime::TimestampNanos;

constexpr int64_t kNanosPerSecond = 1'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly `digits` digits off the front.
bool TakeDigits(std::string_view* text, int digits, int32_t* value) {
  if (text->size() < static_cast<size_t>(digits)) return false;
  int32_t number = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = (*text)[static_cast<size_t>(i)];
    if (!IsDigit(c)) return false;
    number = number * 10 + (c - '0');
  }
  text->remove_prefix(static_cast<size_t>(digits));
  *value = number;
  return true;
}

bool TakeChar(std::string_view* text, char wanted) {
  if (text->empty() || text->front() != wanted) return false;
  text->remove_prefix(1);
  return true;
}

// Four digits without a sign; more need a '+' (java.time's SignStyle.EXCEEDS_PAD).
bool TakeYear(std::string_view* text, int32_t* year) {
  char sign = 0;
  if (!text->empty() && (text->front() == '+' || text->front() == '-')) {
    sign = text->front();
    text->remove_prefix(1);
  }
  size_t digits = 0;
  while (digits < text->size() && IsDigit((*text)[digits])) ++digits;
  if (digits < 4 || digits > 9) return false;
  if (sign == '+' ? digits == 4 : sign == 0 && digits != 4) return false;
  if (!TakeDigits(text, static_cast<int>(digits), year)) return false;
  if (sign == '-') *year = -*year;
  return true;
}

void AppendTwoDigits(int64_t value, std::string* to) {
  to->push_back(static_cast<char>('0' + value / 10));
  to->push_back(static_cast<char>('0' + value % 10));
}

}  // namespace

bool ParseIsoDate(std::string_view text, DayRule rule, int32_t* days) {
  int32_t year = 0, month = 0, day = 0;
  if (!TakeYear(&text, &year) || !TakeChar(&text, '-') || !TakeDigits(&text, 2, &month) ||
      !TakeChar(&text, '-') || !TakeDigits(&text, 2, &day) || !text.empty()) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;
  const int32_t last = runtime::DaysInMonth(year, month);
  if (day > last) {
    if (rule == DayRule::kStrict) return false;
    day = last;
  }
  if (year > 5'000'000 || year < -5'000'000) return false;  // days must fit 32 bits
  *days = runtime::DaysFromCivil(year, month, day);
  return true;
}

bool ParseIsoTime(std::string_view text, bool seconds_required, int64_t* nanos_of_day) {
  int32_t hour = 0, minute = 0, second = 0;
  int64_t nanos = 0;
  if (!TakeDigits(&text, 2, &hour) || !TakeChar(&text, ':') || !TakeDigits(&text, 2, &minute)) {
    return false;
  }
  if (!text.empty() || seconds_required) {
    if (!TakeChar(&text, ':') || !TakeDigits(&text, 2, &second)) return false;
    if (!text.empty()) {
      if (!TakeChar(&text, '.') || text.size() > 9) return false;
      int64_t unit = kNanosPerSecond;
      for (const char c : text) {
        if (!IsDigit(c)) return false;
        unit /= 10;
        nanos += (c - '0') * unit;
      }
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  *nanos_of_day = (int64_t{hour} * 3600 + minute * 60 + second) * kNanosPerSecond + nanos;
  return true;
}

bool ParseIsoDateTime(std::string_view text, char separator, bool utc, DayRule rule,
                      TimestampNanos* time) {
  if (utc) {
    if (text.empty() || text.back() != 'Z') return false;
    text.remove_suffix(1);
  }
  const size_t cut = text.find(separator);
  if (cut == std::string_view::npos) return false;
  int32_t days = 0;
  int64_t nanos = 0;
  if (!ParseIsoDate(text.substr(0, cut), rule, &days) ||
      !ParseIsoTime(text.substr(cut + 1), separator != 'T', &nanos)) {
    return false;
  }
  time->ms = days * runtime::kMsPerDay + nanos / runtime::kNanosPerMs;
  time->nanos = static_cast<int32_t>(nanos % runtime::kNanosPerMs);
  return true;
}

void AppendIsoTime(int64_t nanos_of_day, std::string* to) {
  const int64_t seconds = nanos_of_day / kNanosPerSecond;
  int64_t fraction = nanos_of_day % kNanosPerSecond;
  AppendTwoDigits(seconds / 3600, to);
  to->push_back(':');
  AppendTwoDigits(seconds / 60 % 60, to);
  to->push_back(':');
  AppendTwoDigits(seconds % 60, to);
  if (fraction == 0) return;
  to->push_back('.');
  for (int64_t unit = kNanosPerSecond / 10; fraction > 0; unit /= 10) {
    to->push_back(static_cast<char>('0' + fraction / unit));
    fraction %= unit;
  }
}

void AppendIsoDate(int32_t days, std::string* to) { runtime::AppendLocalDate(days, to); }

void AppendIsoDateTime(TimestampNanos time, char separator, bool utc, std::string* to) {
  const int64_t days = runtime::FloorDiv(time.ms, runtime::kMsPerDay);
  const int64_t ms_of_day = time.ms - days * runtime::kMsPerDay;
  AppendIsoDate(static_cast<int32_t>(days), to);
  to->push_back(separator);
  AppendIsoTime(ms_of_day * runtime::kNanosPerMs + time.nanos, to);
  if (utc) to->push_back('Z');
}

}  // namespace millrace::connectors
