#include "operators/window_aggregate.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>

#include "operators/local_window_aggregate.h"
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
  const Emitted emitted =
      Run(job,
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

struct Event {
  std::string key;
  std::optional<int> value;
  int64_t second;
};

// Windows of 15 s that end every 5 s (HOP), or grow by 5 s up to 15 s (CUMULATE), or of 5 s.
std::vector<std::pair<int64_t, int64_t>> WindowsOf(const std::string& kind, int64_t second) {
  std::vector<std::pair<int64_t, int64_t>> windows;
  const int64_t slice_end = second / 5 * 5 + 5;
  if (kind == "tumble") windows.push_back({slice_end - 5, slice_end});
  if (kind == "hop") {
    for (int64_t end = slice_end; end < slice_end + 15; end += 5)
      windows.push_back({end - 15, end});
  }
  if (kind == "cumulate") {
    const int64_t start = second / 15 * 15;
    for (int64_t end = slice_end; end <= start + 15; end += 5) windows.push_back({start, end});
  }
  return windows;
}

std::string TimeText(int64_t second) {
  if (second < 0) return "1969-12-31T23:59:" + std::to_string(60 + second);
  const int64_t rest = second % 60;
  std::string text = "1970-01-01T00:0" + std::to_string(second / 60);
  if (rest == 0) return text;
  return text + (rest < 10 ? ":0" : ":") + std::to_string(rest);
}

TEST_CASE("windows equal a plain model on random input") {
  for (const std::string kind : {"tumble", "hop", "cumulate"}) {
    for (const bool distinct : {false, true}) {
      Job job;
      if (kind == "tumble") job.window = R"({"type":"TumblingWindow","size":"PT5S"})";
      if (kind == "hop") job.window = R"({"type":"HoppingWindow","size":"PT15S","slide":"PT5S"})";
      if (kind == "cumulate") {
        job.window = R"({"type":"CumulativeWindow","maxSize":"PT15S","step":"PT5S"})";
      }
      const bool counts = kind == "hop";  // has a COUNT(*) added where there is none
      job.calls = {AggCall("$SUM$1", "1", "INT"), AggCall("$MAX$1", "1", "INT")};
      job.output = "k STRING, s INT, m INT, ws TIMESTAMP(3) NOT NULL, we TIMESTAMP(3) NOT NULL";
      job.partial = "k STRING, s INT, m INT, ";
      if (distinct) {
        job.calls.push_back(AggCall("$COUNT$1", "1", "BIGINT NOT NULL", -1, true));
        job.calls.push_back(AggCall("$SUM$1", "1", "INT", -1, true));
        job.output =
            "k STRING, s INT, m INT, d BIGINT NOT NULL, sd INT, ws TIMESTAMP(3) NOT NULL, "
            "we TIMESTAMP(3) NOT NULL";
        job.partial += "d BIGINT, sd INT, ";
      }
      if (counts) job.partial += "c BIGINT, ";
      if (distinct) job.partial += "ds MAP<INT, BIGINT>, ";
      job.partial += "slice BIGINT";
      std::mt19937 random(11);
      std::vector<Step> steps;
      Emitted expected;
      std::map<std::pair<int64_t, std::pair<std::string, int64_t>>, std::vector<Event>> windows;
      int64_t watermark = -1'000'000;
      int64_t dropped = 0;
      int64_t now = 20;
      for (int step = 0; step < 24; ++step) {
        Rows rows;
        const int count = static_cast<int>(random() % 5) + 1;
        for (int i = 0; i < count; ++i) {
          Event event{std::string("key ") + static_cast<char>('a' + random() % 3),
                      static_cast<int>(random() % 6), now - static_cast<int64_t>(random() % 25)};
          if (event.second < 0) event.second = 0;
          if (random() % 6 == 0) event.value.reset();
          std::string time = TimeText(event.second);
          time[10] = ' ';
          if (time.size() == 16) time += ":00";
          rows.push_back("[" + event.key + ", " +
                         (event.value ? std::to_string(*event.value) : "null") + ", " + time + "]");
          bool late = true;
          for (const auto& [start, end] : WindowsOf(kind, event.second)) {
            if (end * 1000 - 1 <= watermark) continue;
            late = false;
            windows[{end, {event.key, start}}].push_back(event);
          }
          dropped += late ? 1 : 0;
        }
        steps.push_back({rows});
        expected.push_back({});
        if (random() % 2 == 0) continue;
        watermark = step > 20 ? runtime::kMaxTimestamp : (now - 8) * 1000;
        now += static_cast<int64_t>(random() % 12) + 1;
        Rows fired;
        while (!windows.empty() && windows.begin()->first.first * 1000 - 1 <= watermark) {
          const auto& [window, events] = *windows.begin();
          int64_t sum = 0;
          std::set<int> values;
          for (const Event& event : events) {
            if (!event.value) continue;
            sum += *event.value;
            values.insert(*event.value);
          }
          const auto text = [&](int64_t value) {
            return values.empty() ? std::string("null") : std::to_string(value);
          };
          std::string row = "+I[" + window.second.first + ", " + text(sum) + ", " +
                            text(values.empty() ? 0 : *values.rbegin());
          if (distinct) {
            row += ", " + std::to_string(values.size()) + ", " +
                   text(std::accumulate(values.begin(), values.end(), 0));
          }
          row += ", " + TimeText(window.second.second) + ", " + TimeText(window.first) + "]";
          fired.push_back(row);
          windows.erase(windows.begin());
        }
        steps.push_back({{}, watermark});
        expected.push_back(Sorted(fired));
        if (watermark == runtime::kMaxTimestamp) break;
      }
      INFO(kind << " distinct " << distinct);
      int64_t late = 0;
      CHECK(Run(job, steps, &late) == expected);
      CHECK(late == dropped);
      CHECK(dropped > 0);
    }
  }
}

TEST_CASE("a NULL event time fails") {
  Job job;
  OperatorDriver driver(operators::WindowAggregate::Make, job.Spec(), {});
  CHECK_THROWS_WITH(driver.Process(Rows{"[a, 1, null]"}), Catch::Contains("should not be null"));
}

}  // namespace
}  // namespace millrace::tests
