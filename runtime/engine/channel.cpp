#include "runtime/engine/channel.h"

namespace millrace::runtime {

bool LocalChannel::HasRoom() const { return !full_.load(std::memory_order_acquire); }

void LocalChannel::Push(Element element) {
  const size_t bytes = element.batch == nullptr ? 0 : element.batch->live_bytes();
  bool was_empty;
  {
    std::lock_guard lock(mutex_);
    was_empty = queue_.empty();
    queue_.push_back({std::move(element), bytes});
    bytes_ += bytes;
    if (bytes_ >= capacity_bytes_) full_.store(true, std::memory_order_release);
  }
  if (was_empty && wake_consumer_) wake_consumer_();
}

bool LocalChannel::Pop(Element* element) {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) return false;
    *element = std::move(queue_.front().element);
    bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    // Wakes at half, so that producer and consumer do not hand over batch by batch.
    if (full_.load(std::memory_order_relaxed) && bytes_ <= capacity_bytes_ / 2) {
      full_.store(false, std::memory_order_release);
      wake = true;
    }
  }
  if (wake && wake_producer_) wake_producer_();
  return true;
}

}  // namespace millrace::runtime
