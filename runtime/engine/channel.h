#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/types/batch.h"

namespace millrace::runtime {

// Marks the end of an epoch in the stream of elements.
struct Barrier {
  int64_t checkpoint_id = 0;
  bool full = false;       // savepoints: every row of state, not only what changed
  bool stop = false;       // sources give nothing more after it (stop with savepoint)
  bool operator==(const Barrier&) const = default;
};

// What travels between subtasks, in order.
struct Element {
  enum class Kind : uint8_t {
    kBatch,
    kWatermark,
    kIdle,     // nothing will come for a while: do not wait for its watermark
    kActive,   // ends kIdle
    kBarrier,
    kEnd,      // end of input
    kTimer,    // within a chain only: processing time
    kWake,     // within a chain only: an asynchronous reply
  };
  Kind kind = Kind::kBatch;
  BatchPtr batch;
  Timestamp time = kMinTimestamp;  // kWatermark; kTimer: now_ms
  Barrier barrier;

  static Element Of(BatchPtr batch) { return {Kind::kBatch, std::move(batch), kMinTimestamp, {}}; }
  static Element Watermark(Timestamp time) { return {Kind::kWatermark, nullptr, time, {}}; }
  static Element Just(Kind kind) { return {kind, nullptr, kMinTimestamp, {}}; }
  // `last`: no input of the vertex is left (`time` says so).
  static Element End(bool last) {
    return {Kind::kEnd, nullptr, last ? kMaxTimestamp : kMinTimestamp, {}};
  }
  static Element Of(const Barrier& barrier) {
    return {Kind::kBarrier, nullptr, kMinTimestamp, barrier};
  }
};

// Carries elements from one subtask to another, in order, without loss. One producer, one consumer.
// Bounded in bytes: a producer asks HasRoom before it makes a batch; elements other than batches
// always fit. (LocalChannel here; TCP channels in runtime/cluster.)
class Channel {
 public:
  virtual ~Channel() = default;
  // ---- producer ----
  virtual bool HasRoom() const = 0;
  virtual void Push(Element element) = 0;
  // Called when HasRoom turns true. Thread-safe callee.
  virtual void OnRoom(std::function<void()> wake_producer) = 0;
  // ---- consumer ----
  virtual bool Pop(Element* element) = 0;
  virtual void OnElement(std::function<void()> wake_consumer) = 0;
};

// Passes elements by pointer within a process.
class LocalChannel : public Channel {
 public:
  explicit LocalChannel(size_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}
  bool HasRoom() const override;
  void Push(Element element) override;
  void OnRoom(std::function<void()> wake) override { wake_producer_ = std::move(wake); }
  bool Pop(Element* element) override;
  void OnElement(std::function<void()> wake) override { wake_consumer_ = std::move(wake); }

 private:
  struct Held {
    Element element;
    size_t bytes;
  };
  const size_t capacity_bytes_;
  mutable std::mutex mutex_;
  std::deque<Held> queue_;
  size_t bytes_ = 0;
  mutable std::atomic<bool> full_{false};
  std::function<void()> wake_producer_;
  std::function<void()> wake_consumer_;
};

}  // namespace millrace::runtime
