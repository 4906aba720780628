#include "state/memory_thread.h"

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
class MemoryThread {
 public:
  struct Request {
    void* data;
    size_t bytes;
    bool unmap;
  };

  // False: too many wait.
  bool Add(Request request) {
    {
      const std::lock_guard lock(mutex_);
      if (requests_.size() >= 256) return false;
      requests_.push_back(request);
      if (!started_) {
        started_ = true;
        std::thread([this] { Run(); }).detach();
      }
    }
    changed_.notify_one();
    return true;
  }

 private:
  void Run() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !requests_.empty(); });
      const Request request = requests_.front();
      requests_.pop_front();
      lock.unlock();
      if (request.unmap) {
        ::munmap(request.data, request.bytes);
      } else {
        ::madvise(request.data, request.bytes, MADV_POPULATE_WRITE);
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  bool started_ = false;
};

MemoryThread& TheThread() {
  static auto* thread = new MemoryThread();
  return *thread;
}

}  // namespace

void PrefaultSoon(char* data, size_t bytes) { TheThread().Add({data, bytes, false}); }

void UnmapSoon(void* data, size_t bytes) {
  if (!TheThread().Add({data, bytes, true})) ::munmap(data, bytes);
}

}  // namespace millrace::state
