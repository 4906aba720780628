#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/types/value_types.h"

namespace millrace::operators {

// Units of EXTRACT, FLOOR, CEIL, TIMESTAMPADD and TIMESTAMPDIFF (Flink's TimeUnitRange).
enum class TimeUnit : uint8_t {
  kNanosecond,
  kMicrosecond,
  kMillisecond,
  kSecond,
  kMinute,
  kHour,
  kDay,
  kWeek,
  kMonth,
  kQuarter,
  kYear,
  kDecade,
  kCentury,
  kMillennium,
  kEpoch,
  kDow,
  kIsoDow,
  kDoy,
  kIsoYear,
};
// By the symbol of plans: "YEAR". False: not one that is known.
bool ParseTimeUnit(std::string_view symbol, TimeUnit* unit);

// The functions below follow Flink's DateTimeUtils to the letter: before 1970 they divide towards
// zero, so that EXTRACT(HOUR ...) may be negative.

// A field of a date. REQUIRES: kDay or coarser, a day count, or kEpoch.
int64_t ExtractFromDate(TimeUnit unit, int32_t days);
// A field of a wall-clock time.
int64_t ExtractFromTimestamp(TimeUnit unit, runtime::TimestampNanos local);
// A field of an interval or of a time of the day, in milliseconds or months.
int64_t ExtractFromMs(TimeUnit unit, int64_t ms);
int64_t ExtractFromMonths(TimeUnit unit, int32_t months);
// First day of the unit, or of the next one for `ceil`.
int32_t RoundDate(TimeUnit unit, int32_t days, bool ceil);
// Rounds a wall-clock time down or up.
int64_t RoundMs(TimeUnit unit, int64_t local_ms, bool ceil);

}  // namespace millrace::operators
