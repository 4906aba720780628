#include <catch2/catch.hpp>

#include "operators/window_aggregate.h"
#include "tests/harness/operator_driver.h"
#include "tests/operators/aggregate_calls.h"

namespace millrace::tests {
namespace {

using Rows = std::vector<std::string>;

runtime::OperatorSpec Spec(const std::string& windowing, const std::string& properties,
                           const std::string& input, const std::string& output,
                           bool retract = false) {
  std::string list;
  for (const std::string kind : {"WindowStart", "WindowEnd", "Rowtime"}) {
    if (properties.find(kind) == std::string::npos) continue;
    list += (list.empty() ? "" : ",") + std::string("{\"name\":\"p\",\"property\":{\"kind\":\"") +
            kind + "\"}}";
  }
  runtime::OperatorSpec spec;
  spec.config = R"({"grouping":[0],"aggCalls":[)" + AggCall("$SUM$1", "1", "INT") +
                R"(],"windowing":)" + windowing + R"(,"namedWindowProperties":[)" + list +
                R"(],"needRetraction":)" + (retract ? "true" : "false") + "}";
  spec.inputs = {MakeRowType(input)};
  spec.output = MakeRowType(output);
  return spec;
}

std::string Proctime(const std::string& window) {
  return R"({"strategy":"TimeAttribute","window":)" + window +
         R"(,"timeAttributeType":{"type":"TIMESTAMP_WITH_LOCAL_TIME_ZONE","nullable":false,"precision":3,"kind":"PROCTIME"},"timeAttributeIndex":1,"isRowtime":false})";
}

TEST_CASE("processing time windows fire by the clock, also after a restore") {
  const auto tumble = Spec(Proctime(R"({"type":"TumblingWindow","size":"PT10S"})"), "WindowEnd",
                           "k STRING, v INT", "k STRING, s INT, we TIMESTAMP(3) NOT NULL");
  for (const bool restore : {false, true}) {
    OperatorDriver::Options options;
    options.now_ms = 1000;
    options.restore_between = restore;
    OperatorDriver driver(operators::WindowAggregate::Make, tumble, options);
    driver.Process(Rows{"[a, 1]", "[b, 2]"});
    CHECK(driver.Watermark(1'000'000).empty());
    CHECK(driver.AdvanceTo(9'999).empty());
    driver.Process(Rows{"[a, 4]"});
    CHECK(driver.AdvanceTo(10'000) ==
          Rows{"+I[a, 5, 1970-01-01T00:00:10]", "+I[b, 2, 1970-01-01T00:00:10]"});
    driver.Process(Rows{"[a, 7]"});
    CHECK(driver.AdvanceTo(60'000) == Rows{"+I[a, 7, 1970-01-01T00:00:20]"});
  }
  const auto hop =
      Spec(Proctime(R"({"type":"HoppingWindow","size":"PT10S","slide":"PT5S"})"), "WindowEnd",
           "k STRING, v INT", "k STRING, s INT, we TIMESTAMP(3) NOT NULL");
  OperatorDriver driver(operators::WindowAggregate::Make, hop, {});
  driver.Process(Rows{"[a, 1]"});
  CHECK(driver.AdvanceTo(7'000) == Rows{"+I[a, 1, 1970-01-01T00:00:05]"});
  driver.Process(Rows{"[a, 2]"});
  CHECK(driver.AdvanceTo(60'000) ==
        Rows{"+I[a, 3, 1970-01-01T00:00:10]", "+I[a, 2, 1970-01-01T00:00:15]"});
}

TEST_CASE("attached windows stand alone, each with its own lateness") {
  const std::string windowing =
      R"({"strategy":"WindowAttached","window":{"type":"HoppingWindow","size":"PT10S","slide":"PT5S"},"windowStart":-1,"windowEnd":2,"isRowtime":true,"timeAttributeType":{"type":"TIMESTAMP_WITHOUT_TIME_ZONE","precision":3,"kind":"ROWTIME"}})";
  const auto spec = Spec(windowing, "WindowStart WindowEnd", "k STRING, v INT, we TIMESTAMP(3)",
                         "k STRING, s INT, ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL");
  OperatorDriver driver(operators::WindowAggregate::Make, spec, {});
  driver.Process(Rows{"[a, 1, 1970-01-01 00:00:10]", "[a, 1, 1970-01-01 00:00:15]"});
  CHECK(driver.Watermark(9'999) == Rows{"+I[a, 1, 1970-01-01T00:00, 1970-01-01T00:00:10]"});
  driver.Process(Rows{"[a, 5, 1970-01-01 00:00:10]", "[a, 5, 1970-01-01 00:00:15]"});
  CHECK(driver.Watermark(runtime::kMaxTimestamp) ==
        Rows{"+I[a, 6, 1970-01-01T00:00:05, 1970-01-01T00:00:15]"});
  CHECK(driver.counter("numLateRecordsDropped") == 1);
}

TEST_CASE("windows of LTZ time follow the session's zone") {
  const std::string windowing =
      R"({"strategy":"TimeAttribute","window":{"type":"TumblingWindow","size":"P1D"},"isRowtime":true,"timeAttributeIndex":2,"timeAttributeType":{"type":"TIMESTAMP_WITH_LOCAL_TIME_ZONE","precision":3,"kind":"ROWTIME"}})";
  const auto spec = Spec(windowing, "WindowStart WindowEnd Rowtime",
                         "k STRING, v INT, t TIMESTAMP(3) WITH LOCAL TIME ZONE",
                         "k STRING, s INT, ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL, rt "
                         "TIMESTAMP(3) WITH LOCAL TIME ZONE");
  OperatorDriver::Options options;
  options.time_zone = "Asia/Shanghai";
  OperatorDriver driver(operators::WindowAggregate::Make, spec, options);
  driver.Process(Rows{"[a, 1, 1970-01-01 15:59:59.999]", "[a, 2, 1970-01-01 16:00:00]"});
  CHECK(driver.Watermark(57'599'998).empty());
  CHECK(driver.Watermark(57'599'999) ==
        Rows{"+I[a, 1, 1970-01-01T00:00, 1970-01-02T00:00, 1970-01-01T15:59:59.999Z]"});
}

TEST_CASE("a window whose rows are all taken back emits nothing") {
  const std::string windowing =
      R"({"strategy":"TimeAttribute","window":{"type":"TumblingWindow","size":"PT10S"},"isRowtime":true,"timeAttributeIndex":2,"timeAttributeType":{"type":"TIMESTAMP_WITHOUT_TIME_ZONE","precision":3,"kind":"ROWTIME"}})";
  const auto spec = Spec(windowing, "", "k STRING, v INT, t TIMESTAMP(3)", "k STRING, s INT", true);
  OperatorDriver driver(operators::WindowAggregate::Make, spec, {});
  driver.Process(Rows{"+I[a, 1, 1970-01-01 00:00:01]", "+I[b, 2, 1970-01-01 00:00:01]",
                      "-U[b, 2, 1970-01-01 00:00:01]", "+U[b, 3, 1970-01-01 00:00:01]",
                      "-D[a, 1, 1970-01-01 00:00:01]"});
  CHECK(driver.Watermark(10'000) == Rows{"+I[b, 3]"});
}

}  // namespace
}  // namespace millrace::tests
