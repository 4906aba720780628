#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "runtime/api/metrics.h"

namespace millrace::runtime {

// The metrics of one operator of one subtask. Thread-safe.
class MetricStore : public MetricGroup {
 public:
  Counter& counter(std::string_view name) override;
  Gauge& gauge(std::string_view name) override;
  void SetText(std::string_view name, std::string value) override;

  std::map<std::string, int64_t> Numbers() const;
  std::map<std::string, std::string> Texts() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_;
  std::map<std::string, std::unique_ptr<Gauge>, std::less<>> gauges_;
  std::map<std::string, std::string, std::less<>> texts_;
};

// What a subtask does with its time, since it was started. Written by the executor thread, read by
// any. The time of the current state counts up to the moment of reading.
class TimeAccount {
 public:
  enum class State : int { kBusy, kIdle, kBackPressured };
  void Enter(State state, int64_t now_nanos);
  // Nanoseconds in `state` until `now_nanos`.
  int64_t NanosIn(State state, int64_t now_nanos) const;

 private:
  std::atomic<int64_t> total_[3] = {0, 0, 0};
  std::atomic<int64_t> since_{0};
  std::atomic<State> state_{State::kIdle};
};

}  // namespace millrace::runtime
