#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine/execution.h"

namespace millrace::runtime {

// Flink's job states (org.apache.flink.api.common.JobStatus).
enum class JobState : uint8_t {
  kInitializing,
  kRunning,
  kRestarting,
  kFailing,
  kCancelling,
  kCanceled,
  kFinished,
  kFailed,
};
const char* NameOf(JobState state);
bool IsTerminal(JobState state);

struct CheckpointInfo {
  int64_t id = 0;
  enum class State : uint8_t { kInProgress, kCompleted, kFailed } state = State::kInProgress;
  bool savepoint = false;
  int64_t trigger_ms = 0;
  int64_t duration_ms = 0;
  uint64_t state_bytes = 0;
  int64_t sync_nanos = 0;
  int acknowledged = 0;
  int expected = 0;
  std::string path;
  std::string failure;
};

// A picture of a job for REST and the command line.
struct JobStatus {
  std::string job_id;
  std::string name;
  JobState state = JobState::kInitializing;
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int restarts = 0;
  std::vector<std::string> failures;   // newest last
  std::string last_checkpoint_path;
  int64_t restored_checkpoint_id = 0;
  int64_t completed_checkpoints = 0;
  int64_t failed_checkpoints = 0;
  std::vector<CheckpointInfo> checkpoints;  // the latest, oldest first
  int finished_subtasks = 0;
  int total_subtasks = 0;
};

// Result of a savepoint or stop, for whoever asked.
struct SavepointResult {
  Status status;
  std::string path;
};
using SavepointCallback = std::function<void(SavepointResult)>;

struct JobStart {
  std::string job_id;           // empty: of the restored checkpoint, or a new one
  std::string restore_path;     // empty: fresh
  bool allow_non_restored = false;
};

// Makes 32 hex digits that no other job has.
std::string NewJobId();

// Runs one job: deploys it, assigns splits, takes checkpoints, commits sinks, restarts it after
// failures, stops it. Its decisions are made in slices on one executor thread; whatever blocks goes
// to IO threads. All public calls are thread-safe. Keep it in a shared_ptr; destroy it after Wait.
class JobMaster : public Runnable,
                  public SubtaskListener,
                  public std::enable_shared_from_this<JobMaster> {
 public:
  static Result<std::shared_ptr<JobMaster>> Make(JobGraph graph, WorkerEnvironment environment,
                                                 JobStart start);
  ~JobMaster() override;

  void Start();
  // Ends the job as it is; retained checkpoints stay.
  void Cancel();
  // Takes a last checkpoint (target empty) or savepoint, commits it and ends the job. With drain
  // sources end first, so that windows close.
  void StopJob(const std::string& target_directory, bool drain, SavepointCallback done);
  void TriggerSavepoint(const std::string& target_directory, SavepointCallback done);
  void TriggerCheckpoint(SavepointCallback done);

  JobStatus status() const;
  // Blocks until the job is in a terminal state.
  JobState Wait();
  // As Wait, but not longer; false: still running.
  bool WaitFor(int64_t timeout_ms);

  struct SubtaskMetrics {
    int vertex;
    int subtask;
    std::string name;
    int64_t busy_nanos, idle_nanos, back_pressured_nanos;
    // By operator uid.
    std::vector<std::pair<std::string, std::map<std::string, int64_t>>> numbers;
    std::vector<std::pair<std::string, std::map<std::string, std::string>>> texts;
  };
  std::vector<SubtaskMetrics> CollectMetrics() const;
  const JobGraph& graph() const { return graph_; }
  const std::string& job_id() const { return job_id_; }

  bool RunSlice() override;

  // SubtaskListener.
  void OnSnapshot(SubtaskSnapshot snapshot) override;
  void OnFinished(int vertex, int subtask) override;
  void OnFailed(int vertex, int subtask, Status status) override;
  void OnSplitFinished(int vertex, const std::string& split_id) override;

 private:
  struct Pending {  // the checkpoint being taken
    Barrier barrier;
    CheckpointInfo info;
    std::string target;  // savepoint: folder asked for
    bool final = false;  // all subtasks have finished
    std::vector<SubtaskSnapshot> snapshots;
    std::map<std::string, Manifest::EnumeratorPart> enumerators;
    std::vector<SavepointCallback> callbacks;
    bool writing = false;
  };
  struct Wanted {  // a checkpoint that was asked for
    bool savepoint = false;
    bool stop = false;
    std::string target;
    SavepointCallback done;
  };

  JobMaster(JobGraph graph, JobOptions options, WorkerEnvironment environment, JobStart start);
  void Post(std::function<void()> event);
  void RunIo(std::function<void()> work);
  int64_t NowMs() const { return environment_.executor->clock().NowMs(); }
  void SetState(JobState state);

  void Deploy();
  void Deployed(std::shared_ptr<Result<std::unique_ptr<Execution>>> built);
  void Teardown(std::function<void()> then);
  void Failed(const Status& status);

  void DiscoverSplits(size_t source);
  void AssignSplits(Execution::SourceParts& source);

  void MaybeTrigger();
  void Trigger(Wanted wanted);
  void SnapshotArrived(SubtaskSnapshot snapshot);
  void WritePending();
  void Written(Status status, std::vector<std::unique_ptr<StateDelta>> lost, std::string path,
               std::vector<StateHandle> handles, uint64_t bytes);
  void AbortPending(const Status& why, std::vector<std::unique_ptr<StateDelta>> lost);
  void CommitUpTo(int64_t id);
  void AllCommitted();
  std::string JobDirectory() const;

  const JobGraph graph_;
  const JobOptions options_;
  const WorkerEnvironment environment_;
  JobStart start_;
  std::string job_id_;

  mutable std::mutex mutex_;  // events_, status_, execution_ as seen by CollectMetrics
  mutable std::condition_variable changed_;
  std::deque<std::function<void()>> events_;
  JobStatus status_;

  // Only in slices from here on.
  JobState state_ = JobState::kInitializing;
  std::shared_ptr<Execution> execution_;
  int attempt_ = 0;
  int64_t generation_ = 0;  // events of an earlier execution are dropped
  std::optional<Manifest> restored_;
  std::string restored_folder_;
  int64_t last_checkpoint_id_ = 0;
  int64_t next_checkpoint_ms_ = INT64_MAX;
  int64_t last_checkpoint_end_ms_ = 0;
  int failed_in_a_row_ = 0;
  std::deque<Wanted> wanted_;
  std::optional<Pending> pending_;
  std::vector<std::pair<int64_t, std::string>> retained_;  // id, folder
  std::map<int64_t, std::vector<StateHandle>> retained_handles_;
  std::vector<StateHandle> newest_handles_;
  std::map<std::string, std::vector<Committable>> committables_;  // prepared, not yet committed
  int commits_running_ = 0;
  int64_t committing_id_ = 0;
  std::vector<std::function<void()>> after_commit_;
  bool stopping_ = false;     // a stop checkpoint is under way or done
  bool draining_ = false;
  Wanted drain_;
  int finished_ = 0;
  bool final_taken_ = false;
  std::deque<int64_t> failure_times_ms_;
  int64_t restart_delay_ms_ = 0;
  int64_t restart_at_ms_ = INT64_MAX;
  int64_t running_since_ms_ = 0;
};

}  // namespace millrace::runtime
