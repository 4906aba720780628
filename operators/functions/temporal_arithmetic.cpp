#include "operators/functions/dense.h"
#include "operators/functions/function_table.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/civil_time.h"

// + and - of dates, times, timestamps and intervals; intervals times numbers.

namespace millrace::operators {
namespace {

using runtime::kMsPerDay;
using runtime::LogicalType;
using runtime::Result;
using runtime::TimestampNanos;
using runtime::TypeKind;

template <int kSign>
struct DateMonths {
  void call(Date& result, Date date, Months interval) {
    result.days = runtime::AddMonths(date.days, kSign * int64_t{interval.months});
  }
};
template <int kSign>
struct DateMilliseconds {
  void call(Date& result, Date date, Milliseconds interval) {
    result.days = static_cast<int32_t>(date.days + kSign * (interval.ms / kMsPerDay));
  }
};
// DATE + INTERVAL with a TIMESTAMP as the result.
template <int kSign>
struct DateToTimestamp {
  void call(TimestampNanos& result, Date date, Milliseconds interval) {
    result = {date.days * kMsPerDay + kSign * interval.ms, 0};
  }
};
template <int kSign>
struct TimeMilliseconds {
  void call(TimeOfDay& result, TimeOfDay time, Milliseconds interval) {
    result.ms = static_cast<int32_t>(runtime::FloorMod(time.ms + kSign * interval.ms, kMsPerDay));
  }
};
template <int kSign>
struct TimestampMonths {
  void call(TimestampNanos& result, TimestampNanos time, Months interval) {
    result = {runtime::AddMonthsToMs(time.ms, kSign * int64_t{interval.months}), time.nanos};
  }
};
template <int kSign>
struct TimestampMilliseconds {
  void call(TimestampNanos& result, TimestampNanos time, Milliseconds interval) {
    result = {time.ms + kSign * interval.ms, time.nanos};
  }
};
template <int kSign>
struct MonthsMonths {
  void call(Months& result, Months a, Months b) { result.months = a.months + kSign * b.months; }
};
template <int kSign>
struct MillisecondsMilliseconds {
  void call(Milliseconds& result, Milliseconds a, Milliseconds b) {
    result.ms = a.ms + kSign * b.ms;
  }
};

struct IntervalPlusDate {
  void call(Date& result, Months interval, Date date) {
    DateMonths<1>().call(result, date, interval);
  }
};
struct IntervalPlusTimestamp {
  void call(TimestampNanos& result, Milliseconds interval, TimestampNanos time) {
    TimestampMilliseconds<1>().call(result, time, interval);
  }
};

// Differences that the plan types as an interval (or, after REINTERPRET, a number).
struct TimestampDifference {
  void call(Milliseconds& result, TimestampNanos a, TimestampNanos b) { result.ms = a.ms - b.ms; }
};
struct TimestampDifferenceMonths {
  void call(Months& result, TimestampNanos a, TimestampNanos b) {
    result.months = runtime::MonthsBetweenMs(a.ms, b.ms);
  }
};
struct DateDifference {
  void call(Milliseconds& result, Date a, Date b) {
    result.ms = (int64_t{a.days} - b.days) * kMsPerDay;
  }
};
struct DateDifferenceMonths {
  void call(Months& result, Date a, Date b) {
    result.months = runtime::MonthsBetweenDays(a.days, b.days);
  }
};
struct DateTimestampDifference {
  void call(Milliseconds& result, Date a, TimestampNanos b) {
    result.ms = a.days * kMsPerDay - b.ms;
  }
};
struct TimestampDateDifference {
  void call(Milliseconds& result, TimestampNanos a, Date b) {
    result.ms = a.ms - b.days * kMsPerDay;
  }
};
struct TimeDifference {
  void call(Milliseconds& result, TimeOfDay a, TimeOfDay b) { result.ms = int64_t{a.ms} - b.ms; }
};

struct MillisecondsTimes {
  void call(Milliseconds& result, Milliseconds a, int64_t b) { result.ms = a.ms * b; }
};
struct TimesMilliseconds {
  void call(Milliseconds& result, int64_t a, Milliseconds b) { result.ms = a * b.ms; }
};
struct MonthsTimes {
  void call(Months& result, Months a, int32_t b) { result.months = a.months * b; }
};
struct TimesMonths {
  void call(Months& result, int32_t a, Months b) { result.months = a * b.months; }
};
struct MillisecondsBy {
  Outcome call(Milliseconds& result, Milliseconds a, int64_t b) {
    if (b == 0) return Outcome::kError;
    result.ms = a.ms / b;
    return Outcome::kValue;
  }
  std::string explain(Milliseconds, int64_t) const { return "/ by zero"; }
};

// The result type tells differences from sums: TIMESTAMP - TIMESTAMP is an interval.
template <typename F, TypeKind kResult>
Result<BoundCall> BindTo(const CallShape& call) {
  if (call.type.kind() != kResult) return BoundCall();
  return BindScalar<F>(call);
}

// Watermarks: `rowtime - INTERVAL` of millisecond timestamps, all rows at once.
template <int kSign>
struct AddMs {
  static int64_t Apply(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) +
                                static_cast<uint64_t>(kSign) * static_cast<uint64_t>(b));
  }
};
template <int kSign>
Result<BoundCall> BindMs(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 2 || !call.operands[0].type.is_timestamp() ||
      call.operands[0].type.precision() > 3 || !call.type.is_timestamp() ||
      call.type.precision() > 3 || call.operands[1].type.kind() != TypeKind::kIntervalDayTime) {
    return bound;
  }
  bound.kernel = std::make_unique<DenseBinary<AddMs<kSign>, int64_t, int64_t, int64_t>>(
      runtime::PhysicalType::kInt64);
  return bound;
}

#define SUM(NAME, SIGN)                                                                          \
  {NAME, "(TIMESTAMP, INTERVAL DAY) -> TIMESTAMP", BindMs<SIGN>},                                \
      {NAME, "(TIMESTAMP, INTERVAL DAY) -> TIMESTAMP", BindScalar<TimestampMilliseconds<SIGN>>}, \
      {NAME, "(TIMESTAMP, INTERVAL MONTH) -> TIMESTAMP", BindScalar<TimestampMonths<SIGN>>},     \
      {NAME, "(DATE, INTERVAL MONTH) -> DATE", BindTo<DateMonths<SIGN>, TypeKind::kDate>},       \
      {NAME, "(DATE, INTERVAL DAY) -> DATE", BindTo<DateMilliseconds<SIGN>, TypeKind::kDate>},   \
      {NAME, "(DATE, INTERVAL DAY) -> TIMESTAMP",                                                \
       BindTo<DateToTimestamp<SIGN>, TypeKind::kTimestamp>},                                     \
      {NAME, "(TIME, INTERVAL DAY) -> TIME", BindScalar<TimeMilliseconds<SIGN>>},                \
      {NAME, "(INTERVAL MONTH, INTERVAL MONTH) -> INTERVAL MONTH",                               \
       BindScalar<MonthsMonths<SIGN>>},                                                          \
  {                                                                                              \
    NAME, "(INTERVAL DAY, INTERVAL DAY) -> INTERVAL DAY",                                        \
        BindScalar<MillisecondsMilliseconds<SIGN>>                                               \
  }

constexpr FunctionEntry kEntries[] = {
    SUM("+", 1),
    SUM("-", -1),
    {"+", "(INTERVAL MONTH, DATE) -> DATE", BindScalar<IntervalPlusDate>},
    {"+", "(INTERVAL DAY, TIMESTAMP) -> TIMESTAMP", BindScalar<IntervalPlusTimestamp>},
    {"-", "(TIMESTAMP, TIMESTAMP) -> INTERVAL DAY",
     BindTo<TimestampDifference, TypeKind::kIntervalDayTime>},
    {"-", "(TIMESTAMP, TIMESTAMP) -> INTERVAL MONTH",
     BindTo<TimestampDifferenceMonths, TypeKind::kIntervalYearMonth>},
    {"-", "(DATE, DATE) -> INTERVAL DAY", BindTo<DateDifference, TypeKind::kIntervalDayTime>},
    {"-", "(DATE, DATE) -> INTERVAL MONTH",
     BindTo<DateDifferenceMonths, TypeKind::kIntervalYearMonth>},
    {"-", "(DATE, TIMESTAMP) -> INTERVAL DAY",
     BindTo<DateTimestampDifference, TypeKind::kIntervalDayTime>},
    {"-", "(TIMESTAMP, DATE) -> INTERVAL DAY",
     BindTo<TimestampDateDifference, TypeKind::kIntervalDayTime>},
    {"-", "(TIME, TIME) -> INTERVAL DAY", BindTo<TimeDifference, TypeKind::kIntervalDayTime>},
    {"*", "(INTERVAL DAY, BIGINT) -> INTERVAL DAY", BindScalar<MillisecondsTimes>},
    {"*", "(BIGINT, INTERVAL DAY) -> INTERVAL DAY", BindScalar<TimesMilliseconds>},
    {"*", "(INTERVAL MONTH, INT) -> INTERVAL MONTH", BindScalar<MonthsTimes>},
    {"*", "(INT, INTERVAL MONTH) -> INTERVAL MONTH", BindScalar<TimesMonths>},
    {"/", "(INTERVAL DAY, BIGINT) -> INTERVAL DAY", BindScalar<MillisecondsBy>},
};
#undef SUM

}  // namespace

std::span<const FunctionEntry> TemporalArithmeticFunctions() { return kEntries; }

}  // namespace millrace::operators
