#include "runtime/engine/restart_policy.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

std::optional<int64_t> RestartPolicy::Failed(const Status& status, int64_t now_ms) {
  const int64_t running_since_ms = std::exchange(running_since_ms_, 0);
  if (status.fault() == Fault::kUser) return std::nullopt;
  if (status.retry() != Retry::kBackoff && status.fault() != Fault::kExternal) return std::nullopt;
  ++failures_;
  switch (options_.restart) {
    case RestartStrategy::kNone:
      return std::nullopt;
    case RestartStrategy::kFixedDelay:
      delay_ms_ = options_.restart_delay_ms;
      break;
    case RestartStrategy::kExponentialDelay:
      if (delay_ms_ == 0 ||
          (running_since_ms > 0 && now_ms - running_since_ms >= options_.restart_reset_ms)) {
        delay_ms_ = options_.restart_delay_ms;
        failures_ = 1;
      } else {
        delay_ms_ = std::min(
            options_.restart_max_delay_ms,
            static_cast<int64_t>(static_cast<double>(delay_ms_) * options_.restart_multiplier));
      }
      break;
    case RestartStrategy::kFailureRate:
      failure_times_ms_.push_back(now_ms);
      while (failure_times_ms_.front() < now_ms - options_.failure_interval_ms) {
        failure_times_ms_.pop_front();
      }
      if (static_cast<int64_t>(failure_times_ms_.size()) > options_.restart_attempts) {
        return std::nullopt;
      }
      return options_.restart_delay_ms;
  }
  if (failures_ > options_.restart_attempts) return std::nullopt;
  return delay_ms_;
}

}  // namespace millrace::runtime
