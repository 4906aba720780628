#include "runtime/engine/metric_store.h"

namespace millrace::runtime {

Counter& MetricStore::counter(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = counters_.find(name);
  if (found == counters_.end()) {
    found = counters_.emplace(std::string(name), std::make_unique<Counter>()).first;
  }
  return *found->second;
}

Gauge& MetricStore::gauge(std::string_view name) {
  std::lock_guard lock(mutex_);
  auto found = gauges_.find(name);
  if (found == gauges_.end()) {
    found = gauges_.emplace(std::string(name), std::make_unique<Gauge>()).first;
  }
  return *found->second;
}

void MetricStore::SetText(std::string_view name, std::string value) {
  std::lock_guard lock(mutex_);
  auto found = texts_.find(name);
  if (found == texts_.end()) {
    texts_.emplace(std::string(name), std::move(value));
  } else {
    found->second = std::move(value);
  }
}

std::map<std::string, int64_t> MetricStore::Numbers() const {
  std::lock_guard lock(mutex_);
  std::map<std::string, int64_t> numbers;
  for (const auto& [name, counter] : counters_) numbers[name] = counter->value();
  for (const auto& [name, gauge] : gauges_) numbers[name] = gauge->value();
  return numbers;
}

std::map<std::string, std::string> MetricStore::Texts() const {
  std::lock_guard lock(mutex_);
  return {texts_.begin(), texts_.end()};
}

void TimeAccount::Enter(State state, int64_t now_nanos) {
  const int64_t since = since_.load(std::memory_order_relaxed);
  if (since != 0) {
    auto& total = total_[static_cast<int>(state_.load(std::memory_order_relaxed))];
    total.store(total.load(std::memory_order_relaxed) + now_nanos - since,
                std::memory_order_relaxed);
  }
  since_.store(now_nanos, std::memory_order_relaxed);
  state_.store(state, std::memory_order_relaxed);
}

int64_t TimeAccount::NanosIn(State state, int64_t now_nanos) const {
  int64_t nanos = total_[static_cast<int>(state)].load(std::memory_order_relaxed);
  const int64_t since = since_.load(std::memory_order_relaxed);
  if (since != 0 && state_.load(std::memory_order_relaxed) == state) nanos += now_nanos - since;
  return nanos;
}

}  // namespace millrace::runtime
