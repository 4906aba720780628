// What a job does when something of it fails: nothing lost, nothing twice, nobody left waiting.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "runtime/engine/job_master.h"
#include "tests/runtime/engine/job_fixture.h"
#include "tests/runtime/engine/ledger.h"

namespace millrace::runtime {
namespace {

// Rows 0 .. rows - 1 as (number, 1), in one split, `per_poll` every `pause_us`; unbounded: it stays
// open behind them.
struct Feed {
  int64_t rows = 0;
  int64_t per_poll = 20;
  bool bounded = true;
  std::atomic<int> makes_to_fail{0};  // so many next attempts to make the source
  std::atomic<int> makes{0};
  std::atomic<bool> fail_now{false};  // the reader fails once
  std::atomic<int64_t> read{0};       // position of the reader
};

class FeedReader : public SourceReader {
 public:
  explicit FeedReader(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    for (const Split& split : splits) feed_->read = next_ = std::stoll(split.position);
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }
  Result<Progress> Poll(ReadOutput* out) override {
    if (feed_->fail_now.exchange(false)) return Status::External("the feed broke");
    if (next_ < 0 || finished_) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    if (next_ == feed_->rows) {
      if (!feed_->bounded) {
        context_->SetProcessingTimer(context_->now_ms() + 1);
        return Progress::kBlocked;
      }
      out->split = 0;
      out->split_finished = finished_ = true;
      return Progress::kMore;
    }
    if (context_->now_ms() < not_before_ms_) {
      context_->SetProcessingTimer(not_before_ms_);
      return Progress::kBlocked;
    }
    not_before_ms_ = context_->now_ms() + 1;
    BatchBuilder builder(context_->pool(), kNumbers);
    const int64_t end = std::min(feed_->rows, next_ + feed_->per_poll);
    for (; next_ < end; ++next_) {
      builder.column(0).Append(next_);
      builder.column(1).Append(int64_t{1});
      builder.EndRow();
    }
    feed_->read = next_;
    out->split = 0;
    out->batch = builder.Finish();
    return Progress::kMore;
  }
  Result<std::vector<Split>> Snapshot() override {
    if (next_ < 0 || finished_) return std::vector<Split>{};
    return std::vector<Split>{{"feed", std::to_string(next_)}};
  }

 private:
  const std::shared_ptr<Feed> feed_;
  OperatorContext* context_ = nullptr;
  int64_t next_ = -1;
  int64_t not_before_ms_ = 0;
  bool finished_ = false, no_more_ = false;
};

class FeedSource : public Source {
 public:
  explicit FeedSource(std::shared_ptr<Feed> feed) : feed_(std::move(feed)) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return std::make_unique<OneSplitEnumerator>("feed");
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<FeedReader>(feed_);
  }
  bool bounded() const override { return feed_->bounded; }

 private:
  const std::shared_ptr<Feed> feed_;
};

// A state backend whose copying of checkpoints can be held up.
class HeldBackend : public StateBackend {
 public:
  explicit HeldBackend(StateBackend* backend) : backend_(backend) {}
  std::atomic<bool> hold{false};

  Result<std::unique_ptr<SubtaskState>> MakeSubtaskState(SubtaskStateOptions options) override {
    ASSIGN_OR_RETURN(auto state, backend_->MakeSubtaskState(std::move(options)));
    return std::make_unique<HeldState>(this, std::move(state));
  }
  Result<std::vector<StateHandle>> Write(
      const std::string& directory, int64_t checkpoint_id,
      std::span<const std::unique_ptr<StateDelta>> deltas) override {
    return backend_->Write(directory, checkpoint_id, deltas);
  }
  Status Retain(const std::string& directory, std::span<const StateHandle> needed,
                int64_t keep_from_id) override {
    return backend_->Retain(directory, needed, keep_from_id);
  }
  Status Compact(const std::string& directory) override { return backend_->Compact(directory); }
  Result<std::vector<StateHandle>> WriteSavepoint(const std::string& directory,
                                                  std::span<const StateHandle> handles) override {
    return backend_->WriteSavepoint(directory, handles);
  }

 private:
  class HeldState : public SubtaskState {
   public:
    HeldState(HeldBackend* backend, std::unique_ptr<SubtaskState> state)
        : backend_(backend), state_(std::move(state)) {}
    Result<KeyedTable*> Open(const std::string& uid, const StateSpec& spec) override {
      return state_->Open(uid, spec);
    }
    void SetTime(int64_t now_ms) override { state_->SetTime(now_ms); }
    void Housekeep() override { state_->Housekeep(); }
    void Freeze(int64_t id, bool full) override { state_->Freeze(id, full); }
    bool CopySome(int64_t nanos) override { return !backend_->hold && state_->CopySome(nanos); }
    std::unique_ptr<StateDelta> TakeDelta() override { return state_->TakeDelta(); }
    void CheckpointEnded(int64_t id, std::unique_ptr<StateDelta> lost) override {
      state_->CheckpointEnded(id, std::move(lost));
    }
    int64_t used_bytes() const override { return state_->used_bytes(); }
    int64_t longest_slice_nanos() const override { return state_->longest_slice_nanos(); }

   private:
    HeldBackend* const backend_;
    const std::unique_ptr<SubtaskState> state_;
  };
  StateBackend* const backend_;
};

struct Fixture : TestWorker {
  Fixture() : held(environment.state_backend) {
    environment.state_backend = &held;
    ConnectorInfo source;
    source.name = "feed";
    source.make_source = [this](const TableSpec&) -> Result<std::unique_ptr<Source>> {
      ++feed->makes;
      if (feed->makes_to_fail > 0) {
        --feed->makes_to_fail;
        return Status::External("no way to the feed");
      }
      return std::make_unique<FeedSource>(feed);
    };
    registry.AddConnector(std::move(source));
    ledger.Register(registry, "ledger");
  }
  // Numbers and how often each was counted (1), by `parallelism` subtasks.
  JobGraph Graph(int parallelism, std::map<std::string, std::string> options) const {
    JobGraph graph = SumGraph(TableOf("source", "feed", kNumbers, {}, -1),
                              TableOf("sink", "ledger", kSums, {}, 0), parallelism);
    graph.vertices[0].parallelism = 1;
    graph.options = std::move(options);
    graph.options["execution.checkpointing.dir"] = (folder / "checkpoints").string();
    return graph;
  }
  std::shared_ptr<JobMaster> Start(const JobGraph& graph, JobStart start = {}) {
    Result<std::shared_ptr<JobMaster>> job = JobMaster::Make(graph, environment, std::move(start));
    if (!job.ok()) FAIL(job.status().ToString());
    (*job)->Start();
    return *job;
  }
  // Ends a job that would read for ever; what it has read by then is all there is.
  void Drain(JobMaster& job) {
    const int64_t before = feed->read;  // maybe by an attempt that is over
    WaitUntil([&] { return feed->read != before; });
    job.StopJob("", true, nullptr);
    CHECK(job.Wait() == JobState::kFinished);
    feed->rows = feed->read;
  }
  void RequireExact() const {
    const auto rows = ledger.committed();
    CHECK(static_cast<int64_t>(rows.size()) == feed->rows);
    for (const auto& [row, times] : rows) {
      if (row.second != 1 || times != 1) {
        FAIL("row " << row.first << " counted " << row.second << ", " << times << " times");
      }
    }
  }
  template <typename Condition>
  static void WaitUntil(Condition condition) {
    for (int i = 0; i < 10'000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(condition());
  }
  // An answer to wait for.
  struct Answer {
    std::atomic<int> count{0};
    SavepointResult result;
    SavepointCallback callback() {
      return [this](SavepointResult given) {
        result = std::move(given);
        ++count;
      };
    }
  };

  std::shared_ptr<Feed> feed = std::make_shared<Feed>();
  HeldBackend held;
  Ledger ledger;
};

constexpr int64_t kEndless = 1 << 30;

const std::map<std::string, std::string> kQuickRestarts = {
    {"execution.checkpointing.interval", "5 ms"},
    {"restart-strategy.type", "fixed-delay"},
    {"restart-strategy.fixed-delay.attempts", "3"},
    {"restart-strategy.fixed-delay.delay", "1 ms"}};

std::map<std::string, std::string> With(std::map<std::string, std::string> options,
                                        const std::map<std::string, std::string>& more) {
  for (const auto& [name, value] : more) options[name] = value;
  return options;
}

TEST_CASE("a restart that can't be deployed counts as an attempt") {
  Fixture f;
  f.feed->rows = kEndless;
  const auto job = f.Start(f.Graph(2, kQuickRestarts));
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
  SECTION("and the next one may succeed") {
    f.feed->makes_to_fail = 2;
    f.feed->fail_now = true;
    f.WaitUntil([&] { return f.feed->makes == 4 && job->status().state == JobState::kRunning; });
    f.Drain(*job);
    CHECK(job->status().restarts == 3);
    f.RequireExact();
  }
  SECTION("and the last one fails the job") {
    f.feed->makes_to_fail = 100;
    f.feed->fail_now = true;
    CHECK(job->Wait() == JobState::kFailed);
    CHECK(f.feed->makes == 4);
    CHECK_THAT(job->status().failures.back(), Catch::Contains("no way to the feed"));
  }
}

TEST_CASE("a job that is down ends at its last checkpoint when it is stopped") {
  Fixture f;
  f.feed->rows = kEndless;
  const auto job =
      f.Start(f.Graph(1, With(kQuickRestarts, {{"restart-strategy.fixed-delay.delay", "1 h"}})));
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
  f.feed->fail_now = true;
  f.WaitUntil([&] { return job->status().state == JobState::kRestarting; });
  Fixture::Answer savepoint, stop;
  job->StopJob((f.folder / "savepoints").string(), false, savepoint.callback());
  job->StopJob("", false, stop.callback());
  CHECK(job->Wait() == JobState::kCanceled);
  REQUIRE(savepoint.count == 1);
  CHECK_THAT(savepoint.result.status.message(), Catch::Contains("restarting"));
  REQUIRE(stop.count == 1);
  CHECK(stop.result.status.ok());
  CHECK(stop.result.path == job->status().last_checkpoint_path);
}

TEST_CASE("what was prepared for a checkpoint that is aborted while it is copied is committed") {
  Fixture f;
  f.feed->rows = kEndless;
  const auto job = f.Start(f.Graph(
      2, With(kQuickRestarts, {{"execution.checkpointing.timeout", "100 ms"},
                               {"execution.checkpointing.tolerable-failed-checkpoints", "1000"}})));
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
  for (int i = 1; i <= 3; ++i) {
    f.held.hold = true;
    f.WaitUntil([&] { return job->status().failed_checkpoints >= i; });
    f.held.hold = false;
    const int64_t so_far = job->status().completed_checkpoints;
    f.WaitUntil([&] { return job->status().completed_checkpoints > so_far; });
  }
  f.Drain(*job);
  CHECK(job->status().restarts == 0);

  f.RequireExact();
}

TEST_CASE("a checkpoint that takes too long counts as failed, with an interval or without") {
  Fixture f;
  f.feed->rows = 1'000'000;
  f.ledger.may_prepare = [](int subtask, int64_t) { return subtask == 0; };
  std::map<std::string, std::string> options = {{"execution.checkpointing.timeout", "20 ms"},
                                                {"restart-strategy.type", "none"}};
  const bool interval = GENERATE(true, false);
  if (interval) options["execution.checkpointing.interval"] = "5 ms";
  const auto job = f.Start(f.Graph(2, options));
  Fixture::Answer answer;
  if (!interval) job->TriggerCheckpoint(answer.callback());
  CHECK(job->Wait() == JobState::kFailed);
  CHECK_THAT(job->status().failures.back(), Catch::Contains("execution.checkpointing.timeout"));
  CHECK(answer.count == (interval ? 0 : 1));
}

TEST_CASE("a savepoint holds whatever the job does afterwards") {
  Fixture f;
  f.feed->rows = kEndless;
  JobStart start;
  std::string savepoint_path;
  {
    const auto job = f.Start(f.Graph(2, {{"execution.checkpointing.interval", "1 h"}}));
    Fixture::Answer first, savepoint;
    f.WaitUntil([&] { return f.feed->read > 200; });
    job->TriggerCheckpoint(first.callback());
    f.WaitUntil([&] { return first.count == 1; });
    f.WaitUntil([&] { return f.feed->read > 2000; });
    job->TriggerSavepoint((f.folder / "savepoints").string(), savepoint.callback());
    f.WaitUntil([&] { return savepoint.count == 1; });
    REQUIRE(savepoint.result.status.ok());
    savepoint_path = savepoint.result.path;
    // The job itself goes on from a checkpoint of the same moment.
    CHECK(job->status().last_checkpoint_path.find("/chk-2") != std::string::npos);
    start.restore_path = job->status().last_checkpoint_path;
    job->Cancel();
    job->Wait();
  }
  f.feed->rows = f.feed->read + 3000;
  SECTION("the job's own folder") {
    std::filesystem::remove_all(savepoint_path);
    const auto job = f.Start(f.Graph(1, kQuickRestarts), start);
    CHECK(job->Wait() == JobState::kFinished);
    f.RequireExact();
  }
  SECTION("back to the savepoint after a restart that came to nothing") {
    f.feed->read = 0;
    {
      const auto job = f.Start(f.Graph(2, {{"execution.checkpointing.interval", "1 h"}}), start);
      f.WaitUntil([&] { return f.feed->read > 2500; });
      job->Cancel();
      job->Wait();
    }
    start.restore_path = savepoint_path;
    const auto job = f.Start(f.Graph(3, kQuickRestarts), start);
    CHECK(job->Wait() == JobState::kFinished);
    CHECK(job->job_id() != start.job_id);
    f.RequireExact();
  }
}

TEST_CASE(
    "a job that goes back to an older checkpoint leaves no newer one of its past in the way") {
  Fixture f;
  f.feed->rows = kEndless;
  auto options = kQuickRestarts;
  options["execution.checkpointing.num-retained"] = "3";
  std::string older, folder;
  {
    const auto job = f.Start(f.Graph(2, options));
    f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
    older = job->status().last_checkpoint_path;
    f.WaitUntil([&] { return job->status().completed_checkpoints >= 4; });
    job->Cancel();
    job->Wait();
    folder = older.substr(0, older.rfind('/'));
  }
  JobStart start;
  std::map<int64_t, std::string> kept;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (std::filesystem::exists(entry.path() / kManifestName)) {
      kept[CheckpointNumber(entry.path().string())] = entry.path().string();
    }
  }
  REQUIRE(kept.size() >= 2);
  start.restore_path = std::next(kept.rbegin())->second;
  const auto job = f.Start(f.Graph(1, options), start);
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 1; });
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    CHECK(CheckpointNumber(entry.path().string()) <= job->status().checkpoints.back().id);
  }
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 4; });
  job->Cancel();
  job->Wait();
  f.WaitUntil([&] {  // removal goes on in the background
    int left = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      left += CheckpointNumber(entry.path().string()) > 0;
    }
    return left <= 3;
  });
}

TEST_CASE("a savepoint that can't be written is refused, and the job goes on") {
  Fixture f;
  f.feed->rows = kEndless;
  const auto job = f.Start(f.Graph(2, kQuickRestarts));
  f.WaitUntil([&] { return job->status().completed_checkpoints >= 1; });
  const bool stop = GENERATE(true, false);
  Fixture::Answer answer;
  if (stop) {
    job->StopJob("/proc/none", false, answer.callback());
  } else {
    job->TriggerSavepoint("/proc/none", answer.callback());
  }
  f.WaitUntil([&] { return answer.count == 1; });
  f.Drain(*job);
  CHECK_THAT(answer.result.status.message(), Catch::Contains("/proc/none"));
  CHECK(job->status().restarts == 0);
  f.RequireExact();
}

TEST_CASE("checkpoints hold what is not committed yet, however slow the commit is") {
  Fixture f;
  f.feed->rows = kEndless;
  std::atomic<bool> down{false};
  f.ledger.before_commit = [&] {
    return down ? Status::External("the ledger is away") : Status::Ok();
  };
  std::string path;
  {
    const auto job = f.Start(f.Graph(2, kQuickRestarts));
    f.WaitUntil([&] { return job->status().completed_checkpoints >= 2; });
    down = true;
    const int64_t so_far = job->status().completed_checkpoints;
    f.WaitUntil([&] { return job->status().completed_checkpoints >= so_far + 5; });
    job->Cancel();
    job->Wait();
    path = job->status().last_checkpoint_path;
  }
  f.feed->rows = f.feed->read + 2000;
  down = false;
  JobStart start;
  start.restore_path = path;
  const auto job = f.Start(f.Graph(3, kQuickRestarts), start);
  CHECK(job->Wait() == JobState::kFinished);
  f.RequireExact();
}

TEST_CASE("commits of a sink run one at a time") {
  Fixture f;
  f.feed->rows = kEndless;
  std::atomic<int> inside{0};
  std::atomic<bool> two{false};
  f.ledger.before_commit = [&] {
    if (++inside > 1) two = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(12));
    --inside;
    return Status::Ok();
  };
  SECTION("also over a restart") {
    const auto job = f.Start(f.Graph(2, kQuickRestarts));
    f.WaitUntil([&] { return f.feed->read > 500; });
    f.feed->fail_now = true;
    f.WaitUntil([&] { return job->status().restarts == 1 && f.feed->makes == 2; });
    f.WaitUntil([&] { return job->status().state == JobState::kRunning; });
    f.Drain(*job);
    CHECK(job->status().restarts == 1);
  }
  SECTION("without one") {
    const auto job = f.Start(f.Graph(2, kQuickRestarts));
    f.WaitUntil([&] { return job->status().completed_checkpoints >= 10; });
    f.Drain(*job);
  }
  CHECK(!two);
  f.RequireExact();
}

TEST_CASE("a drain ends with a failure of the job, which goes on and reads all") {
  Fixture f;
  f.feed->rows = kEndless;
  std::atomic<bool> may{true};
  f.ledger.may_prepare = [&](int, int64_t) { return may.load(); };
  const auto job = f.Start(f.Graph(2, kQuickRestarts));
  f.WaitUntil([&] { return f.feed->read > 1000; });
  may = false;  // the final checkpoint can't be taken
  Fixture::Answer failed, again;
  job->StopJob("", true, failed.callback());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(failed.count == 0);
  job->OnFailed(1, 0, Status::External("a subtask broke"));
  f.WaitUntil([&] { return failed.count == 1; });
  CHECK_THAT(failed.result.status.message(), Catch::Contains("a subtask broke"));
  may = true;
  f.WaitUntil([&] { return job->status().state == JobState::kRunning && f.feed->makes == 2; });
  const int64_t before = f.feed->read;
  f.WaitUntil([&] { return f.feed->read != before; });
  job->StopJob("", true, again.callback());
  CHECK(job->Wait() == JobState::kFinished);
  f.feed->rows = f.feed->read;
  CHECK(again.count == 1);
  CHECK(again.result.status.ok());
  f.RequireExact();
}

TEST_CASE("a drain that comes before the job runs ends it at once") {
  Fixture f;
  Fixture::Answer answer;
  f.feed->bounded = false;
  const auto job = f.Start(f.Graph(2, kQuickRestarts));
  job->StopJob("", true, answer.callback());
  CHECK(job->Wait() == JobState::kFinished);
  CHECK(answer.count == 1);
  CHECK(answer.result.status.ok());
}

TEST_CASE("whoever asked for a savepoint or a stop is answered once, whatever becomes of the job") {
  Fixture f;
  f.feed->rows = 1'000'000;
  f.ledger.may_prepare = [](int, int64_t) { return false; };  // no checkpoint can be taken
  const auto job = f.Start(f.Graph(2, {}));
  f.WaitUntil([&] { return f.feed->read > 100; });
  Fixture::Answer taken, waiting, stop, again, drain;
  job->TriggerSavepoint((f.folder / "s").string(), taken.callback());
  job->TriggerSavepoint((f.folder / "s").string(), waiting.callback());
  job->StopJob("", false, stop.callback());
  job->StopJob("", false, again.callback());
  job->StopJob("", true, drain.callback());
  f.WaitUntil([&] { return drain.count == 1; });
  CHECK(again.count == 1);
  CHECK(stop.count == 0);
  if (GENERATE(true, false)) {
    job->Cancel();
    CHECK(job->Wait() == JobState::kCanceled);
  } else {
    f.feed->fail_now = true;
    CHECK(job->Wait() == JobState::kFailed);
  }
  for (Fixture::Answer* answer : {&taken, &waiting, &stop, &again, &drain}) {
    CHECK(answer->count == 1);
    CHECK(!answer->result.status.ok());
  }
}

}  // namespace
}  // namespace millrace::runtime
