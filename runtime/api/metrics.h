#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Counts. Written by one thread at a time, read by any; a relaxed add, so call it once a batch.
class Counter {
 public:
  void Add(int64_t amount) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Holds the latest value of something.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

// Names the metrics of one operator of one subtask. Names are Flink's (numRecordsIn,
// currentInputWatermark, ...). Thread-safe; the same name gives the same metric, and references
// stay valid as long as the group. runtime/cluster formats and serves what is registered.
class MetricGroup {
 public:
  virtual ~MetricGroup() = default;
  virtual Counter& counter(std::string_view name) = 0;
  virtual Gauge& gauge(std::string_view name) = 0;
  // Tells a word of state that is no number, such as the split that holds the watermark back.
  virtual void SetText(std::string_view name, std::string value) = 0;
};

}  // namespace millrace::runtime
