#include "connectors/kinesis/outage_report.h"

#include <algorithm>
#include <utility>

#include "runtime/api/clock.h"
#include "runtime/api/warning.h"

namespace millrace::connectors {

namespace {

constexpr int64_t kRepeatMs = 60000;
constexpr char kMetric[] = "serviceTrouble";

int64_t NowMs() { return runtime::SystemClock().MonotonicNanos() / 1000000; }

}  // namespace

std::string DurationWords(int64_t duration_ms) {
  if (duration_ms < 1000) return std::to_string(duration_ms) + " ms";
  if (duration_ms < 120000) return std::to_string(duration_ms / 1000) + " s";
  return std::to_string(duration_ms / 60000) + " min";
}

void OutageReport::Failed(const runtime::Status& status) {
  std::lock_guard lock(mutex_);
  const int64_t now_ms = NowMs();
  const bool first = !failing_.exchange(true);
  if (first) {
    since_ms_ = now_ms;
    failures_ = 0;
  }
  ++failures_;
  const int64_t failing_ms = now_ms - since_ms_;
  Show(status.message() + " (" + std::to_string(failures_) + " failures in " +
       DurationWords(failing_ms) + ")");
  if (first) {
    runtime::Warn(status.message() + ". Trying again ('aws.retry-timeout' = '" +
                  DurationWords(retry_timeout_ms_) +
                  "'). Is the service running, and is 'aws.endpoint' right?");
  } else if (now_ms - warned_ms_ >= kRepeatMs) {
    runtime::Warn(service_ + " has not answered for " + DurationWords(failing_ms) + ", " +
                  std::to_string(failures_) + " failures; the last: " + status.message());
  } else {
    return;
  }
  warned_ms_ = now_ms;
}

void OutageReport::ShowIn(std::weak_ptr<IoGate> gate) {
  std::lock_guard lock(mutex_);
  std::erase_if(gates_, [](const auto& known) { return known.expired(); });
  gates_.push_back(std::move(gate));
}

void OutageReport::Ended() {
  std::lock_guard lock(mutex_);
  if (!failing_.exchange(false)) return;
  Show("");
  runtime::Warn(service_ + " answers again after " + DurationWords(NowMs() - since_ms_));
}

void OutageReport::Show(const std::string& words) {
  for (const auto& known : gates_) {
    if (const auto gate = known.lock()) gate->SetText(kMetric, words);
  }
}

}  // namespace millrace::connectors
