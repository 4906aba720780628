#pragma once

#include <map>
#include <string>

#include "runtime/api/operator.h"
#include "runtime/api/option_table.h"

namespace millrace::runtime {

// Options of a job, with Flink's names. The one declaration: CLI, REST and documentation read it.
OptionTable JobOptionTable();

enum class RestartStrategy : uint8_t { kNone, kFixedDelay, kExponentialDelay, kFailureRate };

// The options of a job, read.
struct JobOptions {
  JobSettings settings;
  std::string checkpoint_directory;  // empty: no checkpoints on disk
  int64_t checkpoint_interval_ms = 0;
  int64_t checkpoint_min_pause_ms = 0;
  int64_t checkpoint_timeout_ms = 600'000;
  int checkpoints_retained = 1;
  int tolerable_failed_checkpoints = 0;
  RestartStrategy restart = RestartStrategy::kNone;
  int64_t restart_attempts = 1;
  int64_t restart_delay_ms = 1000;
  int64_t restart_max_delay_ms = 60'000;
  double restart_multiplier = 1.5;
  int64_t restart_reset_ms = 3'600'000;
  int64_t failure_interval_ms = 60'000;
  int max_parallelism = -1;  // -1: not given
  size_t channel_bytes = 1 << 20;
  uint64_t memory_bytes = 0;
  uint64_t state_memory_bytes = 0;  // 0: managed_fraction of memory_bytes or of the machine
  double managed_fraction = 0.4;
};

// Reads the options of a job. Planner options ("table.*") and others of Flink's that the runtime has
// no use for are let through; unknown keys of ours are refused with the nearest known.
Result<JobOptions> ReadJobOptions(const std::map<std::string, std::string>& options);

}  // namespace millrace::runtime
