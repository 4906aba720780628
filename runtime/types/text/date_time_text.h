#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/types/value_types.h"

namespace millrace::runtime {

// Text of dates, times and intervals as Flink's DateTimeUtils and java.time write and read it.

// ---- CAST(... AS STRING) ----
void AppendDate(int32_t days, std::string* to);                      // 2020-01-31
void AppendTime(int32_t ms_of_day, int precision, std::string* to);  // 10:00:01.5
void AppendTimestamp(TimestampNanos time, int precision,
                     std::string* to);                          // 2020-01-31 10:00:01.500
void AppendIntervalYearMonth(int32_t months, std::string* to);  // +1-02
void AppendIntervalDayTime(int64_t ms, std::string* to);        // +0 00:00:01.000

// ---- toString of java.time, in Rows ----
void AppendLocalDate(int32_t days, std::string* to);
void AppendLocalTime(int32_t ms_of_day, std::string* to);        // 10:00, 10:00:01.500
void AppendLocalDateTime(TimestampNanos time, std::string* to);  // 2020-01-31T10:00
void AppendInstant(TimestampNanos time, std::string* to);        // 2020-01-31T10:00:00Z
void AppendPeriod(int32_t months, std::string* to);              // P1Y2M
void AppendDuration(int64_t ms, std::string* to);                // PT1.5S

// ---- Reading ----
// DateTimeUtils.parseDate: "2020-1-31", "2020-01", "2020", what follows a blank is ignored.
bool ParseDate(std::string_view text, int32_t* days);
// DateTimeUtils.parseTime: "10", "10:30", "10:30:01.5", with an optional offset.
bool ParseTime(std::string_view text, int32_t* ms_of_day);
// "2020-1-31", "2020-01-31 10:00:01.123456789"; digits behind `precision` are cut off.
bool ParseTimestamp(std::string_view text, int precision, TimestampNanos* out);
// The messages of Flink's exceptions for texts that the two refuse.
std::string WhyNotTime(std::string_view text);
std::string WhyNotTimestamp(std::string_view text);
// As ParseTimestamp, also with 'T' between date and time, and with "Z" or an offset at the end:
// what LocalDateTime and Instant write (tests, JSON). *has_offset: the time is UTC.
bool ParseIsoTimestamp(std::string_view text, int precision, TimestampNanos* out, bool* has_offset);

}  // namespace millrace::runtime
