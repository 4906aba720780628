#include <cmath>

#include "operators/functions/calendar.h"
#include "operators/functions/function_table.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/number_text.h"
#include "runtime/types/text/time_zone.h"

// EXTRACT, FLOOR and CEIL to a unit, TIMESTAMPADD and TIMESTAMPDIFF, and the functions that read
// the clock.

namespace millrace::operators {
namespace {

using runtime::kMsPerDay;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TimestampNanos;
using runtime::TypeKind;
using runtime::VectorPtr;

// ---- EXTRACT(unit, value): the symbol is the first operand, FLOOR and CEIL have it last. ----

// A function whose unit is a symbol operand. Inherits `unit` and the session zone.
struct UnitFunction {
  TimeUnit unit = TimeUnit::kYear;
  runtime::TimeZone zone;
  bool local = false;  // the time operand is TIMESTAMP_LTZ
  Status prepare(const CallShape& call) {
    for (const OperandShape& operand : call.operands) {
      if (!operand.symbol.empty() && !ParseTimeUnit(operand.symbol, &unit)) {
        return Status::User("unit " + operand.symbol + " is not supported, in " + call.text);
      }
      local |= operand.type.kind() == TypeKind::kTimestampLtz;
    }
    ASSIGN_OR_RETURN(zone, runtime::TimeZone::Find(call.settings->time_zone));
    return Status::Ok();
  }
};

struct ExtractTimestamp : UnitFunction {
  void call(int64_t& result, std::string_view, TimestampNanos time) {
    if (local) time.ms += zone.OffsetOfTimeZoneAtUtc(time.ms);
    result = ExtractFromTimestamp(unit, time);
  }
};
struct ExtractDate : UnitFunction {
  void call(int64_t& result, std::string_view, Date date) {
    result = ExtractFromDate(unit, date.days);
  }
};
struct ExtractTime : UnitFunction {
  void call(int64_t& result, std::string_view, TimeOfDay time) {
    result = ExtractFromMs(unit, time.ms);
  }
};
struct ExtractMs : UnitFunction {
  void call(int64_t& result, std::string_view, Milliseconds interval) {
    result = ExtractFromMs(unit, interval.ms);
  }
};
struct ExtractMonths : UnitFunction {
  void call(int64_t& result, std::string_view, Months interval) {
    result = ExtractFromMonths(unit, interval.months);
  }
};

template <bool kCeil>
struct RoundTimestamp : UnitFunction {
  void call(TimestampNanos& result, TimestampNanos time, std::string_view) {
    if (!local) {
      result = {RoundMs(unit, time.ms, kCeil), 0};
      return;
    }
    if (unit <= TimeUnit::kMinute) {
      result = {RoundMs(unit, time.ms, kCeil), 0};
      return;
    }
    const int64_t offset_ms = zone.OffsetAtUtc(time.ms);
    result = {RoundMs(unit, time.ms + offset_ms, kCeil) - offset_ms, 0};
  }
};
template <bool kCeil>
struct RoundDay : UnitFunction {
  void call(Date& result, Date date, std::string_view) {
    result.days = RoundDate(unit, date.days, kCeil);
  }
};
template <bool kCeil>
struct RoundTime : UnitFunction {
  void call(TimeOfDay& result, TimeOfDay time, std::string_view) {
    result.ms = static_cast<int32_t>(RoundMs(unit, time.ms, kCeil));
  }
};

// ---- TIMESTAMPDIFF(unit, from, to) ----

int64_t MsPerUnit(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSecond:
      return 1000;
    case TimeUnit::kMinute:
      return runtime::kMsPerMinute;
    case TimeUnit::kHour:
      return runtime::kMsPerHour;
    case TimeUnit::kDay:
      return kMsPerDay;
    case TimeUnit::kWeek:
      return 7 * kMsPerDay;
    default:
      return 1;
  }
}
int32_t MonthsPerUnit(TimeUnit unit) {
  return unit == TimeUnit::kMonth     ? 1
         : unit == TimeUnit::kQuarter ? 3
         : unit == TimeUnit::kYear    ? 12
                                      : 0;
}
int64_t Difference(TimeUnit unit, int64_t from_ms, int64_t to_ms) {
  const int32_t months = MonthsPerUnit(unit);
  if (months > 0) return runtime::MonthsBetweenMs(to_ms, from_ms) / months;
  return (to_ms - from_ms) / MsPerUnit(unit);
}
struct DifferenceTimestamps : UnitFunction {
  void call(int64_t& result, std::string_view, TimestampNanos from, TimestampNanos to) {
    result = Difference(unit, from.ms, to.ms);
  }
};
struct DifferenceDates : UnitFunction {
  void call(int64_t& result, std::string_view, Date from, Date to) {
    result = Difference(unit, from.days * kMsPerDay, to.days * kMsPerDay);
  }
};
struct DifferenceDateTimestamp : UnitFunction {
  void call(int64_t& result, std::string_view, Date from, TimestampNanos to) {
    result = Difference(unit, from.days * kMsPerDay, to.ms);
  }
};
struct DifferenceTimestampDate : UnitFunction {
  void call(int64_t& result, std::string_view, TimestampNanos from, Date to) {
    result = Difference(unit, from.ms, to.days * kMsPerDay);
  }
};

// ---- TO_TIMESTAMP_LTZ(number, precision), UNIX time ----

constexpr int64_t kLeastMs = -62'167'219'200'000;  // 0000-01-01
constexpr int64_t kMostMs = 253'402'300'799'999;   // 9999-12-31
constexpr int64_t kLeastSeconds = -62'167'219'200;
constexpr int64_t kMostSeconds = 253'402'300'799;

bool InYears(int64_t ms, TimestampNanos* result) {
  *result = {ms, 0};
  return ms >= kLeastMs && ms <= kMostMs;
}

struct IntegerToLtz {
  Outcome call(TimestampNanos& result, int64_t value, int32_t precision) {
    if (precision == 0) {
      if (value < kLeastSeconds || value > kMostSeconds) return Outcome::kNull;
      return InYears(value * 1000, &result) ? Outcome::kValue : Outcome::kNull;
    }
    if (precision != 3) return Outcome::kError;
    return InYears(value, &result) ? Outcome::kValue : Outcome::kNull;
  }
  std::string explain(int64_t, int32_t precision) const { return WrongPrecision(precision); }
  static std::string WrongPrecision(int32_t precision) {
    return "The precision value '" + std::to_string(precision) +
           "' for function TO_TIMESTAMP_LTZ(numeric, precision) is unsupported, the supported "
           "value "
           "is '0' for second or '3' for millisecond.";
  }
};
struct MsToLtz {
  bool call(TimestampNanos& result, int64_t value) { return InYears(value, &result); }
};
struct DoubleToLtz {
  Outcome call(TimestampNanos& result, double value, int32_t precision) {
    if (precision != 0 && precision != 3) return Outcome::kError;
    if (precision == 0) {
      if (!(value >= kLeastSeconds && value <= kMostSeconds)) return Outcome::kNull;
      value *= 1000;
    }
    if (!(value >= -9e18 && value <= 9e18)) return Outcome::kNull;
    return InYears(static_cast<int64_t>(value), &result) ? Outcome::kValue : Outcome::kNull;
  }
  std::string explain(double, int32_t precision) const {
    return IntegerToLtz::WrongPrecision(precision);
  }
};
struct DecimalToLtz {
  int scale = 0;
  Status prepare(const CallShape& call) {
    scale = call.operands[0].type.scale();
    return Status::Ok();
  }
  Outcome call(TimestampNanos& result, Decimal value, int32_t precision) {
    if (precision != 0 && precision != 3) return Outcome::kError;
    const auto whole = static_cast<int64_t>(runtime::TruncateScale(value.unscaled, scale, 0));
    return InYears(precision == 0 ? whole * 1000 : whole, &result) ? Outcome::kValue
                                                                   : Outcome::kNull;
  }
  std::string explain(Decimal, int32_t precision) const {
    return IntegerToLtz::WrongPrecision(precision);
  }
};

// ---- The clock: one value for a batch. ----

// What of the time at hand is asked for.
enum class Now : uint8_t { kLtz, kLocal, kDate, kTime, kUnixSeconds, kWatermark };

class NowKernel final : public Kernel {
 public:
  NowKernel(Now now, LogicalType type, runtime::TimeZone zone)
      : now_(now), type_(std::move(type)), zone_(std::move(zone)) {}
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr>) override {
    runtime::VectorBuilder builder(*context.pool, type_, 1);
    const int64_t local_ms = zone_.ToLocal(context.now_ms);
    switch (now_) {
      case Now::kLtz:
        Append(&builder, context.now_ms);
        break;
      case Now::kLocal:
        Append(&builder, local_ms);
        break;
      case Now::kDate:
        builder.Append(static_cast<int32_t>(runtime::FloorDiv(local_ms, kMsPerDay)));
        break;
      case Now::kTime:
        // TIME(0): whole seconds.
        builder.Append(static_cast<int32_t>(runtime::FloorMod(local_ms, kMsPerDay) / 1000 * 1000));
        break;
      case Now::kUnixSeconds:
        builder.Append(runtime::FloorDiv(context.now_ms, 1000));
        break;
      case Now::kWatermark:
        if (context.watermark == runtime::kMinTimestamp) {
          builder.AppendNull();
        } else {
          Append(&builder, context.watermark);
        }
        break;
    }
    return ConstantFrom(*builder.Finish(), 0, rows.length);
  }

 private:
  void Append(runtime::VectorBuilder* builder, int64_t ms) const {
    if (type_.precision() <= 3) {
      builder->Append(ms);
    } else if (type_.precision() <= 6) {
      builder->Append(ms * 1000);
    } else {
      builder->Append(TimestampNanos{ms, 0});
    }
  }
  Now now_;
  LogicalType type_;
  runtime::TimeZone zone_;
};

template <Now kNow>
Result<BoundCall> BindNow(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() > 1 || (kNow != Now::kWatermark && !call.operands.empty() &&
                                   !call.operands[0].type.is_timestamp())) {
    return bound;
  }
  const bool fits = kNow == Now::kDate          ? call.type.kind() == TypeKind::kDate
                    : kNow == Now::kTime        ? call.type.kind() == TypeKind::kTime
                    : kNow == Now::kUnixSeconds ? call.type.kind() == TypeKind::kBigInt
                                                : call.type.is_timestamp();
  if (!fits) return bound;
  ASSIGN_OR_RETURN(runtime::TimeZone zone, runtime::TimeZone::Find(call.settings->time_zone));
  bound.kernel = std::make_unique<NowKernel>(kNow, call.type, std::move(zone));
  bound.per_batch = true;
  bound.strict = false;
  return bound;
}

Result<BoundCall> BindNowOrNothing(const CallShape& call) {
  return call.operands.empty() ? BindNow<Now::kUnixSeconds>(call) : BoundCall();
}

constexpr FunctionEntry kEntries[] = {
    {"EXTRACT", "(unit, TIMESTAMP) -> BIGINT", BindScalar<ExtractTimestamp>},
    {"EXTRACT", "(unit, DATE) -> BIGINT", BindScalar<ExtractDate>},
    {"EXTRACT", "(unit, TIME) -> BIGINT", BindScalar<ExtractTime>},
    {"EXTRACT", "(unit, INTERVAL DAY) -> BIGINT", BindScalar<ExtractMs>},
    {"EXTRACT", "(unit, INTERVAL MONTH) -> BIGINT", BindScalar<ExtractMonths>},
    {"FLOOR", "(TIMESTAMP, unit) -> TIMESTAMP", BindScalar<RoundTimestamp<false>>},
    {"FLOOR", "(DATE, unit) -> DATE", BindScalar<RoundDay<false>>},
    {"FLOOR", "(TIME, unit) -> TIME", BindScalar<RoundTime<false>>},
    {"CEIL", "(TIMESTAMP, unit) -> TIMESTAMP", BindScalar<RoundTimestamp<true>>},
    {"CEIL", "(DATE, unit) -> DATE", BindScalar<RoundDay<true>>},
    {"CEIL", "(TIME, unit) -> TIME", BindScalar<RoundTime<true>>},
    {"TIMESTAMPDIFF", "(unit, TIMESTAMP, TIMESTAMP) -> INT", BindScalar<DifferenceTimestamps>},
    {"TIMESTAMPDIFF", "(unit, DATE, DATE) -> INT", BindScalar<DifferenceDates>},
    {"TIMESTAMPDIFF", "(unit, DATE, TIMESTAMP) -> INT", BindScalar<DifferenceDateTimestamp>},
    {"TIMESTAMPDIFF", "(unit, TIMESTAMP, DATE) -> INT", BindScalar<DifferenceTimestampDate>},
    {"TO_TIMESTAMP_LTZ", "(BIGINT, INT) -> TIMESTAMP_LTZ(3)", BindScalar<IntegerToLtz>},
    {"TO_TIMESTAMP_LTZ", "(BIGINT) -> TIMESTAMP_LTZ(3)", BindScalar<MsToLtz>},
    {"TO_TIMESTAMP_LTZ", "(DECIMAL, INT) -> TIMESTAMP_LTZ(3)", BindScalar<DecimalToLtz>},
    {"TO_TIMESTAMP_LTZ", "(DOUBLE, INT) -> TIMESTAMP_LTZ(3)", BindScalar<DoubleToLtz>},
    {"PROCTIME", "() -> TIMESTAMP_LTZ(3)", BindNow<Now::kLtz>},
    {"PROCTIME_MATERIALIZE", "(PROCTIME) -> TIMESTAMP_LTZ(3)", BindNow<Now::kLtz>},
    {"CURRENT_TIMESTAMP", "() -> TIMESTAMP_LTZ(3)", BindNow<Now::kLtz>},
    {"NOW", "() -> TIMESTAMP_LTZ(3)", BindNow<Now::kLtz>},
    {"CURRENT_ROW_TIMESTAMP", "() -> TIMESTAMP_LTZ(3)", BindNow<Now::kLtz>},
    {"LOCALTIMESTAMP", "() -> TIMESTAMP(3)", BindNow<Now::kLocal>},
    {"CURRENT_DATE", "() -> DATE", BindNow<Now::kDate>},
    {"CURRENT_TIME", "() -> TIME(0)", BindNow<Now::kTime>},
    {"LOCALTIME", "() -> TIME(0)", BindNow<Now::kTime>},
    {"UNIX_TIMESTAMP", "() -> BIGINT", BindNowOrNothing},
    {"CURRENT_WATERMARK", "(TIMESTAMP) -> TIMESTAMP", BindNow<Now::kWatermark>},
};

}  // namespace

std::span<const FunctionEntry> DateTimeFunctions() { return kEntries; }

}  // namespace millrace::operators
