#include <catch2/catch.hpp>

#include "runtime/types/text/civil_time.h"
#include "runtime/types/text/date_time_pattern.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/time_zone.h"
#include "runtime/types/text/value_text.h"

using namespace millrace::runtime;  // NOLINT

namespace {

TimestampNanos Time(std::string_view text) {
  TimestampNanos time;
  REQUIRE(ParseTimestamp(text, 9, &time));
  return time;
}

template <typename Append, typename... Values>
std::string Text(Append append, Values... values) {
  std::string text;
  append(values..., &text);
  return text;
}

std::string Format(
    std::string_view pattern, TimestampNanos time,
    DateTimePattern::Dialect dialect = DateTimePattern::Dialect::kDateTimeFormatter) {
  auto compiled = DateTimePattern::Compile(pattern, dialect);
  REQUIRE(compiled.ok());
  std::string text;
  compiled->Format(time, 8 * kMsPerHour, "Asia/Shanghai", &text);
  return text;
}

}  // namespace

TEST_CASE("days and dates, both ways over 4,000 years") {
  for (int32_t days = -800'000; days < 800'000; days += 7) {
    const CivilDate date = CivilFromDays(days);
    REQUIRE(DaysFromCivil(date.year, date.month, date.day) == days);
  }
  CHECK(DaysFromCivil(1970, 1, 1) == 0);
  CHECK(IsoDayOfWeek(0) == 4);
  CHECK(AddMonths(DaysFromCivil(2020, 1, 31), 1) == DaysFromCivil(2020, 2, 29));
  CHECK(AddMonths(DaysFromCivil(2020, 1, 31), -2) == DaysFromCivil(2019, 11, 30));
  CHECK(IsoWeekOf(DaysFromCivil(2021, 1, 3)).week == 53);
}

TEST_CASE("casts to strings") {
  CHECK(Text(AppendTimestamp, Time("2020-01-31 10:00:01.5"), 3) == "2020-01-31 10:00:01.500");
  CHECK(Text(AppendTimestamp, Time("2020-01-31 10:00:01"), 0) == "2020-01-31 10:00:01");
  CHECK(Text(AppendTimestamp, Time("1969-12-31 23:59:59.999999999"), 9) ==
        "1969-12-31 23:59:59.999999999");
  CHECK(Text(AppendTime, 36'601'120, 3) == "10:10:01.12");
  CHECK(Text(AppendTime, 36'601'000, 3) == "10:10:01.0");
  CHECK(Text(AppendTime, 36'601'000, 0) == "10:10:01");
  CHECK(Text(AppendIntervalYearMonth, 14) == "+1-02");
  CHECK(Text(AppendIntervalYearMonth, -14) == "-1-02");
  CHECK(Text(AppendIntervalDayTime, 1000) == "+0 00:00:01.000");
  CHECK(Text(AppendIntervalDayTime, -90'061'001) == "-1 01:01:01.001");
}

TEST_CASE("texts of java.time") {
  CHECK(Text(AppendLocalDateTime, Time("2020-10-10 00:00:00")) == "2020-10-10T00:00");
  CHECK(Text(AppendLocalDateTime, Time("2020-10-10 00:00:01")) == "2020-10-10T00:00:01");
  CHECK(Text(AppendLocalDateTime, Time("2020-10-10 00:00:00.12")) == "2020-10-10T00:00:00.120");
  CHECK(Text(AppendInstant, Time("2020-10-10 00:00:00")) == "2020-10-10T00:00:00Z");
  CHECK(Text(AppendLocalTime, 36'600'000) == "10:10");
  CHECK(Text(AppendPeriod, 14) == "P1Y2M");
  CHECK(Text(AppendPeriod, 0) == "P0D");
  CHECK(Text(AppendDuration, 90'000'000) == "PT25H");
  CHECK(Text(AppendDuration, -500) == "PT-0.5S");
  CHECK(Text(AppendDuration, 3'661'500) == "PT1H1M1.5S");
}

TEST_CASE("reading dates and times") {
  int32_t value = 0;
  CHECK((ParseDate("2020-1-1", &value) && value == DaysFromCivil(2020, 1, 1)));
  CHECK((ParseDate("2020-01-02 10:00:00", &value) && value == DaysFromCivil(2020, 1, 2)));
  CHECK((ParseDate("2020", &value) && value == DaysFromCivil(2020, 1, 1)));
  CHECK_FALSE(ParseDate("2020-02-30", &value));
  CHECK_FALSE(ParseDate("2020-13-01", &value));
  CHECK_FALSE(ParseDate("x", &value));
  CHECK((ParseTime("10:10:10.5", &value) && value == 36'610'500));
  CHECK_FALSE(ParseTime("25:00:00", &value));
  TimestampNanos time;
  CHECK(ParseTimestamp("2020-2-30", 3, &time));  // the last day, as java.time's SMART resolver
  CHECK(time.ms == Time("2020-02-29").ms);
  CHECK_FALSE(ParseTimestamp("2020-10-10 10:10", 3, &time));
  CHECK_FALSE(ParseTimestamp(" 2020-10-10", 3, &time));
  CHECK(WhyNotTimestamp("2020-10-10T10:10:10") ==
        "Text '2020-10-10T10:10:10' could not be parsed, unparsed text found at index 10");
  bool has_offset = false;
  CHECK(ParseIsoTimestamp("2020-10-10T10:10:10.5Z", 3, &time, &has_offset));
  CHECK(has_offset);
  CHECK(ParseIsoTimestamp("2020-10-10T10:10", 3, &time, &has_offset));
  CHECK_FALSE(has_offset);
}

TEST_CASE("time zones as java.time: gaps move on, overlaps take the earlier") {
  auto zone = TimeZone::Find("America/Los_Angeles");
  REQUIRE(zone.ok());
  CHECK(zone->ToLocal(Time("2024-01-01 08:00:00").ms) == Time("2024-01-01 00:00:00").ms);
  CHECK(zone->ToLocal(Time("2024-07-01 07:00:00").ms) == Time("2024-07-01 00:00:00").ms);
  CHECK(zone->ToUtc(Time("2024-03-10 02:30:00").ms) == Time("2024-03-10 10:30:00").ms);  // gap
  CHECK(zone->ToUtc(Time("2024-11-03 01:30:00").ms) == Time("2024-11-03 08:30:00").ms);  // twice
  CHECK(TimeZone::Find("GMT+8")->ToLocal(0) == 8 * kMsPerHour);
  CHECK(TimeZone::Find("-03:30")->ToLocal(0) == -210 * kMsPerMinute);
  CHECK_FALSE(TimeZone::Find("Nowhere/Else").ok());
}

TEST_CASE("date patterns of both dialects") {
  const TimestampNanos time = Time("2020-10-11 10:00:01.555");
  CHECK(Format("yyyy-MM-dd HH:mm:ss.SSS", time) == "2020-10-11 10:00:01.555");
  CHECK(
      Format("Q w W e E u L LLL MMMM EEEE k K H h A n N S SS SSSSSS", time) ==
      "4 42 3 1 Sun 2020 10 Oct October Sunday 10 10 10 10 36001555 555000000 36001555000000 5 55 "
      "555000");
  CHECK(Format("YYYY-MM-dd G B", time) == "2020-10-11 AD in the morning");
  CHECK(Format("'T'''D", time) == "T'285");
  CHECK(Format("EEE, d MMM yyyy HH:mm:ss Z u", time, DateTimePattern::Dialect::kSimpleDateFormat) ==
        "Sun, 11 Oct 2020 10:00:01 +0800 7");
  CHECK_FALSE(
      DateTimePattern::Compile("yyyy-bb", DateTimePattern::Dialect::kDateTimeFormatter).ok());
  CHECK_FALSE(DateTimePattern::Compile("'open", DateTimePattern::Dialect::kDateTimeFormatter).ok());

  const auto read = [](std::string_view pattern, std::string_view text, TimestampNanos* out,
                       DateTimePattern::Dialect dialect) {
    bool has_offset = false;
    return DateTimePattern::Compile(pattern, dialect)->Parse(text, out, &has_offset);
  };
  constexpr auto kTime = DateTimePattern::Dialect::kDateTimeFormatter;
  constexpr auto kSimple = DateTimePattern::Dialect::kSimpleDateFormat;
  TimestampNanos out;
  REQUIRE(read("yyyyMMdd", "20201011", &out, kTime));
  CHECK(out == Time("2020-10-11"));
  REQUIRE(read("dd MMM yyyy", "11 Oct 2020", &out, kTime));
  CHECK(out == Time("2020-10-11"));
  REQUIRE(read("yyyy-MM-dd hh:mm:ss a", "2020-10-11 10:00:00 PM", &out, kTime));
  CHECK(out == Time("2020-10-11 22:00:00"));
  CHECK_FALSE(read("yyyy/MM", "2020-10-11", &out, kTime));
  CHECK_FALSE(read("yyyy-MM-dd", "2020-10-11 behind", &out, kTime));
  CHECK_FALSE(read("yyyy-MM-dd", "2020-1-1", &out, kTime));
  REQUIRE(read("yyyy-MM-dd", "2020-1-1 behind", &out, kSimple));  // lenient
  CHECK(out == Time("2020-01-01"));
  REQUIRE(read("yyyy-MM-dd", "2020-13-01", &out, kSimple));
  CHECK(out == Time("2021-01-01"));
}

TEST_CASE("every type is read and printed") {
  TimeZone zone = *TimeZone::Find("Asia/Shanghai");
  const auto round = [&](const char* type_text, const char* text) {
    const LogicalType type = *LogicalType::Parse(type_text);
    VectorBuilder builder(ProcessPool(), type, 1);
    const Status parsed = ParseValue(text, &zone, &builder);
    if (!parsed.ok()) return "!! " + parsed.message();
    const VectorPtr vector = builder.Finish();
    std::string printed;
    AppendCastText(type, *vector, 0, &zone, &printed);
    printed += " | ";
    PrintValue(type, *vector, 0, &printed);
    return printed;
  };
  CHECK(round("BOOLEAN", "Yes") == "TRUE | true");
  CHECK(round("DECIMAL(10, 2)", "1.005") == "1.01 | 1.01");
  CHECK(round("DECIMAL(38, 18)", "0") == "0.000000000000000000 | 0E-18");
  CHECK(round("TIMESTAMP_LTZ(3)", "2020-10-10 08:00:00") ==
        "2020-10-10 08:00:00.000 | 2020-10-10T00:00:00Z");
  CHECK(round("TIMESTAMP(9)", "2020-10-10 08:00:00.000000001") ==
        "2020-10-10 08:00:00.000000001 | 2020-10-10T08:00:00.000000001");
  CHECK(round("BYTES", "ab") == "ab | [97, 98]");
  CHECK(round("CHAR(4)", "ab") == "ab   | ab  ");
  CHECK(round("VARCHAR(1)", "ab") == "a | a");
  CHECK(round("INT", "x") == "!! For input string: 'x'. Invalid character found.");
  CHECK(round("BOOLEAN", "maybe") == "!! Cannot parse 'maybe' as BOOLEAN.");
}
