#include "operators/window_table_function.h"

#include <catch2/catch.hpp>
#include <optional>

#include "tests/harness/operator_driver.h"

namespace millrace::tests {
namespace {

using Rows = std::vector<std::string>;

runtime::OperatorSpec Spec(const std::string& window, const std::string& type) {
  const bool local = type.find("LTZ") != std::string::npos;
  runtime::OperatorSpec spec;
  spec.config = R"({"windowing":{"strategy":"TimeAttribute","window":)" + window +
                R"(,"timeAttributeType":{"type":")" +
                (local ? "TIMESTAMP_WITH_LOCAL_TIME_ZONE" : "TIMESTAMP_WITHOUT_TIME_ZONE") +
                R"(","precision":3,"kind":"ROWTIME"},"timeAttributeIndex":1,"isRowtime":true}})";
  const std::string column = local ? "TIMESTAMP(3) WITH LOCAL TIME ZONE" : type;
  spec.inputs = {MakeRowType("s STRING, t " + column)};
  spec.output = MakeRowType("s STRING, t " + column +
                            ", ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL, wt " + column);
  return spec;
}

Rows Run(const runtime::OperatorSpec& spec, const Rows& rows, const std::string& zone = "UTC") {
  std::optional<Rows> first;
  for (int32_t input_rows : {1, 1024}) {
    for (int32_t batch_rows : {1, 2, 1024}) {
      for (bool selected : {false, true}) {
        OperatorDriver::Options options;
        options.input_rows = input_rows;
        options.batch_rows = batch_rows;
        options.selected = selected;
        options.time_zone = zone;
        OperatorDriver driver(operators::WindowTableFunction::Make, spec, options);
        driver.Process(rows);
        if (!first) first = driver.changelog();
        CHECK(driver.changelog() == *first);
      }
    }
  }
  return *first;
}

TEST_CASE("TUMBLE, HOP and CUMULATE expand rows to windows") {
  const Rows rows = {"-D[a long text that is kept, 2020-01-01 00:00:07]", "[b, null]",
                     "[c, 2020-01-01 00:00:10]"};
  CHECK(Run(Spec(R"({"type":"TumblingWindow","size":"PT10S"})", "TIMESTAMP(3)"), rows) ==
        Rows{"-D[a long text that is kept, 2020-01-01T00:00:07, 2020-01-01T00:00, "
             "2020-01-01T00:00:10, 2020-01-01T00:00:09.999]",
             "+I[c, 2020-01-01T00:00:10, 2020-01-01T00:00:10, 2020-01-01T00:00:20, "
             "2020-01-01T00:00:19.999]"});
  CHECK(Run(Spec(R"({"type":"HoppingWindow","size":"PT10S","slide":"PT5S"})", "TIMESTAMP(3)"),
            rows) == Rows{"-D[a long text that is kept, 2020-01-01T00:00:07, 2020-01-01T00:00:05, "
                          "2020-01-01T00:00:15, 2020-01-01T00:00:14.999]",
                          "-D[a long text that is kept, 2020-01-01T00:00:07, 2020-01-01T00:00, "
                          "2020-01-01T00:00:10, 2020-01-01T00:00:09.999]",
                          "+I[c, 2020-01-01T00:00:10, 2020-01-01T00:00:10, 2020-01-01T00:00:20, "
                          "2020-01-01T00:00:19.999]",
                          "+I[c, 2020-01-01T00:00:10, 2020-01-01T00:00:05, 2020-01-01T00:00:15, "
                          "2020-01-01T00:00:14.999]"});
  CHECK(Run(Spec(R"({"type":"CumulativeWindow","maxSize":"PT10S","step":"PT5S"})", "TIMESTAMP(3)"),
            rows) == Rows{"-D[a long text that is kept, 2020-01-01T00:00:07, 2020-01-01T00:00, "
                          "2020-01-01T00:00:10, 2020-01-01T00:00:09.999]",
                          "+I[c, 2020-01-01T00:00:10, 2020-01-01T00:00:10, 2020-01-01T00:00:15, "
                          "2020-01-01T00:00:14.999]",
                          "+I[c, 2020-01-01T00:00:10, 2020-01-01T00:00:10, 2020-01-01T00:00:20, "
                          "2020-01-01T00:00:19.999]"});
}

TEST_CASE("windows of TIMESTAMP_LTZ follow the wall clock of the session") {
  // 07:00 in Shanghai is one day earlier in UTC.
  CHECK(Run(Spec(R"({"type":"TumblingWindow","size":"PT24H"})", "LTZ"),
            {"[a, 2019-12-31 23:00:00]"}, "Asia/Shanghai") ==
        Rows{"+I[a, 2019-12-31T23:00:00Z, 2020-01-01T00:00, 2020-01-02T00:00, "
             "2020-01-01T15:59:59.999Z]"});
}

TEST_CASE("session windows are refused by name") {
  const auto made = operators::WindowTableFunction::Make(
      Spec(R"({"type":"SessionWindow","gap":"PT5S"})", "TIMESTAMP(3)"), {});
  REQUIRE(!made.ok());
  CHECK_THAT(made.status().ToString(), Catch::Contains("SessionWindow"));
}

}  // namespace
}  // namespace millrace::tests
