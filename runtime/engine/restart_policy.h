#pragma once

#include <deque>
#include <optional>

#include "runtime/types/status.h"
#include "runtime/engine/job_options.h"

namespace millrace::runtime {

// Says whether and when a failed job starts again: Flink's restart strategies
// ('restart-strategy.*').
class RestartPolicy {
 public:
  explicit RestartPolicy(const JobOptions& options) : options_(options) {}

  // The job runs since `now_ms`.
  void Running(int64_t now_ms) { running_since_ms_ = now_ms; }
  // The job failed, while it ran or while it was deployed: milliseconds until the next attempt, or
  // none. What the user has to mend (Fault::kUser) is never tried again.
  std::optional<int64_t> Failed(const Status& status, int64_t now_ms);

 private:
  const JobOptions& options_;
  int64_t failures_ = 0;
  int64_t running_since_ms_ = 0;  // 0: not since the last failure
  int64_t delay_ms_ = 0;
  std::deque<int64_t> failure_times_ms_;
};

}  // namespace millrace::runtime
