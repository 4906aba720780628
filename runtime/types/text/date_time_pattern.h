#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"
#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/time_zone.h"

namespace millrace::runtime {

// Writes and reads times by a pattern of letters in English, as java.time.format.DateTimeFormatter
// (DATE_FORMAT and TO_TIMESTAMP of timestamps) or java.text.SimpleDateFormat (FROM_UNIXTIME,
// UNIX_TIMESTAMP, TO_DATE, DATE_FORMAT of strings). The two differ in letters (u, S) and in what
// they read: SimpleDateFormat takes fewer digits, ignores text behind and rolls over-large fields
// on.
class DateTimePattern {
 public:
  enum class Dialect : uint8_t { kDateTimeFormatter, kSimpleDateFormat };

  static Result<DateTimePattern> Compile(std::string_view pattern, Dialect dialect);

  // Writes a wall-clock time; `offset_ms` and `zone_name` are for zone letters.
  void Format(TimestampNanos local, int64_t offset_ms, std::string_view zone_name,
              std::string* to) const;
  // Reads a wall-clock time; what the pattern lacks is 1970-01-01 00:00:00. False if the text does
  // not fit. *has_offset: the text names its offset, and *local is UTC.
  bool Parse(std::string_view text, TimestampNanos* local, bool* has_offset) const;

 private:
  struct Element {
    char letter = 0;  // 0: literal text
    int count = 0;
    std::string literal;
    bool optional_start = false;
    bool optional_end = false;
  };
  bool IsNumeric(const Element& element) const;

  Dialect dialect_ = Dialect::kDateTimeFormatter;
  std::vector<Element> elements_;
};

}  // namespace millrace::runtime
