#include "tests/simulation/simulated_executor.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>

#include "runtime/types/check.h"

namespace millrace::tests {

namespace {
thread_local SimulatedExecutor* current_executor = nullptr;
constexpr int64_t kMs = 1'000'000;
}  // namespace

SimulatedExecutor* SimulatedExecutor::Current() { return current_executor; }

SimulatedExecutor::SimulatedExecutor(SimulatedClock* clock, Random* random, Trace* trace,
                                     ScheduleSettings settings)
    : clock_(clock),
      random_(random),
      trace_(trace),
      settings_(settings),
      previous_(current_executor) {
  current_executor = this;
  clock_->set_sleep([this](int64_t nanos) { Sleep(nanos); });
}

SimulatedExecutor::~SimulatedExecutor() {
  CHECK_THAT_HOLDS(entries_.empty() && ios_.empty());
  clock_->set_sleep([](int64_t) {});
  current_executor = previous_;
}

SimulatedExecutor::Entry* SimulatedExecutor::Find(runtime::Runnable* runnable) {
  for (Entry& entry : entries_) {
    if (entry.runnable == runnable) return &entry;
  }
  return nullptr;
}

void SimulatedExecutor::Add(runtime::Runnable* runnable) {
  CHECK_THAT_HOLDS(Find(runnable) == nullptr);
  entries_.push_back({runnable, next_entry_++});
}

void SimulatedExecutor::Remove(runtime::Runnable* runnable) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.runnable == runnable; });
}

void SimulatedExecutor::MakeReady(runtime::Runnable* runnable) {
  if (Entry* entry = Find(runnable)) entry->ready = true;
}

void SimulatedExecutor::WakeAt(runtime::Runnable* runnable, int64_t time_ms) {
  if (Entry* entry = Find(runnable)) entry->timer_ms = time_ms;
}

int64_t SimulatedExecutor::IoDelay() {
  const auto most = static_cast<uint64_t>(settings_.io_delay_max_us) * 1000;
  const uint64_t kind = random_->Below(100);
  return static_cast<int64_t>(random_->Below(kind < 80   ? most / 20 + 1
                                             : kind < 99 ? most
                                                         : most * 100));
}

void SimulatedExecutor::RunIo(std::function<void()> work) {
  auto io = std::make_unique<Io>();
  io->id = next_io_++;
  io->due_nanos = clock_->nanos() + IoDelay();
  io->fiber = std::make_unique<Fiber>(std::move(work));
  ios_.push_back(std::move(io));
}

void SimulatedExecutor::Sleep(int64_t nanos) {
  if (dead_ || running_io_ == nullptr || Fiber::Current() == nullptr) return;
  running_io_->due_nanos = clock_->nanos() + nanos;
  Fiber::Yield();
}

void SimulatedExecutor::Pause() { Sleep(IoDelay()); }

void SimulatedExecutor::WaitForOthers() {
  if (Fiber::Current() != nullptr) {
    running_io_->due_nanos = clock_->nanos() + 20'000;
    running_io_->waits_for_lock = true;
    Fiber::Yield();
    running_io_->waits_for_lock = false;
    return;
  }
  // A slice, or whoever drives the simulation: the lock is held by IO work, so some must go on.
  size_t next = ios_.size();
  for (size_t i = 0; i < ios_.size(); ++i) {
    if (next == ios_.size() || ios_[i]->due_nanos < ios_[next]->due_nanos) next = i;
  }
  if (next == ios_.size()) {
    std::fprintf(stderr, "simulation: waits for a lock that nobody will free\n");
    std::abort();
  }
  clock_->AdvanceTo(ios_[next]->due_nanos);
  const bool was = in_slice_;
  in_slice_ = false;
  RunIoWork(next);
  in_slice_ = was;
}

void SimulatedExecutor::RunIoWork(size_t index) {
  Io* io = ios_[index].get();
  Io* const outer = running_io_;
  running_io_ = io;
  io->fiber->Resume();
  running_io_ = outer;
  if (!io->fiber->done()) return;
  std::erase_if(ios_, [&](const auto& other) { return other.get() == io; });
}

void SimulatedExecutor::RunEntry(runtime::Runnable* runnable) {
  Entry* entry = Find(runnable);
  entry->ready = false;
  last_ran_ = entry->id;
  in_slice_ = true;
  const bool more = runnable->RunSlice();
  in_slice_ = false;
  if (more) MakeReady(runnable);
}

bool SimulatedExecutor::quiet() const {
  return ios_.empty() &&
         std::none_of(entries_.begin(), entries_.end(), [](const Entry& e) { return e.ready; });
}

bool SimulatedExecutor::Step() {
  CHECK_THAT_HOLDS(!dead_);
  if (settings_.stall > 0 && random_->Chance(settings_.stall)) {
    clock_->Advance(random_->Between(1, 80) * kMs);
  }
  if (settings_.spurious_wake > 0 && !entries_.empty() &&
      random_->Chance(settings_.spurious_wake)) {
    entries_[random_->Below(entries_.size())].ready = true;
  }
  while (true) {
    const int64_t now_ms = clock_->NowMs();
    int64_t next_nanos = INT64_MAX;
    size_t ready = 0, due = 0;
    runtime::Runnable* favoured = nullptr;
    for (Entry& entry : entries_) {
      if (entry.timer_ms <= now_ms) {
        entry.timer_ms = INT64_MAX;
        entry.ready = true;
      }
      ready += entry.ready ? 1 : 0;
      if (entry.ready && entry.id == last_ran_) favoured = entry.runnable;
      if (entry.timer_ms != INT64_MAX) {
        next_nanos = std::min(next_nanos, (entry.timer_ms - SimulatedClock::kStartMs) * kMs);
      }
    }
    for (const auto& io : ios_) {
      if (io->due_nanos <= clock_->nanos()) ++due;
      next_nanos = std::min(next_nanos, io->due_nanos);
    }
    if (ready + due == 0) {
      if (next_nanos == INT64_MAX) return false;
      clock_->AdvanceTo(next_nanos);
      continue;
    }
    if (favoured != nullptr && random_->Chance(settings_.favour)) {
      trace_->Note(clock_->nanos(), "slice", {}, last_ran_);
      RunEntry(favoured);
      return true;
    }
    size_t chosen = random_->Below(ready + due);
    if (chosen < ready) {
      for (Entry& entry : entries_) {
        if (!entry.ready || chosen-- > 0) continue;
        trace_->Note(clock_->nanos(), "slice", {}, entry.id);
        RunEntry(entry.runnable);
        return true;
      }
    }
    chosen -= ready;
    for (size_t i = 0; i < ios_.size(); ++i) {
      if (ios_[i]->due_nanos > clock_->nanos() || chosen-- > 0) continue;
      trace_->Note(clock_->nanos(), "io", {}, ios_[i]->id);
      RunIoWork(i);
      return true;
    }
  }
}

void SimulatedExecutor::Bury() {
  CHECK_THAT_HOLDS(dead_);
  for (int64_t rounds = 0; !ios_.empty(); ++rounds) {
    CHECK_THAT_HOLDS(rounds < 1'000'000 && "IO work of a dead process comes to its end");
    RunIoWork(static_cast<size_t>(rounds) % ios_.size());
  }
}

std::string SimulatedExecutor::Describe() const {
  std::string text;
  for (const Entry& entry : entries_) {
    text += "  runnable " + std::to_string(entry.id) + (entry.ready ? ": ready" : ": parked");
    if (entry.timer_ms != INT64_MAX) {
      text += ", timer in " + std::to_string(entry.timer_ms - clock_->NowMs()) + " ms";
    }
    text += '\n';
  }
  for (const auto& io : ios_) {
    text += "  io " + std::to_string(io->id) + ", due in " +
            std::to_string((io->due_nanos - clock_->nanos()) / kMs) + " ms" +
            (io->waits_for_lock ? ", waits for a lock\n" : "\n");
  }
  return text;
}

}  // namespace millrace::tests

// ---- Locks: the build links these in front of the C library's and of libstdc++'s (--wrap). A lock
// that another fiber holds is waited for by letting others run, since all of them share one thread.
// ----

using millrace::tests::SimulatedExecutor;

extern "C" {
int __real_pthread_mutex_lock(pthread_mutex_t* mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t* mutex) {
  SimulatedExecutor* executor = SimulatedExecutor::Current();
  if (executor == nullptr) return __real_pthread_mutex_lock(mutex);
  while (true) {
    const int result = ::pthread_mutex_trylock(mutex);
    if (result != EBUSY) return result;
    // Held by another thread of the process (the one that touches memory): soon free.
    if (mutex->__data.__owner != ::gettid()) return __real_pthread_mutex_lock(mutex);
    executor->WaitForOthers();
  }
}

// std::condition_variable::wait(std::unique_lock<std::mutex>&)
void __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* condition, std::unique_lock<std::mutex>& lock);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* condition, std::unique_lock<std::mutex>& lock) {
  SimulatedExecutor* executor = SimulatedExecutor::Current();
  if (executor == nullptr) {
    __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(condition, lock);
    return;
  }
  lock.unlock();  // whoever waits asks again whether what it waits for has come
  executor->WaitForOthers();
  lock.lock();
}
}
