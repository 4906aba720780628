#include "runtime/engine/executor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>
#include <vector>

#include "runtime/types/check.h"

namespace millrace::runtime {

// One ready queue a thread; a runnable stays on the thread it was given to, whose caches hold its
// state. Threads without work sleep on a condition, also for timers: nothing spins.
class ThreadedExecutor : public Executor {
 public:
  ThreadedExecutor(int threads, int io_threads) : io_threads_max_(io_threads) {
    for (int i = 0; i < threads; ++i) homes_.push_back(std::make_unique<Home>());
    for (int i = 0; i < threads; ++i) {
      homes_[i]->thread = std::thread([this, i] { RunHome(homes_[i].get()); });
    }
  }

  ~ThreadedExecutor() override {
    for (auto& home : homes_) {
      {
        std::lock_guard lock(home->mutex);
        home->stop = true;
      }
      home->changed.notify_all();
    }
    for (auto& home : homes_) home->thread.join();
    {
      std::lock_guard lock(io_mutex_);
      io_stop_ = true;
    }
    io_changed_.notify_all();
    for (std::thread& thread : io_threads_) thread.join();
  }

  void Add(Runnable* runnable) override {
    runnable->home_ = static_cast<int>(next_home_++ % homes_.size());
  }

  void Remove(Runnable* runnable) override {
    Home& home = *homes_[runnable->home_];
    std::unique_lock lock(home.mutex);
    std::erase(home.ready, runnable);
    for (auto it = home.timers.begin(); it != home.timers.end();) {
      it = it->second == runnable ? home.timers.erase(it) : std::next(it);
    }
    home.removed.push_back(runnable);
    home.changed.wait(lock, [&] { return home.running != runnable; });
    // The slice that just ended may have set a timer.
    std::erase(home.ready, runnable);
    std::erase_if(home.timers, [&](const auto& timer) { return timer.second == runnable; });
    std::erase(home.removed, runnable);
    runnable->schedule_ = Runnable::Schedule::kParked;
  }

  void MakeReady(Runnable* runnable) override {
    using Schedule = Runnable::Schedule;
    Schedule was = runnable->schedule_.load();
    while (true) {
      if (was == Schedule::kQueued || was == Schedule::kRunningAgain) return;
      const Schedule next = was == Schedule::kParked ? Schedule::kQueued : Schedule::kRunningAgain;
      if (runnable->schedule_.compare_exchange_weak(was, next)) {
        if (next == Schedule::kQueued) Enqueue(runnable);
        return;
      }
    }
  }

  void WakeAt(Runnable* runnable, int64_t time_ms) override {
    Home& home = *homes_[runnable->home_];
    std::lock_guard lock(home.mutex);
    for (auto it = home.timers.begin(); it != home.timers.end(); ++it) {
      if (it->second == runnable) {
        if (it->first == time_ms) return;
        home.timers.erase(it);
        break;
      }
    }
    home.timers.emplace(time_ms, runnable);
    if (home.sleeping && home.timers.begin()->second == runnable) home.changed.notify_all();
  }

  void RunIo(std::function<void()> work) override {
    std::lock_guard lock(io_mutex_);
    io_queue_.push_back(std::move(work));
    if (io_idle_ > 0) {
      io_changed_.notify_one();
    } else if (static_cast<int>(io_threads_.size()) < io_threads_max_) {
      io_threads_.emplace_back([this] { RunIoThread(); });
    }
  }

  const Clock& clock() const override { return SystemClock(); }

 private:
  struct Home {
    std::thread thread;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Runnable*> ready;
    std::multimap<int64_t, Runnable*> timers;
    std::vector<Runnable*> removed;
    Runnable* running = nullptr;
    bool sleeping = false;
    bool stop = false;
  };

  void Enqueue(Runnable* runnable) {
    Home& home = *homes_[runnable->home_];
    bool wake;
    {
      std::lock_guard lock(home.mutex);
      if (std::find(home.removed.begin(), home.removed.end(), runnable) != home.removed.end()) {
        return;
      }
      home.ready.push_back(runnable);
      wake = home.sleeping;
    }
    if (wake) home.changed.notify_all();
  }

  void RunHome(Home* home) {
    using Schedule = Runnable::Schedule;
    std::unique_lock lock(home->mutex);
    while (!home->stop) {
      if (!home->timers.empty() && home->timers.begin()->first <= clock().NowMs()) {
        Runnable* due = home->timers.begin()->second;
        home->timers.erase(home->timers.begin());
        Schedule parked = Schedule::kParked;
        if (due->schedule_.compare_exchange_strong(parked, Schedule::kQueued)) {
          home->ready.push_back(due);
        }
        continue;
      }
      if (home->ready.empty()) {
        home->sleeping = true;
        if (home->timers.empty()) {
          home->changed.wait(lock);
        } else {
          const int64_t wait_ms = home->timers.begin()->first - clock().NowMs();
          home->changed.wait_for(lock, std::chrono::milliseconds(std::max<int64_t>(wait_ms, 0)));
        }
        home->sleeping = false;
        continue;
      }
      Runnable* runnable = home->ready.front();
      home->ready.pop_front();
      home->running = runnable;
      runnable->schedule_.store(Schedule::kRunning);
      lock.unlock();
      const bool more = runnable->RunSlice();
      lock.lock();
      home->running = nullptr;
      if (!home->removed.empty()) {
        home->changed.notify_all();
        if (std::find(home->removed.begin(), home->removed.end(), runnable) !=
            home->removed.end()) {
          continue;
        }
      }
      Schedule running = Schedule::kRunning;
      if (more || !runnable->schedule_.compare_exchange_strong(running, Schedule::kParked)) {
        runnable->schedule_.store(Schedule::kQueued);
        home->ready.push_back(runnable);
      }
    }
  }

  void RunIoThread() {
    std::unique_lock lock(io_mutex_);
    while (true) {
      while (io_queue_.empty()) {
        if (io_stop_) return;
        ++io_idle_;
        io_changed_.wait(lock);
        --io_idle_;
      }
      std::function<void()> work = std::move(io_queue_.front());
      io_queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  std::vector<std::unique_ptr<Home>> homes_;
  std::atomic<unsigned> next_home_{0};
  std::mutex io_mutex_;
  std::condition_variable io_changed_;
  std::deque<std::function<void()>> io_queue_;
  std::vector<std::thread> io_threads_;
  const int io_threads_max_;
  int io_idle_ = 0;
  bool io_stop_ = false;
};

std::unique_ptr<Executor> MakeThreadedExecutor(int threads, int io_threads) {
  return std::make_unique<ThreadedExecutor>(threads, io_threads);
}

}  // namespace millrace::runtime
