#include "runtime/types/text/civil_time.h"

#include <algorithm>

namespace millrace::runtime {

int32_t DaysFromCivil(int64_t year, int32_t month, int32_t day) {
  year -= month <= 2;
  const int64_t era = FloorDiv(year, 400);
  const auto year_of_era = static_cast<uint32_t>(year - era * 400);
  const uint32_t day_of_year = (153 * static_cast<uint32_t>(month + (month > 2 ? -3 : 9)) + 2) / 5 +
                               static_cast<uint32_t>(day) - 1;
  const uint32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return static_cast<int32_t>(era * 146097 + static_cast<int64_t>(day_of_era) - 719468);
}

CivilDate CivilFromDays(int32_t days) {
  const int64_t shifted = static_cast<int64_t>(days) + 719468;
  const int64_t era = FloorDiv(shifted, 146097);
  const auto day_of_era = static_cast<uint32_t>(shifted - era * 146097);
  const uint32_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t shifted_month = (5 * day_of_year + 2) / 153;
  const auto day = static_cast<int32_t>(day_of_year - (153 * shifted_month + 2) / 5 + 1);
  const auto month =
      static_cast<int32_t>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {static_cast<int32_t>(era * 400 + year_of_era + (month <= 2)), month, day};
}

bool IsLeapYear(int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int32_t DaysInMonth(int64_t year, int32_t month) {
  static constexpr int32_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeapYear(year) ? 29 : kDays[month - 1];
}

IsoWeek IsoWeekOf(int32_t days) {
  // The week belongs to the year of its Thursday.
  const int32_t thursday = days - IsoDayOfWeek(days) + 4;
  const int32_t year = CivilFromDays(thursday).year;
  return {year, (thursday - DaysFromCivil(year, 1, 1)) / 7 + 1};
}

int32_t AddMonths(int32_t days, int64_t months) {
  const CivilDate date = CivilFromDays(days);
  const int64_t total = static_cast<int64_t>(date.year) * 12 + (date.month - 1) + months;
  const int64_t year = FloorDiv(total, 12);
  const auto month = static_cast<int32_t>(total - year * 12) + 1;
  return DaysFromCivil(year, month, std::min(date.day, DaysInMonth(year, month)));
}

int64_t AddMonthsToMs(int64_t ms, int64_t months) {
  const int64_t day = FloorDiv(ms, kMsPerDay);
  return AddMonths(static_cast<int32_t>(day), months) * kMsPerDay + (ms - day * kMsPerDay);
}

int32_t MonthsBetweenDays(int32_t to, int32_t from) {
  if (to < from) return -MonthsBetweenDays(from, to);
  const CivilDate first = CivilFromDays(from);
  const CivilDate last = CivilFromDays(to);
  int32_t months = (last.year - first.year) * 12 + last.month - first.month;
  // The largest count that does not overshoot.
  while (months > 0 && AddMonths(from, months) > to) --months;
  return months;
}

int32_t MonthsBetweenMs(int64_t to_ms, int64_t from_ms) {
  const auto to = static_cast<int32_t>(FloorDiv(to_ms, kMsPerDay));
  const auto from = static_cast<int32_t>(FloorDiv(from_ms, kMsPerDay));
  int32_t months = MonthsBetweenDays(to, from);
  if (AddMonths(from, months) == to && FloorMod(to_ms, kMsPerDay) < FloorMod(from_ms, kMsPerDay)) {
    --months;
  }
  return months;
}

CivilTime CivilTimeFrom(TimestampNanos time) {
  const int64_t day = FloorDiv(time.ms, kMsPerDay);
  auto of_day = static_cast<int32_t>(time.ms - day * kMsPerDay);
  CivilTime civil;
  civil.date = CivilFromDays(static_cast<int32_t>(day));
  civil.nanosecond = of_day % 1000 * kNanosPerMs + time.nanos;
  of_day /= 1000;
  civil.second = of_day % 60;
  of_day /= 60;
  civil.minute = of_day % 60;
  civil.hour = of_day / 60;
  return civil;
}

TimestampNanos TimestampFrom(const CivilTime& time) {
  const int64_t days = DaysFromCivil(time.date.year, time.date.month, time.date.day);
  return {days * kMsPerDay + time.hour * kMsPerHour + time.minute * kMsPerMinute +
              time.second * kMsPerSecond + time.nanosecond / kNanosPerMs,
          time.nanosecond % kNanosPerMs};
}

TimestampNanos TruncateToPrecision(TimestampNanos time, int precision) {
  static constexpr int64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
  if (precision >= 9) return time;
  if (precision > 3) {
    const int64_t unit = kPowers[9 - precision];
    return {time.ms, static_cast<int32_t>(time.nanos / unit * unit)};
  }
  const int64_t unit = kPowers[3 - precision];
  return {FloorDiv(time.ms, unit) * unit, 0};
}

}  // namespace millrace::runtime
