// Whole jobs with state of which little fits into memory.

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/harness/failing_file_system.h"
#include "tests/runtime/engine/job_fixture.h"

namespace millrace::runtime {
namespace {

constexpr int64_t kRows = 60'000;
constexpr int64_t kKeys = 20'000;

state::StateBackendOptions Tiny(FileSystem* disk = nullptr) {
  state::StateBackendOptions options;
  options.budget_bytes = 64 * 1024;
  options.local_files = disk;
  return options;
}

class Job {
 public:
  explicit Job(state::StateBackendOptions state)
      : worker_(std::move(state)), file_(worker_.folder / "out") {}

  // COUNT(*), SUM(v) of rows of a random key and v = 1, every update appended to a file.
  std::shared_ptr<JobMaster> Start(int parallelism, int64_t rows_per_second,
                                   const std::string& restore = "") {
    const std::map<std::string, std::string> options = {
        {"number-of-rows", std::to_string(kRows)},
        {"rows-per-second", std::to_string(rows_per_second)},
        {"fields.k.min", "0"},
        {"fields.k.max", std::to_string(kKeys - 1)},
        {"fields.v.min", "1"},
        {"fields.v.max", "1"}};
    JobGraph graph =
        SumGraph(TableOf("source", "datagen", kNumbers, options, -1),
                 TableOf("sink", "values", kSums, {{"values.output-file", file_}}, 0), parallelism);
    graph.options = {{"execution.checkpointing.interval", "20 ms"},
                     {"execution.checkpointing.dir", (worker_.folder / "checkpoints").string()},
                     {"restart-strategy.type", "fixed-delay"},
                     {"restart-strategy.fixed-delay.attempts", "10"},
                     {"restart-strategy.fixed-delay.delay", "5 ms"}};
    JobStart start;
    start.restore_path = restore;
    auto job = JobMaster::Make(graph, worker_.environment, std::move(start));
    if (!job.ok()) FAIL(job.status().ToString());
    (*job)->Start();
    return *job;
  }
  static void RequireFinished(JobMaster& job) {
    const JobState state = job.Wait();
    if (!job.status().failures.empty()) INFO(job.status().failures.back());
    REQUIRE(state == JobState::kFinished);
  }
  // Each row is counted once exactly if the largest counts of all keys add up to the rows.
  void RequireSums() const {
    std::map<std::string, std::pair<int64_t, int64_t>> last;
    std::ifstream lines(file_);
    for (std::string line; std::getline(lines, line);) {
      const size_t first = line.find(", "), second = line.find(", ", first + 2);
      REQUIRE(second != std::string::npos);
      auto& sums = last[line.substr(3, first - 3)];
      sums =
          std::max(sums, {std::stoll(line.substr(first + 2)), std::stoll(line.substr(second + 2))});
    }
    int64_t count = 0;
    for (const auto& [key, sums] : last) {
      REQUIRE(sums.first == sums.second);
      count += sums.first;
    }
    REQUIRE(count == kRows);
  }
  bool HasColdFiles() const {
    const auto local = worker_.folder / "local";
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(local, error)) {
      if (entry.path().extension() == ".sst") return true;
    }
    return false;
  }
  TestWorker& worker() { return worker_; }

 private:
  TestWorker worker_;
  const std::string file_;
};

template <typename Condition>
void WaitUntil(Condition condition) {
  for (int i = 0; i < 10'000 && !condition(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE(condition());
}

TEST_CASE("a job whose state is larger than its budget gives the sums of one in memory") {
  Job job(Tiny());
  const auto master = job.Start(2, -1);
  WaitUntil([&] { return job.HasColdFiles() || master->WaitFor(0); });
  Job::RequireFinished(*master);
  CHECK(master->status().restarts == 0);
  job.RequireSums();
}

TEST_CASE("state larger than its budget is restored from a checkpoint or savepoint elsewhere") {
  for (const bool savepoint : {false, true}) {
    INFO("savepoint " << savepoint);
    Job job(Tiny());
    std::string path;
    {
      const auto master = job.Start(2, 100'000);
      WaitUntil([&] { return job.HasColdFiles() && master->status().completed_checkpoints >= 3; });
      if (savepoint) {
        std::atomic<bool> called{false};
        master->StopJob((job.worker().folder / "savepoints").string(), false,
                        [&](SavepointResult result) {
                          path = result.status.ok() ? result.path : "";
                          called = true;
                        });
        Job::RequireFinished(*master);
        WaitUntil([&] { return called.load(); });
      } else {
        master->Cancel();
        CHECK(master->Wait() == JobState::kCanceled);
        path = master->status().last_checkpoint_path;
      }
    }
    REQUIRE(!path.empty());
    const auto master = job.Start(3, -1, path);
    Job::RequireFinished(*master);
    job.RequireSums();
  }
}

TEST_CASE("a disk of evicted rows that fails restarts the job, and nothing is lost") {
  state::FailingFileSystem disk;
  Job job(Tiny(&disk));
  const auto master = job.Start(2, 100'000);
  WaitUntil([&] { return job.HasColdFiles() && master->status().completed_checkpoints >= 2; });
  disk.budget_bytes = 0;
  WaitUntil([&] { return master->status().restarts >= 1; });
  disk.budget_bytes = INT64_MAX;
  Job::RequireFinished(*master);
  REQUIRE(!master->status().failures.empty());
  CHECK_THAT(master->status().failures[0], Catch::Contains("cold state can't be written"));
  job.RequireSums();
}

}  // namespace
}  // namespace millrace::runtime
