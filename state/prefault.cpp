#include "state/prefault.h"

#include <sys/mman.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; older kernels say EINVAL, and pages fault in as used
#endif

namespace millrace::state {
namespace {

// One thread a process, started at the first request and never ended: it owns nothing.
class Prefaulter {
 public:
  void Add(char* data, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (requests_.size() >= 64) return;
      requests_.emplace_back(data, bytes);
      if (!started_) {
        started_ = true;
        std::thread([this] { Run(); }).detach();
      }
    }
    changed_.notify_one();
  }

 private:
  void Run() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !requests_.empty(); });
      const auto [data, bytes] = requests_.front();
      requests_.pop_front();
      lock.unlock();
      ::madvise(data, bytes, MADV_POPULATE_WRITE);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<char*, size_t>> requests_;
  bool started_ = false;
};

}  // namespace

void PrefaultSoon(char* data, size_t bytes) {
  static auto* prefaulter = new Prefaulter();
  prefaulter->Add(data, bytes);
}

}  // namespace millrace::state
