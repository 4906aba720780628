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

#include "runtime/engine/checkpoint_writer.h"
#include "runtime/engine/execution.h"
#include "runtime/engine/job_status.h"
#include "runtime/engine/restart_policy.h"
#include "runtime/engine/sink_commits.h"
#include "runtime/engine/split_coordinator.h"

namespace millrace::runtime {

// Result of a savepoint or stop, for whoever asked.
struct SavepointResult {
  Status status;
  std::string path;
};
using SavepointCallback = std::function<void(SavepointResult)>;

struct JobStart {
  // Empty: that of the restored checkpoint if it is one of those that the job keeps in its own
  // folder, which it then goes on with; else a new one: two jobs may start from one savepoint.
  std::string job_id;
  std::string restore_path;  // empty: fresh
  bool allow_non_restored = false;
};

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
  // Each callback below is called once, at the latest before the job is seen in a terminal state.
  // Takes a last checkpoint (target empty) or savepoint, commits it and ends the job. With drain
  // sources end first, so that windows close. If the savepoint can't be written, the job goes on;
  // if the job fails meanwhile it restarts and goes on, but fails for good when a plain stop was
  // asked for. A job that is down between two attempts ends at its last checkpoint; a savepoint or
  // a drain is refused then.
  void StopJob(const std::string& target_directory, bool drain, SavepointCallback done);
  // The job goes on. With a checkpoint folder the same moment is a checkpoint of the job as well,
  // and is committed as such, so that no later restart can abort what the savepoint holds. Without
  // one nothing is committed for it.
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
  struct Wanted {  // a checkpoint that was asked for
    bool savepoint = false;
    bool stop = false;
    bool drain = false;
    std::string target;  // savepoint: folder asked for
    SavepointCallback done;
    void Answer(Status status, const std::string& path);  // once
  };
  struct Pending {  // the checkpoint being taken
    Barrier barrier;
    CheckpointInfo info;
    Wanted wanted;
    bool final = false;  // all subtasks have finished
    std::vector<SubtaskSnapshot> snapshots;
    std::map<std::string, Manifest::EnumeratorPart> enumerators;
    bool writing = false;
    bool in_folder = false;  // a checkpoint folder is set
    // Not the job's own, which keeps no checkpoints: nothing is committed for it.
    bool aside() const { return wanted.savepoint && !wanted.stop && !in_folder; }
  };
  enum class Phase : uint8_t { kDeploying, kRunning, kTearingDown, kWaiting, kEnded };

  JobMaster(JobGraph graph, JobOptions options, WorkerEnvironment environment, JobStart start);
  void Post(std::function<void()> event);
  void RunIo(std::function<void()> work);
  int64_t NowMs() const { return environment_.executor->clock().NowMs(); }
  void SetState(JobState state);

  void Deploy();
  void Deployed(Result<std::unique_ptr<Execution>> built);
  // Ends the execution, then calls `then`: when no slice runs, no commit, and no checkpoint is
  // being written. One that gets written meanwhile is what the job goes on from. `why`: what those
  // hear who wait for a checkpoint that is not.
  void Teardown(const Status& why, std::function<void()> then);
  void TeardownStep();
  void Failed(const Status& status);
  void End(JobState state);

  bool StopAsked() const;
  bool AllFinished() const;
  // When a checkpoint is due that nobody asked for; INT64_MAX: none.
  int64_t NextCheckpointMs() const;
  void MaybeTrigger();
  void Trigger(Wanted wanted);
  void SnapshotArrived(SubtaskSnapshot snapshot);
  void WritePending();
  void Written(WrittenCheckpoint written, const std::string& folder, const std::string& savepoint);
  void Retain(const Pending& pending, const WrittenCheckpoint& written, const std::string& path);
  // `counts`: as a failure that 'tolerable-failed-checkpoints' is about.
  void AbortPending(const Status& why, bool counts, std::vector<WrittenCheckpoint::Lost> lost);
  std::string JobDirectory() const;
  Status TakeOverFolder(FileSystem& files);

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
  Phase phase_ = Phase::kDeploying;
  std::shared_ptr<Execution> execution_;
  std::shared_ptr<Execution> ending_;  // being torn down
  bool ending_stopped_ = false;        // no slice of it runs any more
  std::function<void()> torn_down_;
  int attempt_ = 0;
  SplitCoordinator splits_;
  SinkCommits commits_;
  RestartPolicy restarts_;
  int64_t restart_at_ms_ = INT64_MAX;

  std::optional<Manifest> restored_;  // what a restart goes on from
  std::string restored_folder_;
  bool behind_ = false;  // newer checkpoints than the restored one are in the job's folder
  int64_t last_checkpoint_id_ = 0;
  int64_t next_checkpoint_ms_ = INT64_MAX;
  int64_t last_checkpoint_end_ms_ = 0;
  int failed_in_a_row_ = 0;
  bool in_doubt_ = false;  // the newest checkpoint may be complete: no restart from an older one
  std::deque<Wanted> wanted_;
  std::optional<Wanted> drain_;
  std::optional<Wanted> stop_down_;  // a stop of a job that is down
  std::optional<Pending> pending_;
  std::vector<std::pair<int64_t, std::string>> retained_;  // id, folder
  std::map<int64_t, std::vector<StateHandle>> retained_handles_;
  std::vector<StateHandle> newest_handles_;
  bool stopping_ = false;  // a stop's checkpoint is being taken, or taken
  bool last_taken_ = false;  // that of a stop or the final one is complete, and is committed now
  int finished_ = 0;
};

}  // namespace millrace::runtime
