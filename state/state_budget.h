#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace millrace::state {

// Divides the memory of all state of a worker: what each subtask may keep in memory. A subtask may
// use what the others leave, and its equal share at least. Thread-safe.
class StateBudget {
 public:
  // The least with which anything works: below it RocksDB alone takes many times as much.
  static constexpr int64_t kLeastBytes = 64 * 1024;

  explicit StateBudget(int64_t bytes) : bytes_(bytes) {}

  int64_t bytes() const { return bytes_; }
  // Hot rows with their strings, index and filters; the rest is for run buffers, copies of
  // checkpoints, and RocksDB.
  int64_t hot_bytes() const { return bytes_ / 100 * 55; }
  int64_t HotShare(int64_t own) const {
    const int64_t all = hot_.load(std::memory_order_relaxed);
    return std::max(hot_bytes() / subtasks(), hot_bytes() - (all - own));
  }
  // A run buffer of one subtask; it may have three.
  size_t RunBytes() const { return Share(bytes_ / 100 * 20 / 2, 32 << 10, 64 << 20); }
  // Copies of changed rows that a subtask keeps in memory before they are spilled.
  size_t DeltaBytes() const { return Share(bytes_ / 100 * 5, 32 << 10, 64 << 20); }
  // Of a file that RocksDB writes when it merges.
  uint64_t ColdFileBytes() const {
    return static_cast<uint64_t>(std::clamp<int64_t>(bytes_ / 16, 1 << 20, 64 << 20));
  }
  // The filter of evicted keys of all tables of a subtask.
  int64_t FilterBytes() const { return bytes_ / 10 / subtasks(); }
  // A small budget is kept to the page: no memory is touched ahead of its use.
  bool sparing() const { return bytes_ < (int64_t{1} << 30); }

  void Join() { subtasks_.fetch_add(1); }
  void Leave(int64_t hot_bytes) {
    hot_.fetch_sub(hot_bytes);
    subtasks_.fetch_sub(1);
  }
  // `more`: than at the last call.
  void NoteHot(int64_t more) { hot_.fetch_add(more, std::memory_order_relaxed); }

 private:
  int64_t subtasks() const {
    return std::max<int64_t>(1, subtasks_.load(std::memory_order_relaxed));
  }
  size_t Share(int64_t of, int64_t least, int64_t most) const {
    return static_cast<size_t>(std::clamp(of / subtasks(), least, most));
  }

  const int64_t bytes_;
  std::atomic<int64_t> hot_{0};
  std::atomic<int64_t> subtasks_{0};
};

}  // namespace millrace::state
