#include "connectors/kinesis/put_queue.h"

#include <algorithm>

#include "connectors/kinesis/wake_timer.h"
#include "runtime/api/clock.h"

namespace millrace::connectors {

using runtime::Status;

namespace {

constexpr int64_t kFirstRetryMs = 50;
constexpr int64_t kLongestRetryMs = 2000;

}  // namespace

PutQueue::PutQueue(std::shared_ptr<KinesisClient> client, std::shared_ptr<IoGate> gate,
                   const KinesisSinkSettings& settings)
    : client_(std::move(client)), gate_(std::move(gate)), fail_on_error_(settings.fail_on_error) {}

void PutQueue::Push(std::unique_ptr<PutRequest> request, std::string transaction, uint64_t batch) {
  request->Close();
  std::lock_guard lock(mutex_);
  records_ += request->records();
  items_.push_back({std::move(request), std::move(transaction), batch});
  Dispatch();
}

bool PutQueue::AwaitAtMost(size_t records) {
  std::lock_guard lock(mutex_);
  if (records_ <= records) return true;
  wake_at_most_ = records;
  return false;
}

Status PutQueue::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

bool PutQueue::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
  return sending_;
}

void PutQueue::Dispatch() {
  if (stopped_ || sending_ || pausing_ || items_.empty() || !status_.ok()) return;
  sending_ = gate_->RunIo([self = shared_from_this()] { self->Send(); });
}

void PutQueue::Send() {
  std::unique_lock lock(mutex_);
  bool more = true;
  while (more && !stopped_ && !items_.empty()) {
    Item& item = items_.front();  // stays: only this thread takes it off
    lock.unlock();
    std::vector<size_t> failed;
    const Status status = client_->PutRecords(item.request->Close(), item.request->records(),
                                              item.transaction, item.batch, &failed);
    lock.lock();
    more = Answered(status, failed);
    if (records_ <= wake_at_most_ || !status_.ok()) {
      const bool wake = wake_at_most_ != SIZE_MAX || !status_.ok();
      wake_at_most_ = SIZE_MAX;
      if (wake) gate_->Wake();
    }
  }
  sending_ = false;
  Dispatch();
}

bool PutQueue::Answered(Status status, const std::vector<size_t>& failed) {
  Item& item = items_.front();
  if (status.ok() && failed.empty()) {
    failing_since_ms_ = pause_ms_ = 0;
    records_ -= item.request->records();
    items_.pop_front();
    return true;
  }
  if (status.ok()) {
    status = Status::External("PutRecords of stream '" + client_->options().stream +
                              "': the service did not take " + std::to_string(failed.size()) +
                              " of " + std::to_string(item.request->records()) + " records");
    if (item.transaction.empty()) {
      records_ -= item.request->records() - failed.size();
      item.request->Keep(failed);
    } else {
      // Sent again under the same number they would not be stored, and our log takes all or none.
      status = Status::External(status.message(), runtime::Retry::kNo);
    }
  }
  if (fail_on_error_) status = Status::External(status.message(), runtime::Retry::kNo);
  if (status.retry() == runtime::Retry::kNo) {
    status_ = status;
    return false;
  }
  const int64_t now_ms = runtime::SystemClock().MonotonicNanos() / 1000000;
  if (failing_since_ms_ == 0) failing_since_ms_ = now_ms;
  if (now_ms - failing_since_ms_ > client_->options().retry_timeout_ms) {
    status_ = client_->GaveUp(status, now_ms - failing_since_ms_);
    return false;
  }
  pause_ms_ = std::clamp(pause_ms_ * 2, kFirstRetryMs, kLongestRetryMs);
  pausing_ = true;
  WakeAfter(pause_ms_, [self = weak_from_this()] {
    const auto queue = self.lock();
    if (queue == nullptr) return;
    std::lock_guard lock(queue->mutex_);
    queue->pausing_ = false;
    queue->Dispatch();
  });
  return false;
}

}  // namespace millrace::connectors
