#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connectors/kinesis/io_gate.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

// Tells people when the service of a client does not answer: a warning at the first failure, one a
// minute while it lasts, one when it answers again; and the text metric 'serviceTrouble' of the
// readers and writers that use the client (empty: none). Changes nothing about retrying.
// Thread-safe.
class OutageReport {
 public:
  // `service`: stream and endpoint, for the words.
  OutageReport(std::string service, int64_t retry_timeout_ms)
      : service_(std::move(service)), retry_timeout_ms_(retry_timeout_ms) {}

  // A request got no answer, or one that says that the service has failed.
  void Failed(const runtime::Status& status);
  // A request got an answer.
  void Answered() {
    if (failing_.load(std::memory_order_relaxed)) Ended();
  }
  // Shows the metric there, as long as it lives.
  void ShowIn(std::weak_ptr<IoGate> gate);

 private:
  void Ended();
  void Show(const std::string& words);  // mutex_ held

  const std::string service_;
  const int64_t retry_timeout_ms_;
  std::atomic<bool> failing_{false};
  std::mutex mutex_;
  int64_t since_ms_ = 0;
  int64_t warned_ms_ = 0;
  int64_t failures_ = 0;
  std::vector<std::weak_ptr<IoGate>> gates_;
};

// What `duration_ms` is in words: "300 ms", "12 s", "10 min".
std::string DurationWords(int64_t duration_ms);

}  // namespace millrace::connectors
