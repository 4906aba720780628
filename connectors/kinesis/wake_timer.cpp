#include "connectors/kinesis/wake_timer.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace millrace::connectors {

namespace {

using SteadyClock = std::chrono::steady_clock;

class WakeTimer {
 public:
  WakeTimer() {
    std::thread([this] { Run(); }).detach();
  }

  void Add(SteadyClock::time_point due, std::function<void()> wake) {
    std::lock_guard lock(mutex_);
    const auto added = waiting_.emplace(due, std::move(wake));
    if (added == waiting_.begin()) changed_.notify_one();
  }

 private:
  [[noreturn]] void Run() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (waiting_.empty()) {
        changed_.wait(lock);
      } else if (const auto due = waiting_.begin()->first; SteadyClock::now() < due) {
        changed_.wait_until(lock, due);
      } else {
        std::function<void()> wake = std::move(waiting_.begin()->second);
        waiting_.erase(waiting_.begin());
        lock.unlock();
        wake();
        wake = nullptr;
        lock.lock();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<SteadyClock::time_point, std::function<void()>> waiting_;
};

}  // namespace

void WakeAfter(int64_t delay_ms, std::function<void()> wake) {
  static WakeTimer* const timer = new WakeTimer;  // its thread lives as long as the process
  timer->Add(SteadyClock::now() + std::chrono::milliseconds(delay_ms), std::move(wake));
}

}  // namespace millrace::connectors
