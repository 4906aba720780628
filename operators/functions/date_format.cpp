#include <limits>

#include "operators/functions/function_table.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/date_time_pattern.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/number_text.h"

// DATE_FORMAT, TO_TIMESTAMP, TO_DATE, FROM_UNIXTIME, UNIX_TIMESTAMP, CONVERT_TZ: times by patterns.

namespace millrace::operators {
namespace {

using runtime::DateTimePattern;
using runtime::FloorDiv;
using runtime::kMsPerDay;
using runtime::Result;
using runtime::Status;
using runtime::TimestampNanos;
using runtime::TypeKind;
using Dialect = DateTimePattern::Dialect;

constexpr std::string_view kDefaultPattern = "yyyy-MM-dd HH:mm:ss";

// Compiles a pattern once if it is the same in every row. A malformed one gives NULL, or an error
// of the row where Flink throws.
class PatternCache {
 public:
  explicit PatternCache(Dialect dialect) : dialect_(dialect) {}
  // Null: malformed.
  const DateTimePattern* Get(std::string_view text) {
    if (known_ && text == text_) return valid_ ? &pattern_ : nullptr;
    known_ = true;
    text_ = text;
    Result<DateTimePattern> compiled = DateTimePattern::Compile(text, dialect_);
    valid_ = compiled.ok();
    if (valid_) pattern_ = std::move(*compiled);
    return valid_ ? &pattern_ : nullptr;
  }
  std::string Why(std::string_view text) const {
    return DateTimePattern::Compile(text, dialect_).status().message();
  }

 private:
  Dialect dialect_;
  bool known_ = false;
  bool valid_ = false;
  std::string text_;
  DateTimePattern pattern_;
};

struct Zoned {
  runtime::TimeZone zone;
  bool local = false;
  Status prepare(const CallShape& call) {
    if (!call.operands.empty()) local = call.operands[0].type.kind() == TypeKind::kTimestampLtz;
    ASSIGN_OR_RETURN(zone, runtime::TimeZone::Find(call.settings->time_zone));
    return Status::Ok();
  }
  // Reads by SimpleDateFormat in a zone.
  static bool ReadUtc(const DateTimePattern& pattern, std::string_view text, runtime::TimeZone* in,
                      int64_t* utc_ms) {
    TimestampNanos time;
    bool has_offset = false;
    if (!pattern.Parse(text, &time, &has_offset)) return false;
    *utc_ms = has_offset ? time.ms : in->ToUtc(time.ms);
    return true;
  }
};

struct FormatTimestamp : Zoned {
  PatternCache patterns{Dialect::kDateTimeFormatter};
  Outcome call(StringResult& result, TimestampNanos time, std::string_view format) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    if (local) time.ms = zone.ToLocal(time.ms);
    pattern->Format(time, 0, "UTC", &result.Writer());
    return Outcome::kValue;
  }
  std::string explain(TimestampNanos, std::string_view format) const {
    return patterns.Why(format);
  }
};
struct FormatDate : Zoned {
  PatternCache patterns{Dialect::kSimpleDateFormat};
  Outcome call(StringResult& result, Date date, std::string_view format) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    pattern->Format({date.days * kMsPerDay, 0}, 0, "UTC", &result.Writer());
    return Outcome::kValue;
  }
  std::string explain(Date, std::string_view format) const { return patterns.Why(format); }
};
struct FormatText {
  PatternCache reads{Dialect::kSimpleDateFormat};
  PatternCache writes{Dialect::kSimpleDateFormat};
  Outcome call(StringResult& result, std::string_view text, std::string_view format) {
    const DateTimePattern* pattern = writes.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    runtime::TimeZone utc;
    int64_t ms = 0;
    if (!Zoned::ReadUtc(*reads.Get(kDefaultPattern), text, &utc, &ms)) return Outcome::kNull;
    pattern->Format({ms, 0}, 0, "UTC", &result.Writer());
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view format) const {
    return writes.Why(format);
  }
};

// TO_TIMESTAMP: digits behind milliseconds are cut off; what can't be read is NULL.
struct ToTimestamp {
  bool call(TimestampNanos& result, std::string_view text) {
    return runtime::ParseTimestamp(text, 3, &result);
  }
};
struct ToTimestampFormat {
  PatternCache patterns{Dialect::kDateTimeFormatter};
  Outcome call(TimestampNanos& result, std::string_view text, std::string_view format) {
    return Read(patterns, text, format, &result);
  }
  std::string explain(std::string_view, std::string_view format) const {
    return patterns.Why(format);
  }

  static Outcome Read(PatternCache& patterns, std::string_view text, std::string_view format,
                      TimestampNanos* result) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    bool has_offset = false;
    if (pattern->Parse(text, result, &has_offset)) {
      result->nanos = 0;
      return Outcome::kValue;
    }
    // As Flink falls back to java.sql.Timestamp.valueOf and Date.valueOf.
    return runtime::ParseTimestamp(runtime::TrimJava(text), 3, result) ? Outcome::kValue
                                                                       : Outcome::kNull;
  }
};
// TO_TIMESTAMP_LTZ of strings reads UTC unless a zone is given, whatever the session zone.
struct ToLtz {
  bool call(TimestampNanos& result, std::string_view text) {
    return runtime::ParseTimestamp(text, 3, &result);
  }
};
struct ToLtzFormatZone {
  PatternCache patterns{Dialect::kDateTimeFormatter};
  Outcome call(TimestampNanos& result, std::string_view text, std::string_view format,
               std::string_view zone_name) {
    const Outcome outcome = ToTimestampFormat::Read(patterns, text, format, &result);
    if (outcome != Outcome::kValue) return outcome;
    Result<runtime::TimeZone> zone = runtime::TimeZone::Find(zone_name);
    if (!zone.ok()) return Outcome::kNull;
    result.ms = zone->ToUtc(result.ms);
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view format, std::string_view) const {
    return patterns.Why(format);
  }
};

struct ToDate {
  bool call(Date& result, std::string_view text) { return runtime::ParseDate(text, &result.days); }
};
struct ToDateFormat {
  PatternCache patterns{Dialect::kSimpleDateFormat};
  Outcome call(Date& result, std::string_view text, std::string_view format) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    runtime::TimeZone utc;
    int64_t ms = 0;
    // What can't be read is Long.MIN_VALUE to Flink, whose day it takes as an int.
    if (!Zoned::ReadUtc(*pattern, text, &utc, &ms)) ms = INT64_MIN;
    result.days = static_cast<int32_t>(ms == INT64_MIN ? ms / kMsPerDay : FloorDiv(ms, kMsPerDay));
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view format) const {
    return patterns.Why(format);
  }
};

struct FromUnixTimeFormat : Zoned {
  PatternCache patterns{Dialect::kSimpleDateFormat};
  Outcome call(StringResult& result, int64_t seconds, std::string_view format) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    const int64_t utc_ms = static_cast<int64_t>(static_cast<uint64_t>(seconds) * 1000);
    const int64_t offset_ms = zone.OffsetAtUtc(utc_ms);
    pattern->Format({utc_ms + offset_ms, 0}, offset_ms, zone.name(), &result.Writer());
    return Outcome::kValue;
  }
  std::string explain(int64_t, std::string_view format) const { return patterns.Why(format); }
};
struct FromUnixTime : FromUnixTimeFormat {
  Outcome call(StringResult& result, int64_t seconds) {
    return FromUnixTimeFormat::call(result, seconds, kDefaultPattern);
  }
  std::string explain(int64_t) const { return ""; }
};

// What can't be read is Long.MIN_VALUE in Flink, not NULL.
struct UnixTimestampFormat : Zoned {
  PatternCache patterns{Dialect::kSimpleDateFormat};
  Outcome call(int64_t& result, std::string_view text, std::string_view format) {
    const DateTimePattern* pattern = patterns.Get(format);
    if (pattern == nullptr) return Outcome::kError;
    int64_t utc_ms = 0;
    result = ReadUtc(*pattern, text, &zone, &utc_ms) ? utc_ms / 1000
                                                     : std::numeric_limits<int64_t>::min();
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view format) const {
    return patterns.Why(format);
  }
};
struct UnixTimestamp : UnixTimestampFormat {
  Outcome call(int64_t& result, std::string_view text) {
    return UnixTimestampFormat::call(result, text, kDefaultPattern);
  }
  std::string explain(std::string_view) const { return ""; }
};

struct ConvertZone {
  PatternCache patterns{Dialect::kSimpleDateFormat};
  runtime::TimeZone from;
  runtime::TimeZone to;
  bool call(StringResult& result, std::string_view text, std::string_view from_name,
            std::string_view to_name) {
    // java.util.TimeZone takes unknown names for GMT.
    if (from.name() != from_name) from = Find(from_name);
    if (to.name() != to_name) to = Find(to_name);
    const DateTimePattern& pattern = *patterns.Get(kDefaultPattern);
    int64_t utc_ms = 0;
    if (!Zoned::ReadUtc(pattern, text, &from, &utc_ms)) return false;
    pattern.Format({to.ToLocal(utc_ms), 0}, 0, "", &result.Writer());
    return true;
  }
  static runtime::TimeZone Find(std::string_view name) {
    Result<runtime::TimeZone> zone = runtime::TimeZone::Find(name);
    return zone.ok() ? std::move(*zone) : runtime::TimeZone();
  }
};

constexpr FunctionEntry kEntries[] = {
    {"DATE_FORMAT", "(TIMESTAMP, STRING) -> STRING", BindScalar<FormatTimestamp>},
    {"DATE_FORMAT", "(DATE, STRING) -> STRING", BindScalar<FormatDate>},
    {"DATE_FORMAT", "(STRING, STRING) -> STRING", BindScalar<FormatText>},
    {"TO_TIMESTAMP", "(STRING) -> TIMESTAMP(3)", BindScalar<ToTimestamp>},
    {"TO_TIMESTAMP", "(STRING, STRING) -> TIMESTAMP(3)", BindScalar<ToTimestampFormat>},
    {"TO_TIMESTAMP_LTZ", "(STRING) -> TIMESTAMP_LTZ(3)", BindScalar<ToLtz>},
    {"TO_TIMESTAMP_LTZ", "(STRING, STRING) -> TIMESTAMP_LTZ(3)", BindScalar<ToTimestampFormat>},
    {"TO_TIMESTAMP_LTZ", "(STRING, STRING, STRING) -> TIMESTAMP_LTZ(3)",
     BindScalar<ToLtzFormatZone>},
    {"TO_DATE", "(STRING) -> DATE", BindScalar<ToDate>},
    {"TO_DATE", "(STRING, STRING) -> DATE", BindScalar<ToDateFormat>},
    {"FROM_UNIXTIME", "(BIGINT) -> STRING", BindScalar<FromUnixTime>},
    {"FROM_UNIXTIME", "(BIGINT, STRING) -> STRING", BindScalar<FromUnixTimeFormat>},
    {"UNIX_TIMESTAMP", "(STRING) -> BIGINT", BindScalar<UnixTimestamp>},
    {"UNIX_TIMESTAMP", "(STRING, STRING) -> BIGINT", BindScalar<UnixTimestampFormat>},
    {"CONVERT_TZ", "(STRING, STRING, STRING) -> STRING", BindScalar<ConvertZone>},
};

}  // namespace

std::span<const FunctionEntry> DateFormatFunctions() { return kEntries; }

}  // namespace millrace::operators
