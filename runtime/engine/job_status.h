#pragma once

#include <cstdint>
#include <string>
#include <vector>

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
  std::vector<std::string> failures;  // newest last
  std::string last_checkpoint_path;
  int64_t restored_checkpoint_id = 0;
  int64_t completed_checkpoints = 0;
  int64_t failed_checkpoints = 0;
  std::vector<CheckpointInfo> checkpoints;  // the latest, oldest first
  int finished_subtasks = 0;
  int total_subtasks = 0;
};

// Makes 32 hex digits that no other job has.
std::string NewJobId();

}  // namespace millrace::runtime
