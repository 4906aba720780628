#include "operators/functions/calendar.h"

#include <utility>

#include "runtime/types/text/civil_time.h"

namespace millrace::operators {

using runtime::CivilDate;
using runtime::CivilFromDays;
using runtime::DaysFromCivil;
using runtime::FloorDiv;
using runtime::FloorMod;
using runtime::kMsPerDay;
using runtime::kMsPerHour;
using runtime::kMsPerMinute;
using runtime::kMsPerSecond;

bool ParseTimeUnit(std::string_view symbol, TimeUnit* unit) {
  static constexpr std::pair<std::string_view, TimeUnit> kUnits[] = {
      {"NANOSECOND", TimeUnit::kNanosecond},
      {"MICROSECOND", TimeUnit::kMicrosecond},
      {"MILLISECOND", TimeUnit::kMillisecond},
      {"SECOND", TimeUnit::kSecond},
      {"MINUTE", TimeUnit::kMinute},
      {"HOUR", TimeUnit::kHour},
      {"DAY", TimeUnit::kDay},
      {"WEEK", TimeUnit::kWeek},
      {"MONTH", TimeUnit::kMonth},
      {"QUARTER", TimeUnit::kQuarter},
      {"YEAR", TimeUnit::kYear},
      {"DECADE", TimeUnit::kDecade},
      {"CENTURY", TimeUnit::kCentury},
      {"MILLENNIUM", TimeUnit::kMillennium},
      {"EPOCH", TimeUnit::kEpoch},
      {"DOW", TimeUnit::kDow},
      {"ISODOW", TimeUnit::kIsoDow},
      {"DOY", TimeUnit::kDoy},
      {"ISOYEAR", TimeUnit::kIsoYear},
  };
  for (const auto& [name, value] : kUnits) {
    if (name == symbol) {
      *unit = value;
      return true;
    }
  }
  return false;
}

namespace {

// Flink's ISO week: of the year of its Thursday, as ISO 8601.
int32_t FirstMondayOfFirstWeek(int32_t year) {
  const int32_t first = DaysFromCivil(year, 1, 1);
  const int64_t of_week = runtime::IsoDayOfWeek(first) % 7;  // Sunday 0
  return first + static_cast<int32_t>((11 - of_week) % 7) - 3;
}

int32_t IsoWeekNumber(int32_t days, const CivilDate& date) {
  const int32_t of_week = runtime::IsoDayOfWeek(days);
  const int32_t monday = FirstMondayOfFirstWeek(date.year);
  if (date.month == 12 && date.day > 28) {
    return 31 - date.day + 4 > 7 - of_week && 31 - date.day + of_week >= 4 ? (days - monday) / 7 + 1
                                                                           : 1;
  }
  if (date.month == 1 && date.day < 5) {
    return 4 - date.day <= 7 - of_week && date.day - of_week >= -3
               ? 1
               : (days - FirstMondayOfFirstWeek(date.year - 1)) / 7 + 1;
  }
  return (days - monday) / 7 + 1;
}

// Milliseconds of a unit below a month.
int64_t MsOf(TimeUnit unit) {
  switch (unit) {
    case TimeUnit::kSecond:
      return kMsPerSecond;
    case TimeUnit::kMinute:
      return kMsPerMinute;
    case TimeUnit::kHour:
      return kMsPerHour;
    case TimeUnit::kDay:
      return kMsPerDay;
    case TimeUnit::kWeek:
      return 7 * kMsPerDay;
    default:
      return 1;
  }
}

}  // namespace

int64_t ExtractFromDate(TimeUnit unit, int32_t days) {
  const CivilDate date = CivilFromDays(days);
  const int64_t year = date.year;
  switch (unit) {
    case TimeUnit::kEpoch:
      return int64_t{days} * 86400;
    case TimeUnit::kYear:
      return year;
    case TimeUnit::kMonth:
      return date.month;
    case TimeUnit::kDay:
      return date.day;
    case TimeUnit::kQuarter:
      return (date.month + 2) / 3;
    case TimeUnit::kDow:
      return runtime::IsoDayOfWeek(days) % 7 + 1;
    case TimeUnit::kIsoDow:
      return runtime::IsoDayOfWeek(days);
    case TimeUnit::kWeek:
      return IsoWeekNumber(days, date);
    case TimeUnit::kIsoYear: {
      const int32_t week = IsoWeekNumber(days, date);
      if (week == 1 && date.month == 12) return year + 1;
      return date.month == 1 && week > 50 ? year - 1 : year;
    }
    case TimeUnit::kDoy:
      return days - DaysFromCivil(year, 1, 1) + 1;
    case TimeUnit::kDecade:
      return year / 10;
    case TimeUnit::kCentury:
      return year > 0 ? (year + 99) / 100 : (year - 99) / 100;
    case TimeUnit::kMillennium:
      return year > 0 ? (year + 999) / 1000 : (year - 999) / 1000;
    default:
      return 0;
  }
}

int64_t ExtractFromTimestamp(TimeUnit unit, runtime::TimestampNanos local) {
  switch (unit) {
    case TimeUnit::kEpoch:
      return local.ms / 1000;
    case TimeUnit::kMicrosecond:
      return local.ms % 1000 * 1000 + local.nanos / 1000;
    case TimeUnit::kNanosecond:
      return local.ms % 1000 * 1'000'000 + local.nanos;
    case TimeUnit::kMillisecond:
    case TimeUnit::kSecond:
    case TimeUnit::kMinute:
    case TimeUnit::kHour:
      return ExtractFromMs(unit, local.ms);
    default:
      return ExtractFromDate(unit, static_cast<int32_t>(local.ms / kMsPerDay));
  }
}

int64_t ExtractFromMs(TimeUnit unit, int64_t ms) {
  switch (unit) {
    case TimeUnit::kMillisecond:
      return ms % 1000;
    case TimeUnit::kMicrosecond:
      return ms % 1000 * 1000;
    case TimeUnit::kNanosecond:
      return ms % 1000 * 1'000'000;
    case TimeUnit::kSecond:
      return ms % kMsPerMinute / kMsPerSecond;
    case TimeUnit::kMinute:
      return ms % kMsPerHour / kMsPerMinute;
    case TimeUnit::kHour:
      return ms % kMsPerDay / kMsPerHour;
    case TimeUnit::kDay:
      return ms / kMsPerDay;
    case TimeUnit::kWeek:
      return ms / (7 * kMsPerDay);
    case TimeUnit::kEpoch:
      return ms / 1000;
    default:
      return 0;
  }
}

int64_t ExtractFromMonths(TimeUnit unit, int32_t months) {
  switch (unit) {
    case TimeUnit::kMonth:
      return months % 12;
    case TimeUnit::kQuarter:
      return months % 12 / 3;
    case TimeUnit::kYear:
      return months / 12;
    case TimeUnit::kDecade:
      return months / 120;
    case TimeUnit::kCentury:
      return months / 1200;
    case TimeUnit::kMillennium:
      return months / 12000;
    default:
      return 0;
  }
}

int32_t RoundDate(TimeUnit unit, int32_t days, bool ceil) {
  const CivilDate date = CivilFromDays(days);
  int64_t year = date.year;
  const auto first_of = [](int64_t y) { return DaysFromCivil(y, 1, 1); };
  switch (unit) {
    case TimeUnit::kMillennium:
      return first_of(1000 * ((year + 999) / 1000) + (ceil ? 1 : -999));
    case TimeUnit::kCentury:
      return first_of(100 * ((year + 99) / 100) + (ceil ? 1 : -99));
    case TimeUnit::kDecade:
      return first_of(10 * (year / 10 + (ceil ? 1 : 0)));
    case TimeUnit::kYear:
      return first_of(year + (ceil && (date.month > 1 || date.day > 1)));
    case TimeUnit::kQuarter: {
      const int32_t quarter = (date.month + 2) / 3 + (ceil && (date.month > 1 || date.day > 1));
      return DaysFromCivil(year + (quarter > 4), (quarter - 1) % 4 * 3 + 1, 1);
    }
    case TimeUnit::kMonth: {
      const int32_t month = date.month + (ceil && date.day > 1);
      return DaysFromCivil(year + (month > 12), (month - 1) % 12 + 1, 1);
    }
    case TimeUnit::kWeek: {
      int32_t offset = runtime::IsoDayOfWeek(days) % 7;
      if (ceil && offset > 0) offset -= 7;
      return days - offset;
    }
    default:
      return ceil ? days + 1 : days;
  }
}

int64_t RoundMs(TimeUnit unit, int64_t ms, bool ceil) {
  switch (unit) {
    case TimeUnit::kMillisecond:
    case TimeUnit::kSecond:
    case TimeUnit::kMinute:
    case TimeUnit::kHour:
    case TimeUnit::kDay: {
      const int64_t unit_ms = MsOf(unit);
      return (ceil ? -FloorDiv(-ms, unit_ms) : FloorDiv(ms, unit_ms)) * unit_ms;
    }
    default:
      return RoundDate(unit, static_cast<int32_t>(ms / kMsPerDay), ceil) * kMsPerDay;
  }
}

}  // namespace millrace::operators
