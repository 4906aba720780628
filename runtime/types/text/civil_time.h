#pragma once

#include <cstdint>

#include "runtime/types/value_types.h"

namespace millrace::runtime {

// Calendar arithmetic on days, months and milliseconds in the proleptic Gregorian calendar, without
// locale or clock: a few multiplications a call (Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms").

inline constexpr int64_t kMsPerSecond = 1000;
inline constexpr int64_t kMsPerMinute = 60 * kMsPerSecond;
inline constexpr int64_t kMsPerHour = 60 * kMsPerMinute;
inline constexpr int64_t kMsPerDay = 24 * kMsPerHour;
inline constexpr int32_t kNanosPerMs = 1'000'000;

inline int64_t FloorDiv(int64_t value, int64_t divisor) {
  const int64_t quotient = value / divisor;
  return quotient - ((value % divisor != 0) & ((value ^ divisor) < 0));
}
inline int64_t FloorMod(int64_t value, int64_t divisor) {
  return value - FloorDiv(value, divisor) * divisor;
}

struct CivilDate {
  int32_t year = 1970;
  int32_t month = 1;  // 1 .. 12
  int32_t day = 1;    // 1 .. 31
};

// Days since 1970-01-01. REQUIRES: a month of 1 .. 12; a day past the month's end runs on.
int32_t DaysFromCivil(int64_t year, int32_t month, int32_t day);
CivilDate CivilFromDays(int32_t days);
bool IsLeapYear(int64_t year);
int32_t DaysInMonth(int64_t year, int32_t month);
// Monday is 1, Sunday 7.
inline int32_t IsoDayOfWeek(int32_t days) {
  return static_cast<int32_t>(FloorMod(static_cast<int64_t>(days) + 3, 7)) + 1;
}
// ISO 8601 week of the year, 1 .. 53, and the year that it belongs to.
struct IsoWeek {
  int32_t year;
  int32_t week;
};
IsoWeek IsoWeekOf(int32_t days);

// Adds months; a day past the end of the month becomes its last one, as Flink's addMonths.
int32_t AddMonths(int32_t days, int64_t months);
int64_t AddMonthsToMs(int64_t ms, int64_t months);
// Whole months between two times (Flink's subtractMonths): negative if `from` is later.
int32_t MonthsBetweenDays(int32_t to, int32_t from);
int32_t MonthsBetweenMs(int64_t to_ms, int64_t from_ms);

// A date with a time of the day.
struct CivilTime {
  CivilDate date;
  int32_t hour = 0;
  int32_t minute = 0;
  int32_t second = 0;
  int32_t nanosecond = 0;
};
CivilTime CivilTimeFrom(TimestampNanos time);
TimestampNanos TimestampFrom(const CivilTime& time);

// Values of TIMESTAMP columns by precision: int64 ms up to 3, int64 us up to 6, else
// TimestampNanos.
inline TimestampNanos TimestampFromMicros(int64_t us) {
  const int64_t ms = FloorDiv(us, 1000);
  return {ms, static_cast<int32_t>(us - ms * 1000) * 1000};
}
inline int64_t MicrosOf(TimestampNanos time) { return time.ms * 1000 + time.nanos / 1000; }
// Cuts fractional digits behind `precision` off, towards the past.
TimestampNanos TruncateToPrecision(TimestampNanos time, int precision);

}  // namespace millrace::runtime
