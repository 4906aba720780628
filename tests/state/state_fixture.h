#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "runtime/api/state.h"
#include "runtime/types/memory_pool.h"
#include "state/state_backend.h"

namespace millrace::state {

// A folder under the temporary directory, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A clock that goes on a random way at each look, so that one seed cuts the copying of a checkpoint
// into the same slices again.
class RandomClock final : public runtime::Clock {
 public:
  explicit RandomClock(uint64_t seed) : random_(seed) {}
  int64_t NowMs() const override { return now_ms; }
  int64_t MonotonicNanos() const override {
    return nanos_ += static_cast<int64_t>(random_() % 2000);
  }
  void SleepFor(std::chrono::nanoseconds) const override {}

  int64_t now_ms = 1'000'000;

 private:
  mutable std::mt19937_64 random_;
  mutable int64_t nanos_ = 0;
};

// Takes what should run on IO threads and runs it when a test says so, in order.
class IoQueue {
 public:
  std::function<void(std::function<void()>)> run_io() {
    return [this](std::function<void()> work) { work_.push_back(std::move(work)); };
  }
  // False: there was nothing to run.
  bool RunOne();
  void RunAll() {
    while (RunOne()) {
    }
  }

 private:
  std::deque<std::function<void()>> work_;
};

// One value of any type as text for a model: "NULL", or its bytes.
using ModelKey = std::string;

// Makes columns of random keys and reads keys back, for any list of types.
class KeyMaker {
 public:
  KeyMaker(std::vector<runtime::LogicalType> types, uint64_t seed, int distinct);

  const std::vector<runtime::LogicalType>& types() const { return types_; }
  // Makes `count` keys; values from a small domain, so that they repeat; NULLs where nullable.
  void Make(int32_t count);
  std::span<const runtime::Vector* const> columns() const { return views_; }
  // The model's name of row i of what Make made.
  ModelKey NameOf(int32_t row) const { return Name(views_, row); }
  // The names of what ReadKeys gives.
  std::vector<ModelKey> Read(runtime::KeyedTable* table, std::span<uint8_t* const> rows) const;

 private:
  ModelKey Name(std::span<const runtime::Vector* const> columns, int32_t row) const;
  void AppendRandom(runtime::VectorBuilder* to, const runtime::LogicalType& type);

  std::vector<runtime::LogicalType> types_;
  std::mt19937_64 random_;
  int distinct_;
  std::vector<runtime::VectorPtr> vectors_;
  std::vector<const runtime::Vector*> views_;
};

// Takes one checkpoint of some subtasks, from Freeze to CheckpointEnded.
runtime::Result<std::vector<runtime::StateHandle>> TakeCheckpoint(
    runtime::StateBackend* backend, const std::string& folder, int64_t id, bool full,
    std::span<const std::unique_ptr<runtime::SubtaskState>> subtasks);

// Makes the subtasks of a vertex at this parallelism, restored from handles.
std::vector<std::unique_ptr<runtime::SubtaskState>> MakeSubtasks(
    runtime::StateBackend* backend, int parallelism,
    const std::vector<runtime::StateHandle>& handles,
    int max_parallelism = runtime::kDefaultMaxParallelism, IoQueue* io = nullptr);

}  // namespace millrace::state
