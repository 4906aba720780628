#include <catch2/catch.hpp>

#include <random>

#include "operators/group_aggregate.h"
#include "tests/harness/operator_driver.h"
#include "tests/operators/aggregate_calls.h"

namespace millrace::tests {
namespace {

using Rows = std::vector<std::string>;

struct Job {
  std::string input = "k BIGINT, v INT, f BOOLEAN, s STRING";
  std::string output = "k BIGINT, c BIGINT NOT NULL, s INT";
  std::string grouping = "0";
  std::vector<std::string> calls = {AggCall("$COUNT$1", "", "BIGINT NOT NULL"),
                                    AggCall("$SUM$1", "1", "INT")};
  bool retract = false;
  bool update_before = true;
  int64_t ttl_ms = 0;

  runtime::OperatorSpec Spec() const {
    const std::string list = Joined(calls);
    const std::string retractions =
        Joined(std::vector<std::string>(calls.size(), retract ? "true" : "false"));
    const auto word = [](bool value) { return std::string(value ? "true" : "false"); };
    runtime::OperatorSpec spec;
    spec.uid = "agg";
    spec.kind = "group-aggregate";
    spec.config = "{\"grouping\":[" + grouping + "],\"aggCalls\":[" + list +
                  "],\"aggCallNeedRetractions\":[" + retractions + "],\"generateUpdateBefore\":" +
                  word(update_before) + ",\"needRetraction\":" + word(retract) +
                  ",\"stateTtlMs\":" + std::to_string(ttl_ms) + "}";
    spec.inputs = {MakeRowType(input)};
    spec.output = MakeRowType(output);
    return spec;
  }
};

// Runs the rows in several ways, which must all give the same changelog.
Rows Run(const Job& job, const Rows& rows) {
  Rows first;
  bool is_first = true;
  for (int32_t input_rows : {1, 3, 1024}) {
    for (int32_t batch_rows : {1, 2, 1024}) {
      for (bool selected : {false, true}) {
        for (bool restore : {false, true}) {
          OperatorDriver::Options options;
          options.input_rows = input_rows;
          options.batch_rows = batch_rows;
          options.selected = selected;
          options.restore_between = restore;
          OperatorDriver driver(operators::GroupAggregate::Make, job.Spec(), options);
          driver.Process(rows);
          if (is_first) first = driver.changelog();
          is_first = false;
          INFO("input rows " << input_rows << " batch rows " << batch_rows << " restore " << restore);
          REQUIRE(driver.changelog() == first);
        }
      }
    }
  }
  return first;
}

TEST_CASE("group aggregate emits every update") {
  Job job;
  const Rows rows = {"[1, 10, true, a]", "[2, 5, true, a]", "[1, 7, true, b]", "[1, null, true, c]"};
  CHECK(Run(job, rows) == Rows{"+I[1, 1, 10]", "+I[2, 1, 5]", "-U[1, 1, 10]", "+U[1, 2, 17]",
                               "-U[1, 2, 17]", "+U[1, 3, 17]"});
  job.update_before = false;
  CHECK(Run(job, rows) == Rows{"+I[1, 1, 10]", "+I[2, 1, 5]", "+U[1, 2, 17]", "+U[1, 3, 17]"});
}

TEST_CASE("group aggregate leaves out updates that change nothing") {
  Job job;
  job.calls = {AggCall("$SUM$1", "1", "INT"), AggCall("$MIN$1", "3", "STRING")};
  job.output = "k BIGINT, s INT, m STRING";
  const Rows rows = {"[1, 10, true, a string that is long enough]", "[1, null, true, b]",
                     "[1, 0, true, null]", "[1, 1, true, a string too and also long]"};
  CHECK(Run(job, rows) == Rows{"+I[1, 10, a string that is long enough]",
                               "-U[1, 10, a string that is long enough]",
                               "+U[1, 11, a string that is long enough]"});
  job.ttl_ms = 1000;
  CHECK(Run(job, rows).size() == 7);
  job.ttl_ms = 0;
  job.update_before = false;
  CHECK(Run(job, rows).size() == 2);
}

}  // namespace
}  // namespace millrace::tests
