#include "operators/functions/cast.h"
#include "operators/functions/dense.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/time_zone.h"

// CAST among DATE, TIME, TIMESTAMP, TIMESTAMP_LTZ, and from strings to these.

namespace millrace::operators {
namespace {

using runtime::kMsPerDay;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TimestampNanos;
using runtime::TypeKind;

struct ZonedCast {
  runtime::TimeZone zone;
  int precision = 0;
  Status prepare(const CallShape& call) {
    precision = call.type.precision();
    ASSIGN_OR_RETURN(zone, runtime::TimeZone::Find(call.settings->time_zone));
    return Status::Ok();
  }
};

int32_t CutTime(int64_t ms, int precision) {
  static constexpr int32_t kUnits[] = {1000, 100, 10, 1};
  const int32_t unit = kUnits[std::min(precision, 3)];
  return static_cast<int32_t>(ms / unit * unit);
}

// Flink divides towards zero: before 1970 a TIMESTAMP with a time of the day becomes the next DATE,
// and its TIME is negative.
struct TimestampToDate {
  void call(Date& result, TimestampNanos time) {
    result.days = static_cast<int32_t>(time.ms / kMsPerDay);
  }
};
struct TimestampToTime : ZonedCast {
  void call(TimeOfDay& result, TimestampNanos time) {
    result.ms = CutTime(time.ms % kMsPerDay, precision);
  }
};
struct LtzToDate : ZonedCast {
  void call(Date& result, TimestampNanos time) {
    result.days = static_cast<int32_t>(runtime::FloorDiv(zone.ToLocal(time.ms), kMsPerDay));
  }
};
struct LtzToTime : ZonedCast {
  void call(TimeOfDay& result, TimestampNanos time) {
    result.ms = CutTime(runtime::FloorMod(zone.ToLocal(time.ms), kMsPerDay), precision);
  }
};
struct DateToTimestamp {
  void call(TimestampNanos& result, Date date) { result = {date.days * kMsPerDay, 0}; }
};
struct DateToLtz : ZonedCast {
  void call(TimestampNanos& result, Date date) { result = {zone.ToUtc(date.days * kMsPerDay), 0}; }
};
struct TimeToTimestamp {
  void call(TimestampNanos& result, TimeOfDay time) { result = {time.ms, 0}; }
};
struct TimeToLtz : ZonedCast {
  void call(TimestampNanos& result, TimeOfDay time) { result = {zone.ToUtc(time.ms), 0}; }
};
struct TimeToTime : ZonedCast {
  void call(TimeOfDay& result, TimeOfDay time) { result.ms = CutTime(time.ms, precision); }
};
// As Flink's DateTimeUtils.truncate, which cuts milliseconds towards 1970.
TimestampNanos Truncated(TimestampNanos time, int precision) {
  static constexpr int64_t kUnits[] = {1000, 100, 10};
  if (precision >= 3) return runtime::TruncateToPrecision(time, precision);
  return {time.ms / kUnits[precision] * kUnits[precision], 0};
}
struct TimestampToTimestamp : ZonedCast {
  void call(TimestampNanos& result, TimestampNanos time) {
    result = Truncated(time, precision);
  }
};
struct TimestampToLtz : ZonedCast {
  void call(TimestampNanos& result, TimestampNanos time) {
    result = Truncated({zone.ToUtc(time.ms), time.nanos}, precision);
  }
};
struct LtzToTimestamp : ZonedCast {
  void call(TimestampNanos& result, TimestampNanos time) {
    result = Truncated({zone.ToLocal(time.ms), time.nanos}, precision);
  }
};

template <bool kTry>
constexpr Outcome kFailed = kTry ? Outcome::kNull : Outcome::kError;

template <bool kTry>
struct TextToDate {
  Outcome call(Date& result, std::string_view text) {
    return runtime::ParseDate(text, &result.days) ? Outcome::kValue : kFailed<kTry>;
  }
  std::string explain(std::string_view text) const {
    return "For input string: '" + std::string(text) + "'.";
  }
};
template <bool kTry>
struct TextToTime : ZonedCast {
  Outcome call(TimeOfDay& result, std::string_view text) {
    if (!runtime::ParseTime(text, &result.ms)) return kFailed<kTry>;
    result.ms = CutTime(result.ms, precision);
    return Outcome::kValue;
  }
  std::string explain(std::string_view text) const { return runtime::WhyNotTime(text); }
};
template <bool kTry, bool kLocal>
struct TextToTimestamp : ZonedCast {
  Outcome call(TimestampNanos& result, std::string_view text) {
    if (!runtime::ParseTimestamp(text, precision, &result)) return kFailed<kTry>;
    if constexpr (kLocal) result.ms = zone.ToUtc(result.ms);
    return Outcome::kValue;
  }
  std::string explain(std::string_view text) const { return runtime::WhyNotTimestamp(text); }
};

template <bool kTry>
Result<BoundCall> FromText(const CallShape& call) {
  switch (call.type.kind()) {
    case TypeKind::kDate:
      return BindScalar<TextToDate<kTry>>(call);
    case TypeKind::kTime:
      return BindScalar<TextToTime<kTry>>(call);
    case TypeKind::kTimestamp:
      return BindScalar<TextToTimestamp<kTry, false>>(call);
    case TypeKind::kTimestampLtz:
      return BindScalar<TextToTimestamp<kTry, true>>(call);
    default:
      return BoundCall();
  }
}

// Milliseconds and microseconds of TIMESTAMPs, all rows at once.
struct MsToUs {
  static int64_t Apply(int64_t ms) {
    return static_cast<int64_t>(static_cast<uint64_t>(ms) * 1000);
  }
};

}  // namespace

Result<BoundCall> BindTimeCast(const CallShape& call, bool try_cast) {
  const LogicalType& from = call.operands[0].type;
  const LogicalType& to = call.type;
  const TypeKind target = to.kind();
  switch (from.kind()) {
    case TypeKind::kChar:
    case TypeKind::kVarChar:
      return try_cast ? FromText<true>(call) : FromText<false>(call);
    case TypeKind::kDate:
      if (target == TypeKind::kTimestamp) return BindScalar<DateToTimestamp>(call);
      if (target == TypeKind::kTimestampLtz) return BindScalar<DateToLtz>(call);
      break;
    case TypeKind::kTime:
      if (target == TypeKind::kTime) return BindScalar<TimeToTime>(call);
      if (target == TypeKind::kTimestamp) return BindScalar<TimeToTimestamp>(call);
      if (target == TypeKind::kTimestampLtz) return BindScalar<TimeToLtz>(call);
      break;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: {
      const bool from_ltz = from.kind() == TypeKind::kTimestampLtz;
      if (target == from.kind()) {
        if (from.precision() <= 3 && to.precision() > 3 && to.precision() <= 6) {
          BoundCall bound;
          bound.kernel =
              std::make_unique<DenseUnary<MsToUs, int64_t, int64_t>>(runtime::PhysicalType::kInt64);
          return bound;
        }
        return BindScalar<TimestampToTimestamp>(call);
      }
      if (target == TypeKind::kDate) {
        return from_ltz ? BindScalar<LtzToDate>(call) : BindScalar<TimestampToDate>(call);
      }
      if (target == TypeKind::kTime) {
        return from_ltz ? BindScalar<LtzToTime>(call) : BindScalar<TimestampToTime>(call);
      }
      if (target == TypeKind::kTimestamp) return BindScalar<LtzToTimestamp>(call);
      if (target == TypeKind::kTimestampLtz) return BindScalar<TimestampToLtz>(call);
      break;
    }
    default:
      break;
  }
  return BoundCall();
}

}  // namespace millrace::operators
