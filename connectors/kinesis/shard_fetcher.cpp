#include "connectors/kinesis/shard_fetcher.h"

#include <algorithm>

#include "connectors/kinesis/wake_timer.h"
#include "runtime/api/clock.h"

namespace millrace::connectors {

using runtime::Result;
using runtime::Status;

namespace {

constexpr int64_t kLocalPauseMs = 10;
constexpr int64_t kRemotePauseMs = 200;  // a shard on AWS answers five times a second
constexpr int64_t kFirstRetryMs = 50;
constexpr int64_t kLongestRetryMs = 2000;

int64_t NowMs() { return runtime::SystemClock().MonotonicNanos() / 1000000; }

}  // namespace

ShardFetcher::ShardFetcher(std::shared_ptr<KinesisClient> client, std::shared_ptr<IoGate> gate,
                           const KinesisSourceSettings& settings,
                           std::shared_ptr<runtime::MemoryPool> pool)
    : client_(std::move(client)),
      gate_(std::move(gate)),
      settings_(settings),
      first_pause_ms_(client_->options().is_local() ? kLocalPauseMs : kRemotePauseMs),
      pool_(std::move(pool)) {}

ShardFetcher::~ShardFetcher() { pool_->Charge(-static_cast<int64_t>(held_bytes_)); }

void ShardFetcher::AddShard(std::string id, ShardStart start, std::optional<int64_t> until_ms) {
  std::lock_guard lock(mutex_);
  Shard& shard = shards_.emplace_back();
  shard.id = std::move(id);
  shard.next = std::move(start);
  shard.until_ms = until_ms;
  Dispatch();
}

std::unique_ptr<FetchedRecords> ShardFetcher::Take(int shard) {
  std::lock_guard lock(mutex_);
  std::unique_ptr<FetchedRecords> taken = std::move(shards_[static_cast<size_t>(shard)].ready);
  if (taken != nullptr) Dispatch();
  return taken;
}

void ShardFetcher::Release(std::unique_ptr<FetchedRecords> records) {
  std::lock_guard lock(mutex_);
  held_bytes_ -= records->size_bytes;
  pool_->Charge(-static_cast<int64_t>(records->size_bytes));
  Dispatch();
}

Status ShardFetcher::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

int64_t ShardFetcher::behind_ms() const {
  std::lock_guard lock(mutex_);
  int64_t most = 0;
  for (const Shard& shard : shards_) most = std::max(most, shard.behind_ms);
  return most;
}

void ShardFetcher::Stop() {
  std::lock_guard lock(mutex_);
  stopped_ = true;
}

bool ShardFetcher::MayFetch(const Shard& shard) const {
  if (shard.fetching || shard.pausing || shard.ended || shard.ready != nullptr) return false;
  const size_t used = held_bytes_ + expected_bytes_;
  return used == 0 || used + shard.expected_bytes <= settings_.prefetch_bytes;
}

void ShardFetcher::Dispatch() {
  if (stopped_ || !status_.ok()) return;
  for (size_t i = 0; i < shards_.size(); ++i) {
    const size_t index = (next_shard_ + i) % shards_.size();
    Shard& shard = shards_[index];
    if (!MayFetch(shard)) continue;
    if (!gate_->RunIo([self = shared_from_this(), index] { self->Fetch(index); })) return;
    shard.fetching = true;
    expected_bytes_ += shard.expected_bytes;
  }
  if (!shards_.empty()) next_shard_ = (next_shard_ + 1) % shards_.size();
}

void ShardFetcher::Fetch(size_t index) {
  std::unique_lock lock(mutex_);
  Shard& shard = shards_[index];  // stays where it is, and is ours while `fetching`
  if (stopped_) return;
  std::string iterator = shard.iterator;
  const ShardStart start = shard.next;
  lock.unlock();

  Status status;
  FetchedRecords records;
  bool expired = false;
  if (iterator.empty()) {
    Result<std::string> got = client_->GetShardIterator(shard.id, start);
    if (got.ok()) {
      iterator = std::move(*got);
    } else {
      status = got.status();
    }
  }
  if (status.ok()) {
    Result<FetchedRecords> got = client_->GetRecords(iterator, settings_.records_max, &expired);
    if (got.ok()) {
      records = std::move(*got);
    } else {
      status = got.status();
    }
  }

  lock.lock();
  shard.fetching = false;
  expected_bytes_ -= shard.expected_bytes;
  shard.iterator = std::move(iterator);
  if (status.ok()) {
    Fetched(shard, index, std::move(records));
  } else {
    Failed(shard, index, status, expired);
  }
  Dispatch();
  const bool wake = shard.ready != nullptr || !status_.ok();
  lock.unlock();
  if (wake) gate_->Wake();
}

void ShardFetcher::Fetched(Shard& shard, size_t index, FetchedRecords records) {
  shard.failing_since_ms = 0;
  shard.expired_in_a_row = 0;
  shard.behind_ms = records.behind_ms;
  shard.iterator = records.next_iterator;
  if (shard.until_ms.has_value()) {
    const auto late = std::find_if(records.records.begin(), records.records.end(),
                                   [&](const auto& r) { return r.arrival_ms > *shard.until_ms; });
    if (late != records.records.end() || (records.records.empty() && records.behind_ms == 0)) {
      records.records.erase(late, records.records.end());
      records.next_iterator.clear();
    }
  }
  shard.ended = records.next_iterator.empty();
  if (records.records.empty() && !shard.ended) {
    if (records.behind_ms > 0) {
      // Some services walk over stretches without records, one empty answer after another.
      Pause(shard, index, settings_.fetch_interval_ms);
    } else {
      Pause(shard, index,
            std::clamp(shard.pause_ms * 2, std::min(first_pause_ms_, settings_.idle_interval_ms),
                       settings_.idle_interval_ms));
    }
    return;
  }
  if (!records.records.empty()) {
    shard.next = {ShardStart::Kind::kAfterSequenceNumber,
                  std::string(records.records.back().sequence_number), 0};
  }
  shard.expected_bytes = std::max<size_t>(records.size_bytes, 64 << 10);
  held_bytes_ += records.size_bytes;
  pool_->Charge(static_cast<int64_t>(records.size_bytes));
  const bool at_tip = records.behind_ms == 0;
  shard.ready = std::make_unique<FetchedRecords>(std::move(records));
  shard.pause_ms = 0;
  if (shard.ended) return;
  // At the tip it pays to let some records gather.
  const int64_t pause_ms = at_tip ? std::max(settings_.fetch_interval_ms,
                                             std::min(first_pause_ms_, settings_.idle_interval_ms))
                                  : settings_.fetch_interval_ms;
  if (pause_ms > 0) {
    Pause(shard, index, pause_ms);
    shard.pause_ms = 0;
  }
}

void ShardFetcher::Failed(Shard& shard, size_t index, const Status& status, bool expired) {
  shard.iterator.clear();
  if (expired && shard.expired_in_a_row++ < 3) return;
  const int64_t now_ms = NowMs();
  if (shard.failing_since_ms == 0) {
    shard.failing_since_ms = now_ms;
    shard.pause_ms = 0;
  }
  const int64_t failing_ms = now_ms - shard.failing_since_ms;
  const bool in_vain = failing_ms > client_->options().retry_timeout_ms;
  if (status.retry() == runtime::Retry::kNo || in_vain) {
    status_ = (in_vain ? client_->GaveUp(status, failing_ms) : status).Within("shard " + shard.id);
    return;
  }
  Pause(shard, index, std::clamp(shard.pause_ms * 2, kFirstRetryMs, kLongestRetryMs));
}

void ShardFetcher::Pause(Shard& shard, size_t index, int64_t pause_ms) {
  shard.pause_ms = pause_ms;
  if (pause_ms <= 0) return;
  shard.pausing = true;
  WakeAfter(pause_ms, [self = weak_from_this(), index] {
    const auto fetcher = self.lock();
    if (fetcher == nullptr) return;
    std::lock_guard lock(fetcher->mutex_);
    fetcher->shards_[index].pausing = false;
    fetcher->Dispatch();
  });
}

}  // namespace millrace::connectors
