#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/types/value_types.h"

namespace millrace::connectors {

// Dates and times as Flink's formats read and write them by java.time's formatters: digits in full
// ("05", never "5"), nothing before or behind.

// How invalid days of a month are taken: java.time's ResolverStyle.
enum class DayRule : uint8_t {
  kStrict,     // 30 February is an error
  kClampToEnd  // days up to 31 become the last of the month (SMART)
};

// ISO_LOCAL_DATE: "2013-01-31", "+12013-01-31", "-0001-01-31".
bool ParseIsoDate(std::string_view text, DayRule rule, int32_t* days);
// "05:15:00" with up to 9 digits of a fraction. `seconds_required` false (ISO_LOCAL_TIME): "05:15".
bool ParseIsoTime(std::string_view text, bool seconds_required, int64_t* nanos_of_day);
// A date, `separator`, a time, and "Z" if `utc`. ISO_LOCAL_TIME behind a 'T', else with seconds.
bool ParseIsoDateTime(std::string_view text, char separator, bool utc, DayRule rule,
                      runtime::TimestampNanos* time);

// "05:15:00" and as many digits of the fraction as it has: ".5".
void AppendIsoTime(int64_t nanos_of_day, std::string* to);
void AppendIsoDate(int32_t days, std::string* to);
// "2013-01-01 05:15:00.5"; with 'Z' behind if `utc`.
void AppendIsoDateTime(runtime::TimestampNanos time, char separator, bool utc, std::string* to);

}  // namespace millrace::connectors
