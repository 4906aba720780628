#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "runtime/engine/job_master.h"
#include "tests/runtime/engine/job_fixture.h"

namespace millrace::runtime {
namespace {

// Rows 0 .. rows - 1 in one split: k = number % keys, v = number. After `fail_at` rows it fails
// once, as soon as a checkpoint that holds some of its rows is complete.
struct Numbers {
  int64_t rows = 0;
  int64_t keys = 1;
  int64_t fail_at = INT64_MAX;
  std::atomic<int64_t> last_complete{0};  // id of a checkpoint with rows
  std::atomic<bool> failed{false};
  std::atomic<int64_t> restored_at{0};
};

class NumbersReader : public SourceReader {
 public:
  explicit NumbersReader(std::shared_ptr<Numbers> numbers) : numbers_(std::move(numbers)) {}
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    for (const Split& split : splits) {
      has_split_ = true;
      next_ = std::stoll(split.position);
      if (next_ > 0) numbers_->restored_at = next_;
    }
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }
  Result<Progress> Poll(ReadOutput* out) override {
    if (!has_split_ || finished_) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    if (next_ >= numbers_->fail_at && !numbers_->failed) {
      if (numbers_->last_complete == 0) {
        context_->SetProcessingTimer(context_->now_ms() + 1);
        return Progress::kBlocked;
      }
      numbers_->failed = true;
      return Status::External("the source is gone");
    }
    out->split = 0;
    if (next_ == numbers_->rows) {
      finished_ = true;
      out->split_finished = true;
      return Progress::kMore;
    }
    BatchBuilder builder(context_->pool(), kNumbers);
    const int64_t end = std::min(numbers_->rows, next_ + 50);
    for (; next_ < end; ++next_) {
      builder.column(0).Append(next_ % numbers_->keys);
      builder.column(1).Append(next_);
      builder.EndRow();
    }
    out->batch = builder.Finish();
    // Leaves time for checkpoints before the failure.
    if (numbers_->fail_at != INT64_MAX && !numbers_->failed) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return Progress::kMore;
  }
  Result<std::vector<Split>> Snapshot() override {
    snapshot_at_ = next_;
    if (!has_split_ || finished_) return std::vector<Split>{};
    return std::vector<Split>{{"numbers", std::to_string(next_)}};
  }
  void CheckpointComplete(int64_t id) override {
    if (snapshot_at_ > 0) numbers_->last_complete = id;
  }

 private:
  const std::shared_ptr<Numbers> numbers_;
  OperatorContext* context_ = nullptr;
  int64_t next_ = 0, snapshot_at_ = 0;
  bool has_split_ = false, finished_ = false, no_more_ = false;
};

class NumbersSource : public Source {
 public:
  explicit NumbersSource(std::shared_ptr<Numbers> numbers) : numbers_(std::move(numbers)) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return std::make_unique<OneSplitEnumerator>("numbers");
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<NumbersReader>(numbers_);
  }
  bool bounded() const override { return true; }

 private:
  const std::shared_ptr<Numbers> numbers_;
};

struct Sum {
  int64_t count = 0, sum = 0;
  bool operator==(const Sum&) const = default;
};

// The latest row of each key, over all attempts of a job.
struct Latest {
  std::mutex mutex;
  std::map<int64_t, Sum> sums;
};

class LatestWriter : public SinkWriter {
 public:
  explicit LatestWriter(std::shared_ptr<Latest> latest) : latest_(std::move(latest)) {}
  Status Open(OperatorContext&) override { return Status::Ok(); }
  Result<Progress> Write(const BatchPtr& batch) override {
    std::lock_guard lock(latest_->mutex);
    for (int32_t i = 0; i < batch->num_rows(); ++i) {
      const int32_t row = batch->PhysicalRow(i);
      latest_->sums[batch->column(0).At<int64_t>(row)] = {batch->column(1).At<int64_t>(row),
                                                          batch->column(2).At<int64_t>(row)};
    }
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  const std::shared_ptr<Latest> latest_;
};

class LatestSink : public Sink {
 public:
  explicit LatestSink(std::shared_ptr<Latest> latest) : latest_(std::move(latest)) {}
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<LatestWriter>(latest_);
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }

 private:
  const std::shared_ptr<Latest> latest_;
};

struct Fixture : TestWorker {
  Fixture() {
    ConnectorInfo source;
    source.name = "numbers";
    source.make_source = [this](const TableSpec&) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<NumbersSource>(numbers);
    };
    registry.AddConnector(std::move(source));
    ConnectorInfo sink;
    sink.name = "latest";
    sink.make_sink = [this](const TableSpec&) -> Result<std::unique_ptr<Sink>> {
      return std::make_unique<LatestSink>(latest);
    };
    registry.AddConnector(std::move(sink));
  }

  // Rows of a random key of ten and the value 1, at a rate at which they take about half a second.
  JobGraph Datagen(int64_t rows, int64_t rows_per_second, int parallelism) const {
    std::map<std::string, std::string> options = {
        {"number-of-rows", std::to_string(rows)},
        {"rows-per-second", std::to_string(rows_per_second)},
        {"fields.k.min", "0"},
        {"fields.k.max", "9"},
        {"fields.v.min", "1"},
        {"fields.v.max", "1"}};
    JobGraph graph = SumGraph(TableOf("source", "datagen", kNumbers, options, -1),
                              TableOf("sink", "latest", kSums, {}, 0), parallelism);
    graph.options = {{"execution.checkpointing.interval", "30 ms"},
                     {"execution.checkpointing.dir", (folder / "checkpoints").string()}};
    return graph;
  }
  std::shared_ptr<JobMaster> Start(const JobGraph& graph, JobStart start = {}) {
    Result<std::shared_ptr<JobMaster>> job = JobMaster::Make(graph, environment, std::move(start));
    if (!job.ok()) FAIL(job.status().ToString());
    (*job)->Start();
    return *job;
  }
  static void RequireFinished(JobMaster& job) {
    const JobState state = job.Wait();
    if (!job.status().failures.empty()) WARN(job.status().failures.back());
    REQUIRE(state == JobState::kFinished);
  }
  Sum Total() const {
    std::lock_guard lock(latest->mutex);
    Sum total;
    for (const auto& [key, sum] : latest->sums)
      total = {total.count + sum.count, total.sum + sum.sum};
    return total;
  }
  template <typename Condition>
  static void WaitUntil(Condition condition) {
    for (int i = 0; i < 5000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(condition());
  }

  std::shared_ptr<Numbers> numbers = std::make_shared<Numbers>();
  std::shared_ptr<Latest> latest = std::make_shared<Latest>();
};

TEST_CASE("a bounded job ends by itself, with the sums of a plain loop") {
  Fixture f;
  f.numbers->rows = 20'000;
  f.numbers->keys = 37;
  const auto graph = SumGraph(TableOf("source", "numbers", kNumbers, {}, -1),
                              TableOf("sink", "latest", kSums, {}, 0), 2);
  const auto job = f.Start(graph);
  f.RequireFinished(*job);
  std::map<int64_t, Sum> expected;
  for (int64_t i = 0; i < 20'000; ++i) {
    ++expected[i % 37].count;
    expected[i % 37].sum += i;
  }
  CHECK(f.latest->sums == expected);
  CHECK(job->status().finished_subtasks == 4);
  CHECK(job->status().restarts == 0);
}

TEST_CASE("datagen into a values file") {
  Fixture f;
  const std::string file = f.folder / "out";
  JobGraph graph = f.Datagen(5000, -1, 2);
  graph.vertices[1].operators[1] =
      TableOf("sink", "values", kSums, {{"values.output-file", file}}, 0);
  const auto job = f.Start(graph);
  f.RequireFinished(*job);
  std::map<std::string, Sum> sums;
  std::ifstream lines(file);
  int64_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const size_t first = line.find(", "), second = line.find(", ", first + 2);
    REQUIRE(second != std::string::npos);
    sums[line.substr(3, first - 3)] = {std::stoll(line.substr(first + 2)),
                                       std::stoll(line.substr(second + 2))};
  }
  CHECK(count == 5000);  // every update
  CHECK(sums.size() == 10);
  Sum total;
  for (const auto& [key, sum] : sums) total = {total.count + sum.count, total.sum + sum.sum};
  CHECK(total == Sum{5000, 5000});
}

TEST_CASE(
    "a job goes on from a checkpoint or savepoint, at another parallelism, and counts each row "
    "once") {
  constexpr int64_t kRows = 30'000;
  for (const bool savepoint : {true, false}) {
    for (const int then : {1, 3}) {
      INFO("savepoint " << savepoint << " then " << then);
      Fixture f;
      std::string path;
      {
        const auto job = f.Start(f.Datagen(kRows, 100'000, 2));
        f.WaitUntil([&] { return job->status().completed_checkpoints >= 3; });
        if (savepoint) {
          std::atomic<bool> called{false};
          job->StopJob((f.folder / "savepoints").string(), false, [&](SavepointResult result) {
            path = result.status.ok() ? result.path : "";
            called = true;
          });
          f.RequireFinished(*job);
          f.WaitUntil([&] { return called.load(); });
        } else {
          job->Cancel();
          CHECK(job->Wait() == JobState::kCanceled);
          path = job->status().last_checkpoint_path;
        }
      }
      REQUIRE(!path.empty());
      const Sum before = f.Total();
      CHECK(before.count > 0);
      REQUIRE(before.count < kRows);
      f.latest->sums.clear();
      JobStart start;
      start.restore_path = path;
      const auto job = f.Start(f.Datagen(kRows, -1, then), start);
      f.RequireFinished(*job);
      CHECK(job->status().restored_checkpoint_id >= 3);
      CHECK(f.latest->sums.size() == 10);
      CHECK(f.Total() == Sum{kRows, kRows});
    }
  }
}

TEST_CASE("checkpoints go on after a savepoint and miss nothing") {
  constexpr int64_t kRows = 40'000;
  Fixture f;
  std::string path;
  {
    const auto job = f.Start(f.Datagen(kRows, 100'000, 2));
    f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
    std::atomic<bool> called{false};
    job->TriggerSavepoint((f.folder / "savepoints").string(), [&](SavepointResult result) {
      CHECK(result.status.ok());
      called = true;
    });
    f.WaitUntil([&] { return called.load(); });
    const int64_t so_far = job->status().completed_checkpoints;
    f.WaitUntil([&] { return job->status().completed_checkpoints >= so_far + 2; });
    job->Cancel();
    CHECK(job->Wait() == JobState::kCanceled);
    for (const CheckpointInfo& info : job->status().checkpoints) {
      if (info.state == CheckpointInfo::State::kCompleted && !info.savepoint) path = info.path;
    }
  }
  REQUIRE(path.find("/chk-") != std::string::npos);
  std::filesystem::remove_all(f.folder / "savepoints");  // which is its owner's right
  f.latest->sums.clear();
  JobStart start;
  start.restore_path = path;
  const auto job = f.Start(f.Datagen(kRows, -1, 2), start);
  f.RequireFinished(*job);
  CHECK(f.Total() == Sum{kRows, kRows});
}

TEST_CASE("a source that fails once restarts the job, and state counts each row once") {
  Fixture f;
  f.numbers->rows = 30'000;
  f.numbers->keys = 37;
  f.numbers->fail_at = 15'000;
  JobGraph graph = SumGraph(TableOf("source", "numbers", kNumbers, {}, -1),
                            TableOf("sink", "latest", kSums, {}, 0), 2);
  graph.options = {{"execution.checkpointing.interval", "10 ms"},
                   {"execution.checkpointing.dir", (f.folder / "checkpoints").string()},
                   {"restart-strategy.type", "fixed-delay"},
                   {"restart-strategy.fixed-delay.attempts", "2"},
                   {"restart-strategy.fixed-delay.delay", "5 ms"}};
  const auto job = f.Start(graph);
  const JobState state = job->Wait();
  const JobStatus status = job->status();
  REQUIRE(state == JobState::kFinished);
  CHECK(status.restarts == 1);
  REQUIRE(status.failures.size() == 1);
  CHECK_THAT(status.failures[0], Catch::Contains("the source is gone"));
  CHECK(f.numbers->restored_at > 0);
  CHECK(f.numbers->restored_at <= 15'000);
  std::map<int64_t, Sum> expected;
  for (int64_t i = 0; i < 30'000; ++i) {
    ++expected[i % 37].count;
    expected[i % 37].sum += i;
  }
  CHECK(f.latest->sums == expected);
}

TEST_CASE("a job that may not restart fails with the words of the source") {
  Fixture f;
  f.numbers->rows = 1000;
  f.numbers->fail_at = 500;
  f.numbers->last_complete = 1;  // waits for none
  const auto job = f.Start(SumGraph(TableOf("source", "numbers", kNumbers, {}, -1),
                                    TableOf("sink", "latest", kSums, {}, 0), 1));
  CHECK(job->Wait() == JobState::kFailed);
  REQUIRE(job->status().failures.size() == 1);
  CHECK_THAT(job->status().failures[0], Catch::Contains("the source is gone"));
}

// Takes the first batch only after 100 ms, then as they come; counts how often it was asked
// meanwhile.
struct Gate {
  std::atomic<int> asked{0};
  std::atomic<int64_t> rows{0};
};
class GateWriter : public SinkWriter {
 public:
  explicit GateWriter(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    if (!*open_) {
      if (gate_->asked++ == 0) {
        context_->RunIo([open = open_, wake = context_->waker()] {
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          *open = true;
          wake();
        });
        // Due at once, but the chain is blocked.
        context_->SetProcessingTimer(context_->now_ms());
      }
      return Progress::kBlocked;
    }
    gate_->rows += batch->num_rows();
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  const std::shared_ptr<Gate> gate_;
  OperatorContext* context_ = nullptr;
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(false);
};

TEST_CASE("a timer that is due while its chain is blocked does not spin") {
  Fixture f;
  const auto gate = std::make_shared<Gate>();
  class GateSink : public Sink {
   public:
    explicit GateSink(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
    Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
      return std::make_unique<GateWriter>(gate_);
    }
    Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
      return std::unique_ptr<SinkCommitter>();
    }

   private:
    const std::shared_ptr<Gate> gate_;
  };
  ConnectorInfo info;
  info.name = "gate";
  info.make_sink = [gate](const TableSpec&) -> Result<std::unique_ptr<Sink>> {
    return std::make_unique<GateSink>(gate);
  };
  f.registry.AddConnector(std::move(info));
  f.numbers->rows = 100;
  f.numbers->keys = 100;
  const auto job = f.Start(SumGraph(TableOf("source", "numbers", kNumbers, {}, -1),
                                    TableOf("sink", "gate", kSums, {}, 0), 1));
  f.RequireFinished(*job);
  CHECK(gate->rows == 100);
  CHECK(gate->asked < 20);
}

}  // namespace
}  // namespace millrace::runtime
