#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/engine/executor.h"
#include "runtime/engine/job_graph.h"

namespace millrace::runtime {

// What all operators of a subtask share.
struct SubtaskEnvironment {
  JobSettings settings;
  RunIdentity run;
  int subtask = 0;
  int parallelism = 1;
  int max_parallelism = kDefaultMaxParallelism;
  Executor* executor = nullptr;
  std::shared_ptr<Waker> waker;
  SubtaskState* state = nullptr;
  std::function<Result<FileSystem*>(std::string_view)> file_systems;
  int64_t now_ms = 0;                    // read once a batch
  int64_t next_timer_ms = INT64_MAX;     // soonest of all operators
};

// The OperatorContext and KeyRequests of one operator of one subtask.
class NodeOperatorContext : public OperatorContext, public KeyRequests {
 public:
  NodeOperatorContext(SubtaskEnvironment* environment, std::shared_ptr<MemoryPool> pool,
                      MetricGroup* metrics)
      : environment_(environment), pool_(std::move(pool)), metrics_(metrics) {}

  // Opens the declared states; lists get the restored entries.
  Status OpenStates(const std::string& uid, std::vector<StateSpec> specs,
                    const std::map<std::string, ListEntries>& restored_lists);

  const JobSettings& settings() const override { return environment_->settings; }
  const RunIdentity& run() const override { return environment_->run; }
  int subtask() const override { return environment_->subtask; }
  int parallelism() const override { return environment_->parallelism; }
  int max_parallelism() const override { return environment_->max_parallelism; }
  MemoryPool& pool() override { return *pool_; }
  MetricGroup& metrics() override { return *metrics_; }
  int64_t now_ms() const override { return environment_->now_ms; }
  const Clock& clock() const override { return environment_->executor->clock(); }
  Result<FileSystem*> file_system(std::string_view uri) override {
    return environment_->file_systems(uri);
  }
  void RunIo(std::function<void()> work) override {
    environment_->executor->RunIo(std::move(work));
  }
  Timestamp watermark() const override { return watermark_; }
  KeyedTable& keyed(int index) override { return *tables_.at(static_cast<size_t>(index)); }
  ListEntries& list(int index) override { return lists_.at(static_cast<size_t>(index)); }
  uint8_t* const* rows(int index, int request) override;
  void SetProcessingTimer(int64_t time_ms) override;
  std::function<void()> waker() override;

  // KeyRequests.
  void Add(int state, Access access, const KeyNames& names) override;
  void ClearRequests() { used_ = 0; }
  // Resolves what was named and is not yet; false: pending.
  Result<bool> ResolveRequests();
  void ReleasePins();

  void SetWatermark(Timestamp time) { watermark_ = time; }
  // The timer is due: takes it off and says so.
  bool TakeTimer(int64_t now_ms);
  int64_t timer_ms() const { return timer_ms_; }
  bool TakeWake() { return woken_->exchange(false); }
  void CollectLists(std::vector<std::pair<std::string, ListEntries>>* lists) const;
  SubtaskEnvironment& environment() { return *environment_; }

 private:
  struct Request {
    int state = 0;
    Access access = Access::kRead;
    KeyNames names;
    std::vector<const Vector*> columns;
    std::vector<uint8_t*> rows;
    bool resolved = false;
  };

  SubtaskEnvironment* const environment_;
  std::shared_ptr<MemoryPool> pool_;
  MetricGroup* const metrics_;
  std::vector<StateSpec> specs_;
  std::vector<KeyedTable*> tables_;  // by state index; null for lists
  std::deque<ListEntries> lists_;    // by state index
  std::deque<Request> requests_;     // reused; the first used_ count
  size_t used_ = 0;
  Timestamp watermark_ = kMinTimestamp;
  int64_t timer_ms_ = INT64_MAX;
  std::shared_ptr<std::atomic<bool>> woken_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace millrace::runtime
