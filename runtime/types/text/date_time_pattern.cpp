#include "runtime/types/text/date_time_pattern.h"

#include <algorithm>
#include <array>

#include "runtime/types/text/number_text.h"

namespace millrace::runtime {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {
    "January", "February", "March",     "April",   "May",      "June",
    "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};

void AppendPadded(int64_t value, int width, std::string* to) {
  if (value < 0) {
    to->push_back('-');
    value = -value;
  }
  const size_t start = to->size();
  AppendInteger(value, to);
  const auto written = static_cast<int>(to->size() - start);
  if (written < width) to->insert(start, static_cast<size_t>(width - written), '0');
}

void AppendName(std::string_view name, int count, std::string* to) {
  to->append(count == 4 ? name : count == 5 ? name.substr(0, 1) : name.substr(0, 3));
}

// Sunday is 1: weeks of the US locale begin there.
int32_t SundayFirst(int32_t days) { return IsoDayOfWeek(days) % 7 + 1; }

// Week of the year and its year by US rules: the week with January 1 is the first.
IsoWeek UsWeek(int32_t days) {
  const int32_t saturday = days + 7 - SundayFirst(days);
  const int32_t year = CivilFromDays(saturday).year;
  const int32_t first = DaysFromCivil(year, 1, 1);
  const int32_t first_sunday = first + 1 - SundayFirst(first);
  return {year, (days - first_sunday) / 7 + 1};
}

void AppendOffset(int64_t offset_ms, bool colon, bool z_for_zero, int count, std::string* to) {
  if (offset_ms == 0 && z_for_zero) {
    to->push_back('Z');
    return;
  }
  const int64_t minutes = std::abs(offset_ms) / kMsPerMinute;
  to->push_back(offset_ms < 0 ? '-' : '+');
  AppendPadded(minutes / 60, 2, to);
  if (count == 1 && minutes % 60 == 0) return;
  if (colon) to->push_back(':');
  AppendPadded(minutes % 60, 2, to);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool StartsWithName(std::string_view text, std::string_view name, bool any_case) {
  if (text.size() < name.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (any_case ? Lower(text[i]) != Lower(name[i]) : text[i] != name[i]) return false;
  }
  return true;
}

}  // namespace

bool DateTimePattern::IsNumeric(const Element& element) const {
  switch (element.letter) {
    case 0:
    case 'E':
    case 'a':
    case 'G':
    case 'z':
    case 'Z':
    case 'X':
    case 'x':
    case 'V':
    case 'O':
    case 'B':
      return false;
    case 'M':
    case 'L':
      return element.count <= 2;
    default:
      return true;
  }
}

Result<DateTimePattern> DateTimePattern::Compile(std::string_view pattern, Dialect dialect) {
  DateTimePattern compiled;
  compiled.dialect_ = dialect;
  const std::string_view letters = dialect == Dialect::kDateTimeFormatter
                                       ? "GuyYQqMLwWdDEecaHhKkmsSAnNzZXxVOB"
                                       : "GyYMLwWdDFEuaHkKhmsSzZX";
  const auto literal = [&](char c) {
    if (compiled.elements_.empty() || compiled.elements_.back().letter != 0 ||
        compiled.elements_.back().optional_start || compiled.elements_.back().optional_end) {
      compiled.elements_.emplace_back();
    }
    compiled.elements_.back().literal.push_back(c);
  };
  for (size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (c == '\'') {
      if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
        literal('\'');
        i += 2;
        continue;
      }
      size_t end = i + 1;
      for (; end < pattern.size(); ++end) {
        if (pattern[end] != '\'') {
          literal(pattern[end]);
        } else if (end + 1 < pattern.size() && pattern[end + 1] == '\'') {
          literal('\'');
          ++end;
        } else {
          break;
        }
      }
      if (end == pattern.size()) {
        return Status::User("Pattern ends with an incomplete string literal: " +
                            std::string(pattern));
      }
      i = end + 1;
      continue;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      if (letters.find(c) == std::string_view::npos) {
        return Status::User("Unknown pattern letter: " + std::string(1, c) + " in '" +
                            std::string(pattern) + "'");
      }
      size_t end = i;
      while (end < pattern.size() && pattern[end] == c) ++end;
      compiled.elements_.push_back({c, static_cast<int>(end - i), "", false, false});
      i = end;
      continue;
    }
    if (dialect == Dialect::kDateTimeFormatter && (c == '[' || c == ']')) {
      Element bracket;
      bracket.optional_start = c == '[';
      bracket.optional_end = c == ']';
      compiled.elements_.push_back(bracket);
    } else {
      literal(c);
    }
    ++i;
  }
  return compiled;
}

void DateTimePattern::Format(TimestampNanos local, int64_t offset_ms, std::string_view zone_name,
                             std::string* to) const {
  const CivilTime time = CivilTimeFrom(local);
  const auto days = static_cast<int32_t>(FloorDiv(local.ms, kMsPerDay));
  const bool simple = dialect_ == Dialect::kSimpleDateFormat;
  for (const Element& element : elements_) {
    const int count = element.count;
    switch (element.letter) {
      case 0:
        to->append(element.literal);
        break;
      case 'G':
        to->append(time.date.year > 0 ? "AD" : "BC");
        break;
      case 'u':
        if (simple) {
          AppendPadded(IsoDayOfWeek(days), count, to);
          break;
        }
        [[fallthrough]];
      case 'y':
        if (count == 2) {
          AppendPadded(FloorMod(time.date.year, 100), 2, to);
        } else {
          // SignStyle.EXCEEDS_PAD.
          if (!simple && count >= 4 && time.date.year > 9999) to->push_back('+');
          AppendPadded(time.date.year, count, to);
        }
        break;
      case 'Y': {
        const int32_t year = UsWeek(days).year;
        AppendPadded(count == 2 ? year % 100 : year, count, to);
        break;
      }
      case 'Q':
      case 'q':
        AppendPadded((time.date.month + 2) / 3, count, to);
        break;
      case 'M':
      case 'L':
        if (count <= 2) {
          AppendPadded(time.date.month, count, to);
        } else {
          AppendName(kMonths[static_cast<size_t>(time.date.month - 1)], count, to);
        }
        break;
      case 'w':
        AppendPadded(UsWeek(days).week, count, to);
        break;
      case 'W': {
        const int32_t first = days - time.date.day + 1;
        AppendPadded((time.date.day - 1 + SundayFirst(first) - 1) / 7 + 1, count, to);
        break;
      }
      case 'd':
        AppendPadded(time.date.day, count, to);
        break;
      case 'D':
        AppendPadded(days - DaysFromCivil(time.date.year, 1, 1) + 1, count, to);
        break;
      case 'F':
        AppendPadded((time.date.day - 1) / 7 + 1, count, to);
        break;
      case 'E':
        AppendName(kDays[static_cast<size_t>(IsoDayOfWeek(days) - 1)], count, to);
        break;
      case 'e':
      case 'c':
        if (count <= 2) {
          AppendPadded(SundayFirst(days), count, to);
        } else {
          AppendName(kDays[static_cast<size_t>(IsoDayOfWeek(days) - 1)], count, to);
        }
        break;
      case 'a':
        to->append(time.hour < 12 ? "AM" : "PM");
        break;
      case 'H':
        AppendPadded(time.hour, count, to);
        break;
      case 'h':
        AppendPadded(time.hour % 12 == 0 ? 12 : time.hour % 12, count, to);
        break;
      case 'K':
        AppendPadded(time.hour % 12, count, to);
        break;
      case 'k':
        AppendPadded(time.hour == 0 ? 24 : time.hour, count, to);
        break;
      case 'm':
        AppendPadded(time.minute, count, to);
        break;
      case 's':
        AppendPadded(time.second, count, to);
        break;
      case 'S':
        if (simple) {
          AppendPadded(time.nanosecond / kNanosPerMs, count, to);
        } else {
          int32_t unit = 100'000'000;
          for (int i = 0; i < count && i < 9; ++i, unit /= 10) {
            to->push_back(static_cast<char>('0' + time.nanosecond / unit % 10));
          }
        }
        break;
      case 'A':
        AppendPadded(FloorMod(local.ms, kMsPerDay), count, to);
        break;
      case 'n':
        AppendPadded(time.nanosecond, count, to);
        break;
      case 'N':
        AppendPadded(FloorMod(local.ms, kMsPerDay) * kNanosPerMs + local.nanos, count, to);
        break;
      case 'z':
      case 'V':
        to->append(zone_name);
        break;
      case 'Z':
        AppendOffset(offset_ms, count == 5, count == 5, 2, to);
        break;
      case 'X':
        AppendOffset(offset_ms, count == 3, true, count, to);
        break;
      case 'x':
        AppendOffset(offset_ms, count == 3, false, count, to);
        break;
      case 'O':
        to->append("GMT");
        break;
      case 'B':
        to->append(time.hour < 6    ? "at night"
                   : time.hour < 12 ? "in the morning"
                   : time.hour < 18 ? "in the afternoon"
                                    : "in the evening");
        break;
      default:
        break;
    }
  }
}

bool DateTimePattern::Parse(std::string_view text, TimestampNanos* local, bool* has_offset) const {
  const bool simple = dialect_ == Dialect::kSimpleDateFormat;
  CivilTime time;
  int64_t month = 1;
  int64_t day = 1;
  int64_t hour = 0;
  int64_t half_hour = -1;  // 0 .. 11
  int64_t minute = 0;
  int64_t second = 0;
  int64_t nanosecond = 0;
  int64_t day_of_year = 0;
  int64_t year = 1970;
  int64_t offset_ms = 0;
  bool pm = false;
  bool has_hour = false;
  *has_offset = false;
  size_t at = 0;
  size_t optional_from = std::string_view::npos;  // where the optional section being read began
  const auto skip_optional = [&](size_t* index) {
    // Leaves the optional section: its fields count as not there.
    if (optional_from == std::string_view::npos) return false;
    at = optional_from;
    optional_from = std::string_view::npos;
    int depth = 1;
    for (++*index; *index < elements_.size(); ++*index) {
      if (elements_[*index].optional_start) ++depth;
      if (elements_[*index].optional_end && --depth == 0) return true;
    }
    return true;
  };
  for (size_t i = 0; i < elements_.size(); ++i) {
    const Element& element = elements_[i];
    if (element.optional_start) {
      optional_from = at;
      continue;
    }
    if (element.optional_end) {
      optional_from = std::string_view::npos;
      continue;
    }
    if (element.letter == 0) {
      const bool fits = text.substr(at).starts_with(element.literal);
      if (!fits) {
        if (skip_optional(&i)) continue;
        return false;
      }
      at += element.literal.size();
      continue;
    }
    if (IsNumeric(element)) {
      if (simple) {
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
      }
      // A field directly before another number takes its count of digits alone.
      const bool adjacent = i + 1 < elements_.size() && IsNumeric(elements_[i + 1]);
      const bool is_year = element.letter == 'y' || (element.letter == 'u' && !simple);
      int least = 1;
      int most = 18;
      if (adjacent) {
        least = simple ? 1 : element.count;
        most = element.count;
      } else if (!simple) {
        least = element.count;
        if (element.letter == 'S' || element.count == 2 || (!is_year && element.count > 1)) {
          most = element.count;
        }
      }
      bool negative = false;
      if (is_year && at < text.size() && (text[at] == '-' || text[at] == '+')) {
        negative = text[at++] == '-';
      }
      int64_t value = 0;
      int digits = 0;
      while (digits < most && at < text.size() && IsDigit(text[at])) {
        value = value * 10 + (text[at++] - '0');
        ++digits;
      }
      if (digits < least) {
        if (skip_optional(&i)) continue;
        return false;
      }
      switch (element.letter) {
        case 'u':
          if (simple) break;
          [[fallthrough]];
        case 'y':
        case 'Y':
          // Two digits: java.time counts from 2000; SimpleDateFormat within 80 years back.
          if (element.count <= 2 && digits == 2) {
            value += simple && value > 44 ? 1900 : 2000;
          }
          year = negative ? -value : value;
          break;
        case 'M':
        case 'L':
          month = value;
          break;
        case 'd':
          day = value;
          break;
        case 'D':
          day_of_year = value;
          break;
        case 'H':
          hour = value;
          has_hour = true;
          break;
        case 'k':
          hour = value % 24;
          has_hour = true;
          break;
        case 'h':
          half_hour = value % 12;
          break;
        case 'K':
          half_hour = value;
          break;
        case 'm':
          minute = value;
          break;
        case 's':
          second = value;
          break;
        case 'S':
          if (simple) {
            nanosecond = value * kNanosPerMs;
          } else {
            nanosecond = value;
            for (int d = digits; d < 9; ++d) nanosecond *= 10;
          }
          break;
        case 'n':
          nanosecond = value;
          break;
        default:
          break;
      }
      continue;
    }
    const std::string_view rest = text.substr(at);
    switch (element.letter) {
      case 'M':
      case 'L': {
        bool found = false;
        for (size_t m = 0; m < kMonths.size() && !found; ++m) {
          for (const size_t length : {kMonths[m].size(), size_t{3}}) {
            if (!simple && (element.count == 3) != (length == 3) && kMonths[m].size() != 3)
              continue;
            if (StartsWithName(rest, kMonths[m].substr(0, length), simple)) {
              month = static_cast<int64_t>(m) + 1;
              at += length;
              found = true;
              break;
            }
          }
        }
        if (!found) return false;
        break;
      }
      case 'E': {
        bool found = false;
        for (size_t d = 0; d < kDays.size() && !found; ++d) {
          for (const size_t length : {kDays[d].size(), size_t{3}}) {
            if (StartsWithName(rest, kDays[d].substr(0, length), simple)) {
              at += length;
              found = true;
              break;
            }
          }
        }
        if (!found) return false;
        break;
      }
      case 'a':
        if (!StartsWithName(rest, "AM", simple) && !StartsWithName(rest, "PM", simple))
          return false;
        pm = Lower(rest[0]) == 'p';
        at += 2;
        break;
      case 'G':
        if (!StartsWithName(rest, "AD", simple)) return false;
        at += 2;
        break;
      case 'X':
      case 'x':
      case 'Z': {
        if (rest.starts_with("Z")) {
          ++at;
          *has_offset = true;
          break;
        }
        if (rest.size() < 3 || (rest[0] != '+' && rest[0] != '-')) return false;
        size_t end = 1;
        while (end < rest.size() && end < 6 && (IsDigit(rest[end]) || rest[end] == ':')) ++end;
        Result<TimeZone> zone = TimeZone::Find(rest.substr(0, end));
        if (!zone.ok()) return false;
        offset_ms = zone->OffsetAtUtc(0);
        *has_offset = true;
        at += end;
        break;
      }
      case 'z':
      case 'V': {
        size_t end = 0;
        while (end < rest.size() && rest[end] != ' ') ++end;
        Result<TimeZone> zone = TimeZone::Find(rest.substr(0, end));
        if (!zone.ok()) return false;
        offset_ms = zone->OffsetAtUtc(0);
        *has_offset = true;
        at += end;
        break;
      }
      default:
        return false;
    }
  }
  if (!simple && at != text.size()) return false;
  if (half_hour >= 0 && !has_hour) {
    // java.time knows no hour without the half of the day; SimpleDateFormat takes the morning.
    bool has_half = false;
    for (const Element& element : elements_) has_half |= element.letter == 'a';
    if (has_half || simple) hour = half_hour + (pm ? 12 : 0);
  }
  if (!simple) {
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 ||
        year > 999'999'999) {
      return false;
    }
    day = std::min<int64_t>(day, DaysInMonth(year, static_cast<int32_t>(month)));
  }
  const int64_t months = year * 12 + month - 1;
  int64_t days =
      DaysFromCivil(FloorDiv(months, 12), static_cast<int32_t>(FloorMod(months, 12)) + 1, 1);
  days += day - 1;
  if (day_of_year > 0) days = DaysFromCivil(year, 1, 1) + day_of_year - 1;
  local->ms = days * kMsPerDay + hour * kMsPerHour + minute * kMsPerMinute + second * kMsPerSecond +
              nanosecond / kNanosPerMs - offset_ms;
  local->nanos = static_cast<int32_t>(nanosecond % kNanosPerMs);
  return true;
}

}  // namespace millrace::runtime
