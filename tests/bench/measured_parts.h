#pragma once

#include <time.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/api/state.h"
#include "runtime/engine/executor.h"

// Measures slices from outside, by CPU time of the thread.

namespace millrace::bench {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

inline int64_t ThreadCpuNanos() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline void RaiseTo(std::atomic<int64_t>* most, int64_t value) {
  int64_t old = most->load(std::memory_order_relaxed);
  while (old < value && !most->compare_exchange_weak(old, value)) {
  }
}

struct Longest {
  std::atomic<int64_t> slice{0};       // of the executor
  std::atomic<int64_t> early{0};       // the same, before the first window: state grows
  std::atomic<int64_t> checkpoint{0};  // a call of Freeze, CopySome or TakeDelta
};

// Hands everything on to an executor and measures every slice that it runs.
class MeasuredExecutor : public Executor {
 public:
  MeasuredExecutor(Executor* inner, Longest* longest) : inner_(inner), longest_(longest) {}
  void Add(Runnable* runnable) override {
    auto proxy = std::make_unique<Proxy>(runnable, longest_);
    inner_->Add(proxy.get());
    std::lock_guard lock(mutex_);
    proxies_[runnable] = std::move(proxy);
  }
  void Remove(Runnable* runnable) override {
    std::unique_ptr<Proxy> proxy;
    {
      std::lock_guard lock(mutex_);
      auto found = proxies_.find(runnable);
      if (found == proxies_.end()) return;
      proxy = std::move(found->second);
      proxies_.erase(found);
    }
    inner_->Remove(proxy.get());
  }
  void MakeReady(Runnable* runnable) override {
    std::lock_guard lock(mutex_);
    if (auto found = proxies_.find(runnable); found != proxies_.end())
      inner_->MakeReady(found->second.get());
  }
  void WakeAt(Runnable* runnable, int64_t time_ms) override {
    std::lock_guard lock(mutex_);
    if (auto found = proxies_.find(runnable); found != proxies_.end()) {
      inner_->WakeAt(found->second.get(), time_ms);
    }
  }
  void RunIo(std::function<void()> work) override { inner_->RunIo(std::move(work)); }
  const Clock& clock() const override { return inner_->clock(); }

 private:
  class Proxy : public Runnable {
   public:
    Proxy(Runnable* runnable, Longest* longest) : runnable_(runnable), longest_(longest) {}
    bool RunSlice() override {
      const int64_t begin = ThreadCpuNanos();
      const bool more = runnable_->RunSlice();
      RaiseTo(&longest_->slice, ThreadCpuNanos() - begin);
      return more;
    }

   private:
    Runnable* const runnable_;
    Longest* const longest_;
  };
  Executor* const inner_;
  Longest* const longest_;
  std::mutex mutex_;
  std::unordered_map<Runnable*, std::unique_ptr<Proxy>> proxies_;
};

// Hands everything on and measures the steps of a checkpoint on the executor thread.
class MeasuredState : public SubtaskState {
 public:
  MeasuredState(std::unique_ptr<SubtaskState> inner, Longest* longest)
      : inner_(std::move(inner)), longest_(longest) {}
  Result<KeyedTable*> Open(const std::string& uid, const StateSpec& spec) override {
    return inner_->Open(uid, spec);
  }
  void SetTime(int64_t now_ms) override { inner_->SetTime(now_ms); }
  void Housekeep() override { inner_->Housekeep(); }
  void Freeze(int64_t id, bool full) override {
    const int64_t begin = ThreadCpuNanos();
    inner_->Freeze(id, full);
    RaiseTo(&longest_->checkpoint, ThreadCpuNanos() - begin);
  }
  bool CopySome(int64_t budget_nanos) override {
    const int64_t begin = ThreadCpuNanos();
    const bool done = inner_->CopySome(budget_nanos);
    RaiseTo(&longest_->checkpoint, ThreadCpuNanos() - begin);
    return done;
  }
  std::unique_ptr<StateDelta> TakeDelta() override {
    const int64_t begin = ThreadCpuNanos();
    auto delta = inner_->TakeDelta();
    RaiseTo(&longest_->checkpoint, ThreadCpuNanos() - begin);
    return delta;
  }
  void CheckpointEnded(int64_t id, std::unique_ptr<StateDelta> lost) override {
    inner_->CheckpointEnded(id, std::move(lost));
  }
  int64_t used_bytes() const override { return inner_->used_bytes(); }
  int64_t longest_slice_nanos() const override { return inner_->longest_slice_nanos(); }
  std::vector<std::string> UnclaimedStates() const override { return inner_->UnclaimedStates(); }

 private:
  std::unique_ptr<SubtaskState> inner_;
  Longest* const longest_;
};

class MeasuredBackend : public StateBackend {
 public:
  MeasuredBackend(StateBackend* inner, Longest* longest) : inner_(inner), longest_(longest) {}
  Result<std::unique_ptr<SubtaskState>> MakeSubtaskState(SubtaskStateOptions options) override {
    ASSIGN_OR_RETURN(std::unique_ptr<SubtaskState> state,
                     inner_->MakeSubtaskState(std::move(options)));
    return std::make_unique<MeasuredState>(std::move(state), longest_);
  }
  Result<std::vector<StateHandle>> Write(
      const std::string& folder, int64_t id,
      std::span<const std::unique_ptr<StateDelta>> deltas) override {
    return inner_->Write(folder, id, deltas);
  }
  Status Retain(const std::string& folder, std::span<const StateHandle> needed,
                int64_t keep_from) override {
    return inner_->Retain(folder, needed, keep_from);
  }
  Status Compact(const std::string& folder) override { return inner_->Compact(folder); }
  Result<std::vector<StateHandle>> WriteSavepoint(const std::string& folder,
                                                  std::span<const StateHandle> handles) override {
    return inner_->WriteSavepoint(folder, handles);
  }

 private:
  StateBackend* const inner_;
  Longest* const longest_;
};

}  // namespace millrace::bench
