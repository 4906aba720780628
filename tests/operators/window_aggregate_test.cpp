#include <catch2/catch.hpp>

#include <algorithm>

#include "operators/local_window_aggregate.h"
#include "operators/window_aggregate.h"
#include "tests/harness/operator_driver.h"
#include "tests/operators/aggregate_calls.h"

namespace millrace::tests {
namespace {

using Rows = std::vector<std::string>;

// A step of a run: rows, or a watermark.
struct Step {
  Rows rows;
  int64_t watermark = runtime::kMinTimestamp;
};

struct Job {
  std::string input = "k STRING, v INT, t TIMESTAMP(3)";
  std::string window = R"({"type":"TumblingWindow","size":"PT10S"})";
  std::vector<std::string> calls = {AggCall("$COUNT$1", "", "BIGINT NOT NULL"),
                                    AggCall("$SUM$1", "1", "INT")};
  std::string output =
      "k STRING, c BIGINT NOT NULL, s INT, ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL";
  // Of the local aggregate.
  std::string partial = "k STRING, c BIGINT, s INT, slice BIGINT";
  std::string retract = "false";

  std::string Config(bool local_part, bool global_part) const {
    const std::string properties =
        R"([{"name":"ws","property":{"kind":"WindowStart"}},{"name":"we","property":{"kind":"WindowEnd"}}])";
    std::string windowing =
        R"({"strategy":"TimeAttribute","timeAttributeIndex":2,"isRowtime":true,"window":)" + window;
    if (global_part) {
      windowing = R"({"strategy":"SliceAttached","sliceEnd":)" +
                  std::to_string(MakeRowType(partial).size() - 1) +
                  R"(,"isRowtime":true,"window":)" + window;
    }
    windowing +=
        R"(,"timeAttributeType":{"type":"TIMESTAMP_WITHOUT_TIME_ZONE","precision":3,"kind":"ROWTIME"}})";
    return "{\"grouping\":[0],\"aggCalls\":[" + Joined(calls) + "],\"windowing\":" + windowing +
           ",\"needRetraction\":" + retract +
           (local_part ? "" : ",\"namedWindowProperties\":" + properties) +
           (global_part ? ",\"localAggInputRowType\":\"ROW<`k` STRING, `v` INT, `t` TIMESTAMP(3)>\""
                        : "") +
           "}";
  }
  runtime::OperatorSpec Spec() const {
    runtime::OperatorSpec spec;
    spec.uid = "window";
    spec.config = Config(false, false);
    spec.inputs = {MakeRowType(input)};
    spec.output = MakeRowType(output);
    return spec;
  }
  runtime::OperatorSpec LocalSpec() const {
    runtime::OperatorSpec spec = Spec();
    spec.config = Config(true, false);
    spec.output = MakeRowType(partial);
    return spec;
  }
  runtime::OperatorSpec GlobalSpec() const {
    runtime::OperatorSpec spec = Spec();
    spec.config = Config(false, true);
    spec.inputs = {MakeRowType(partial)};
    return spec;
  }
};

Rows Sorted(Rows rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

// What each step emitted, each sorted.
using Emitted = std::vector<Rows>;

Emitted RunOnePhase(const Job& job, const std::vector<Step>& steps, OperatorDriver::Options options,
                    int64_t* late = nullptr) {
  OperatorDriver driver(operators::WindowAggregate::Make, job.Spec(), options);
  Emitted emitted;
  for (const Step& step : steps) {
    Rows rows;
    if (!step.rows.empty()) rows = driver.Process(step.rows);
    if (step.rows.empty()) rows = driver.Watermark(step.watermark);
    emitted.push_back(Sorted(rows));
  }
  if (late != nullptr) *late = driver.counter("numLateRecordsDropped");
  return emitted;
}

Emitted RunTwoPhases(const Job& job, const std::vector<Step>& steps,
                     OperatorDriver::Options options) {
  OperatorDriver local(operators::LocalWindowAggregate::Make, job.LocalSpec(), options);
  OperatorDriver global(operators::WindowAggregate::Make, job.GlobalSpec(), options);
  Emitted emitted;
  size_t taken = 0;
  const auto pass_on = [&] {
    Rows rows;
    for (; taken < local.batches().size(); ++taken) {
      for (const std::string& row : global.Process(local.batches()[taken])) rows.push_back(row);
    }
    return rows;
  };
  for (const Step& step : steps) {
    if (!step.rows.empty()) local.Process(step.rows);
    if (step.rows.empty()) local.Watermark(step.watermark);
    Rows rows = pass_on();
    if (step.rows.empty()) {
      for (const std::string& row : global.Watermark(step.watermark)) rows.push_back(row);
    }
    emitted.push_back(Sorted(rows));
  }
  return emitted;
}

// Runs in many ways, which must agree.
Emitted Run(const Job& job, const std::vector<Step>& steps, int64_t* late = nullptr) {
  std::optional<Emitted> first;
  for (int32_t input_rows : {1, 3, 1024}) {
    for (int32_t batch_rows : {1, 1024}) {
      for (int bits = 0; bits < 8; ++bits) {
        OperatorDriver::Options options;
        options.input_rows = input_rows;
        options.batch_rows = batch_rows;
        options.selected = (bits & 1) != 0;
        options.restore_between = (bits & 2) != 0;
        options.pending = (bits & 4) != 0;
        const Emitted emitted = RunOnePhase(job, steps, options, late);
        if (!first) first = emitted;
        INFO("input rows " << input_rows << " batch rows " << batch_rows << " bits " << bits);
        REQUIRE(emitted == *first);
        if (!job.partial.empty()) REQUIRE(RunTwoPhases(job, steps, options) == *first);
      }
    }
  }
  return *first;
}

std::string At(int second) {
  std::string text = "1970-01-01 00:00:";
  if (second < 10) text += "0";
  return text + std::to_string(second);
}
std::string Row(const std::string& key, const std::string& value, int second) {
  return "[" + key + ", " + value + ", " + At(second) + "]";
}

TEST_CASE("tumbling windows fire once, late rows are dropped") {
  Job job;
  int64_t late = 0;
  const Emitted emitted = Run(
      job,
      {{{Row("a", "1", 1), Row("b", "2", 11), Row("a", "null", 9), Row("a", "5", 12)}},
       {{}, 9998},
       {{Row("c", "null", 3)}},
       {{}, 9999},
       {{Row("a", "1", 9), Row("a", "6", 10)}},
       {{}, runtime::kMaxTimestamp}},
      &late);
  CHECK(emitted == Emitted{{},
                           {},
                           {},
                           {"+I[a, 2, 1, 1970-01-01T00:00, 1970-01-01T00:00:10]",
                            "+I[c, 1, null, 1970-01-01T00:00, 1970-01-01T00:00:10]"},
                           {},
                           {"+I[a, 2, 11, 1970-01-01T00:00:10, 1970-01-01T00:00:20]",
                            "+I[b, 1, 2, 1970-01-01T00:00:10, 1970-01-01T00:00:20]"}});
  CHECK(late == 1);
}

TEST_CASE("tumbling windows may have an offset") {
  Job job;
  job.window = R"({"type":"TumblingWindow","size":"PT10S","offset":"PT3S"})";
  CHECK(Run(job, {{{Row("a", "1", 2), Row("a", "2", 3), Row("a", "3", 12), Row("a", "4", 13)}},
                  {{}, 100'000}}) ==
        Emitted{{},
                {"+I[a, 1, 1, 1969-12-31T23:59:53, 1970-01-01T00:00:03]",
                 "+I[a, 1, 4, 1970-01-01T00:00:13, 1970-01-01T00:00:23]",
                 "+I[a, 2, 5, 1970-01-01T00:00:03, 1970-01-01T00:00:13]"}});
}

TEST_CASE("a NULL event time fails") {
  Job job;
  OperatorDriver driver(operators::WindowAggregate::Make, job.Spec(), {});
  CHECK_THROWS_WITH(driver.Process(Rows{"[a, 1, null]"}), Catch::Contains("should not be null"));
}

}  // namespace
}  // namespace millrace::tests
