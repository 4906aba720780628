#include <catch2/catch.hpp>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>

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
  int bundle_rows = 0;

  runtime::OperatorSpec Spec() const {
    const std::string list = Joined(calls);
    const std::string retractions =
        Joined(std::vector<std::string>(calls.size(), retract ? "true" : "false"));
    const auto word = [](bool value) { return std::string(value ? "true" : "false"); };
    runtime::OperatorSpec spec;
    spec.uid = "agg";
    spec.kind = "group-aggregate";
    spec.config =
        "{\"grouping\":[" + grouping + "],\"aggCalls\":[" + list +
        "],\"aggCallNeedRetractions\":[" + retractions +
        "],\"generateUpdateBefore\":" + word(update_before) +
        ",\"needRetraction\":" + word(retract) + ",\"stateTtlMs\":" + std::to_string(ttl_ms) +
        (bundle_rows == 0
             ? ""
             : ",\"miniBatch\":{\"enabled\":true,\"size\":" + std::to_string(bundle_rows) + "}") +
        "}";
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
          INFO("input rows " << input_rows << " batch rows " << batch_rows << " restore "
                             << restore);
          REQUIRE(driver.changelog() == first);
        }
      }
    }
  }
  return first;
}

TEST_CASE("group aggregate emits every update") {
  Job job;
  const Rows rows = {"[1, 10, true, a]", "[2, 5, true, a]", "[1, 7, true, b]",
                     "[1, null, true, c]"};
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

// One row of the random inputs below.
struct Input {
  int key;
  std::optional<int> v;
  bool f;
  std::string s;

  std::string Text(const char* kind) const {
    return std::string(kind) + "[" + std::to_string(key) + ", " +
           (v ? std::to_string(*v) : "null") + ", " + (f ? "true" : "false") + ", " + s + "]";
  }
};

// Computes the results of one group from all its rows, the slow and plain way.
std::string Expected(const std::vector<Input>& rows) {
  int64_t count = 0;
  int sum = 0;
  int64_t values = 0;
  std::set<int> all;
  std::set<int> filtered;
  std::optional<std::string> least;
  std::optional<std::string> greatest;
  for (const Input& row : rows) {
    ++count;
    if (!least || row.s < *least) least = row.s;
    if (row.f && (!greatest || *greatest < row.s)) greatest = row.s;
    if (!row.v) continue;
    ++values;
    sum += *row.v;
    all.insert(*row.v);
    if (row.f) filtered.insert(*row.v);
  }
  const auto text = [](bool valid, int64_t value) {
    return valid ? std::to_string(value) : std::string("null");
  };
  return std::to_string(count) + ", " + text(values > 0, sum) + ", " + std::to_string(values) +
         ", " + text(values > 0, values == 0 ? 0 : sum / values) + ", " +
         text(!all.empty(), all.empty() ? 0 : *all.begin()) + ", " +
         text(!all.empty(), all.empty() ? 0 : *all.rbegin()) + ", " + *least + ", " +
         greatest.value_or("null") + ", " + std::to_string(all.size()) + ", " +
         std::to_string(filtered.size()) + ", " +
         text(!filtered.empty(), std::accumulate(filtered.begin(), filtered.end(), 0));
}

TEST_CASE("group aggregate equals a plain model on random changelogs") {
  for (const bool retract : {false, true}) {
    for (const bool shows_count : {false, true}) {
      Job job;
      job.retract = retract;
      job.calls = {AggCall("$COUNT$1", "", "BIGINT NOT NULL"),
                   AggCall("$SUM$1", "1", "INT"),
                   AggCall("$COUNT$1", "1", "BIGINT NOT NULL"),
                   AggCall("$AVG$1", "1", "INT"),
                   AggCall("$MIN$1", "1", "INT"),
                   AggCall("$MAX$1", "1", "INT"),
                   AggCall("$MIN$1", "3", "STRING"),
                   AggCall("$MAX$1", "3", "STRING", 2),
                   AggCall("$COUNT$1", "1", "BIGINT NOT NULL", -1, true),
                   AggCall("$COUNT$1", "1", "BIGINT NOT NULL", 2, true),
                   AggCall("$SUM$1", "1", "INT", 2, true)};
      job.output =
          "k BIGINT, c BIGINT, s INT, cv BIGINT, a INT, mi INT, ma INT, ms STRING, mf STRING, d "
          "BIGINT, df BIGINT, sd INT";
      if (!shows_count) {
        job.calls.erase(job.calls.begin());
        job.output = job.output.erase(job.output.find("c BIGINT, "), 10);
      }
      std::mt19937 random(7);
      Rows rows;
      Rows expected;
      std::map<int, std::vector<Input>> live;
      for (int i = 0; i < 400; ++i) {
        const int key = static_cast<int>(random() % 5);
        std::vector<Input>& group = live[key];
        const bool before = !group.empty();
        std::string old = before ? Expected(group) : "";
        if (retract && before && random() % 5 < 2) {
          const size_t at = random() % group.size();
          rows.push_back(group[at].Text(random() % 2 == 0 ? "-D" : "-U"));
          group.erase(group.begin() + static_cast<std::ptrdiff_t>(at));
        } else {
          Input row{key, static_cast<int>(random() % 8) - 3, random() % 3 == 0,
                    "text number " + std::to_string(random() % 7)};
          if (random() % 6 == 0) row.v.reset();
          rows.push_back(row.Text(random() % 2 == 0 ? "+I" : "+U"));
          group.push_back(row);
        }
        std::string now = group.empty() ? "" : Expected(group);
        const auto show = [&](const char* kind, std::string text) {
          if (!shows_count) text = text.substr(text.find(", ") + 2);
          return std::string(kind) + "[" + std::to_string(key) + ", " + text + "]";
        };
        if (!before) {
          expected.push_back(show("+I", now));
        } else if (group.empty()) {
          expected.push_back(show("-D", old));
        } else if (show("", old) != show("", now)) {
          expected.push_back(show("-U", old));
          expected.push_back(show("+U", now));
        }
      }
      INFO("retract " << retract << " shows count " << shows_count);
      CHECK(Run(job, rows) == expected);
    }
  }
}

TEST_CASE("group aggregate without grouping, without calls") {
  Job job;
  job.grouping = "";
  job.output = "c BIGINT, s INT";
  CHECK(Run(job, {"[1, 10, true, a]", "[2, 5, true, a]"}) ==
        Rows{"+I[1, 10]", "-U[1, 10]", "+U[2, 15]"});
  job.grouping = "0,3";
  job.output = "k BIGINT, s STRING";
  job.calls.clear();
  CHECK(Run(job, {"[1, 10, true, a]", "[1, 11, true, a]", "[1, 10, true, null]"}) ==
        Rows{"+I[1, a]", "+I[1, null]"});
}

TEST_CASE("a retraction of an unknown group is ignored") {
  Job job;
  job.retract = true;
  CHECK(Run(job, {"-U[1, 10, true, a]", "+I[1, 1, true, a]", "-D[1, 1, true, a]",
                  "-D[1, 1, true, a]", "+I[1, 3, true, a]"}) ==
        Rows{"+I[1, 1, 1]", "-D[1, 1, 1]", "+I[1, 1, 3]"});
  OperatorDriver driver(operators::GroupAggregate::Make, job.Spec(), {});
  driver.Process(Rows{"-U[1, 10, true, a]", "+I[2, 1, true, a]", "-D[2, 1, true, a]"});
  CHECK(driver.num_rows(0) == 0);
}

TEST_CASE("sums and averages have Flink's types") {
  Job job;
  job.input = "k BIGINT, a TINYINT, b DECIMAL(10, 2), c DOUBLE, d BIGINT, e FLOAT";
  job.calls = {AggCall("$SUM$1", "1", "TINYINT"),
               AggCall("$SUM$1", "2", "DECIMAL(38, 2)"),
               AggCall("$AVG$1", "2", "DECIMAL(38, 6)"),
               AggCall("$AVG$1", "3", "DOUBLE"),
               AggCall("$AVG$1", "4", "BIGINT"),
               AggCall("$SUM$1", "4", "BIGINT"),
               AggCall("$$SUM0$1", "4", "BIGINT NOT NULL"),
               AggCall("$AVG$1", "5", "FLOAT")};
  job.output =
      "k BIGINT, a TINYINT, b DECIMAL(38, 2), c DECIMAL(38, 6), d DOUBLE, e BIGINT, f BIGINT, g "
      "BIGINT, h FLOAT";
  for (const bool retract : {false, true}) {
    job.retract = retract;
    const Rows rows =
        Run(job, {"[1, 100, 1.00, 1.5, -3, 1.5]", "[1, 100, 0.01, 1, 9223372036854775807, 1]",
                  "[1, null, 0.99, null, null, null]"});
    CHECK(rows == Rows{"+I[1, 100, 1.00, 1.000000, 1.5, -3, -3, -3, 1.5]",
                       "-U[1, 100, 1.00, 1.000000, 1.5, -3, -3, -3, 1.5]",
                       "+U[1, -56, 1.01, 0.505000, 1.25, 4611686018427387902, "
                       "9223372036854775804, 9223372036854775804, 1.25]",
                       "-U[1, -56, 1.01, 0.505000, 1.25, 4611686018427387902, "
                       "9223372036854775804, 9223372036854775804, 1.25]",
                       "+U[1, -56, 2.00, 0.666667, 1.25, 4611686018427387902, "
                       "9223372036854775804, 9223372036854775804, 1.25]"});
  }
}

TEST_CASE("a mini-batch emits what a group became, at its last row") {
  Job job;
  job.retract = true;
  job.bundle_rows = 4;
  const Rows rows = {"[1, 10, true, a]",  "[2, 5, true, a]",    "[1, 7, true, b]",
                     "-D[2, 5, true, a]", "[1, 1, true, a]",    "-D[1, 1, true, a]",
                     "[3, 1, true, a]",   "-D[1, 10, true, a]", "-D[1, 7, true, a]"};
  const Rows expected = {"+I[1, 2, 17]", "-U[1, 2, 17]", "+U[1, 1, 7]", "+I[3, 1, 1]"};
  for (int32_t input_rows : {1, 3, 1024}) {
    for (int32_t batch_rows : {1, 1024}) {
      for (bool selected : {false, true}) {
        OperatorDriver::Options options;
        options.input_rows = input_rows;
        options.batch_rows = batch_rows;
        options.selected = selected;
        OperatorDriver driver(operators::GroupAggregate::Make, job.Spec(), options);
        CHECK(driver.Process(rows) == expected);
        CHECK(driver.Barrier() == Rows{"-D[1, 1, 7]"});
        CHECK(driver.Process(Rows{"[3, null, true, b]"}).empty());
        CHECK(driver.Watermark(1) == Rows{"-U[3, 1, 1]", "+U[3, 2, 1]"});
        CHECK(driver.Process(Rows{"[9, null, true, b]"}).empty());
        driver.Restore();
        CHECK(driver.Process(Rows{"[9, 1, true, b]"}).empty());
        CHECK(driver.Finish() == Rows{"-U[9, 1, null]", "+U[9, 2, 1]"});
      }
    }
  }
  job.calls = {AggCall("$MAX$1", "3", "STRING")};
  job.output = "k BIGINT, m STRING";
  job.update_before = false;
  OperatorDriver driver(operators::GroupAggregate::Make, job.Spec(), {});
  CHECK(driver.Process(Rows{"[1, 1, true, a text of some length]",
                            "[1, 1, true, b text of some length]",
                            "[1, 1, true, b text of some length]", "[1, 1, true, a]"}) ==
        Rows{"+I[1, b text of some length]"});
  CHECK(driver.Process(Rows{"-D[1, 1, true, b text of some length]", "[1, 1, true, a]",
                            "[2, 1, true, c]", "[2, 1, true, c]"}) == Rows{"+I[2, c]"});
  CHECK(driver.Process(Rows{"-D[1, 1, true, b text of some length]", "[1, 1, true, a]",
                            "[2, 1, true, d]", "-D[2, 1, true, d]"}) ==
        Rows{"+U[1, a text of some length]"});
}

TEST_CASE("bundles of one row emit every update, larger ones come to the same groups") {
  Job job;
  job.retract = true;
  job.calls.push_back(AggCall("$COUNT$1", "1", "BIGINT NOT NULL", 2, true));
  job.calls.push_back(AggCall("$SUM$1", "1", "INT", -1, true));
  job.output = "k BIGINT, c BIGINT NOT NULL, s INT, d BIGINT NOT NULL, t INT";
  std::mt19937 random(7);
  Rows rows;
  std::vector<std::string> inside;  // may be taken back
  for (int i = 0; i < 600; ++i) {
    if (!inside.empty() && random() % 5 < 2) {
      const size_t at = random() % inside.size();
      rows.push_back("-D" + inside[at]);
      inside.erase(inside.begin() + static_cast<std::ptrdiff_t>(at));
    } else {
      inside.push_back("[" + std::to_string(random() % 7) + ", " +
                       (random() % 9 == 0 ? "null" : std::to_string(random() % 4)) + ", " +
                       (random() % 2 == 0 ? "true" : "false") + ", a]");
      rows.push_back("+I" + inside.back());
    }
  }
  const auto groups_of = [](const Rows& changelog) {
    std::multiset<std::string> groups;
    for (const std::string& change : changelog) {
      const std::string row = change.substr(2);
      if (change.starts_with("+")) {
        groups.insert(row);
      } else {
        REQUIRE(groups.contains(row));  // each update takes back what was there
        groups.erase(groups.find(row));
      }
    }
    return groups;
  };
  const Rows every = Run(job, rows);
  size_t last_size = every.size() + 1;
  for (int bundle : {1, 2, 7, 100, 10'000}) {
    job.bundle_rows = bundle;
    Rows first;
    for (int32_t input_rows : {1, 3, 1024}) {
      for (bool selected : {false, true}) {
        INFO("bundles of " << bundle << ", batches of " << input_rows << ", selected " << selected);
        OperatorDriver::Options options;
        options.input_rows = input_rows;
        options.selected = selected;
        OperatorDriver driver(operators::GroupAggregate::Make, job.Spec(), options);
        driver.Process(rows);
        driver.Finish();
        if (first.empty()) first = driver.changelog();
        CHECK(driver.changelog() == first);  // however batches are cut
      }
    }
    if (bundle == 1) CHECK(first == every);
    CHECK(groups_of(first) == groups_of(every));
    CHECK(first.size() < last_size);
    last_size = first.size();
  }
}

TEST_CASE("group aggregate refuses what it can't compute by name") {
  const auto refusal = [](const Job& job) {
    const auto made = operators::GroupAggregate::Make(job.Spec(), {});
    return made.ok() ? std::string() : made.status().ToString();
  };
  Job job;
  job.calls[1] = AggCall("$LISTAGG$1", "3", "STRING");
  CHECK_THAT(refusal(job), Catch::Contains("$LISTAGG$1") && Catch::Contains("$COUNT$1"));
  job.calls[1] = AggCall("$SUM$1", "3", "INT");
  CHECK_THAT(refusal(job), Catch::Contains("SUM(VARCHAR(2147483647))"));
  job.calls[1] = AggCall("$SUM$1", "9", "INT");
  CHECK_THAT(refusal(job), Catch::Contains("no input column"));
}

}  // namespace
}  // namespace millrace::tests
