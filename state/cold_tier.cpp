#include "state/cold_tier.h"

#include <utility>

#include "runtime/types/check.h"

namespace millrace::state {

using runtime::Status;

// What outlives the tier as long as work is under way.
struct ColdTier::Io {
  std::function<runtime::Result<std::shared_ptr<ColdFamily>>()> make_family;
  std::function<void()> waker;
  std::shared_ptr<LiveKeys> live = std::make_shared<LiveKeys>();

  std::mutex mutex;
  std::deque<std::shared_ptr<FrozenRun>> queue;
  bool ingesting = false;
  std::shared_ptr<ColdFamily> family;  // made by the first ingestion
  Status status;
  std::atomic<bool> failed{false};

  std::shared_ptr<ColdFamily> TheFamily() {
    const std::lock_guard lock(mutex);
    return family;
  }
  void Wake() {
    if (waker) waker();
  }
  Status Ingest(const RunBuffer& run) {
    std::shared_ptr<ColdFamily> to = TheFamily();
    if (to == nullptr) {
      ASSIGN_OR_RETURN(to, make_family());
      to->SetLive(live);
      const std::lock_guard lock(mutex);
      family = to;
    }
    return to->Ingest(run);
  }
  // In order, by one thread at a time: a later run must hide an earlier one.
  void IngestQueue() {
    std::unique_lock lock(mutex);
    if (ingesting) return;
    ingesting = true;
    while (!queue.empty() && !failed) {
      const std::shared_ptr<FrozenRun> next = queue.front();
      queue.pop_front();
      lock.unlock();
      Status ended = Ingest(next->run);
      lock.lock();
      if (ended.ok()) {
        next->ingested.store(true, std::memory_order_release);
      } else {
        status = std::move(ended);
        failed.store(true);
      }
      lock.unlock();
      Wake();
      lock.lock();
    }
    ingesting = false;
  }
};

ColdTier::ColdTier(Options options) : options_(std::move(options)), io_(std::make_shared<Io>()) {
  io_->make_family = options_.make_family;
  io_->waker = options_.waker;
}

ColdTier::~ColdTier() = default;

void ColdTier::RunIo(std::function<void()> work) {
  if (blocking_ || !options_.run_io) {
    work();
    return;
  }
  options_.run_io([work = std::move(work), io = io_] {
    work();
    io->Wake();
  });
}

uint16_t ColdTier::AddTable(bool sliced, int64_t ttl_ms) {
  const std::lock_guard lock(io_->live->mutex);
  auto& tables = io_->live->tables;
  CHECK_THAT_HOLDS(tables.size() < UINT16_MAX);
  tables.push_back({sliced, 0, ttl_ms});
  return static_cast<uint16_t>(tables.size() - 1);
}

void ColdTier::SetLowestIncarnation(uint16_t table, uint32_t incarnation) {
  const std::lock_guard lock(io_->live->mutex);
  io_->live->tables[table].lowest_incarnation = incarnation;
}

void ColdTier::SetTime(int64_t now_ms) {
  io_->live->now_ms.store(now_ms, std::memory_order_relaxed);
}

void ColdTier::Put(uint64_t hash, std::string_view key, std::string_view value) {
  active_.Put(hash, key, value);
  FreezeIfFull();
}

void ColdTier::PutTombstone(uint64_t hash, std::string_view key) {
  active_.PutTombstone(hash, key);
  FreezeIfFull();
}

// Tombstones come whether there is room or not: the buffer then grows until there is.
void ColdTier::FreezeIfFull() {
  if (is_full() && frozen_.size() < kMostFrozen) Freeze();
}

void ColdTier::Freeze() {
  auto frozen = std::make_shared<FrozenRun>();
  std::swap(frozen->run, active_);
  if (!spare_.empty()) {
    active_ = std::move(spare_.back());
    spare_.pop_back();
  }
  frozen_.push_back(frozen);
  {
    const std::lock_guard lock(io_->mutex);
    io_->queue.push_back(frozen);
    if (io_->ingesting) return;  // whoever does takes it too
  }
  if (blocking_ || !options_.run_io) {
    io_->IngestQueue();
  } else {
    options_.run_io([io = io_] { io->IngestQueue(); });
  }
}

Status ColdTier::Poll() {
  FreezeIfFull();
  while (!frozen_.empty() && frozen_.front()->ingested.load(std::memory_order_acquire)) {
    any_ingested_ = true;
    if (spare_.empty()) {
      spare_.push_back(std::move(frozen_.front()->run));
      spare_.back().Clear();
    }
    frozen_.pop_front();
  }
  if (!io_->failed.load()) return Status::Ok();
  const std::lock_guard lock(io_->mutex);
  return io_->status;
}

ColdTier::Found ColdTier::Search(uint64_t hash, std::string_view key,
                                 std::string_view* value) const {
  const auto told = [](RunBuffer::Found found) {
    return found == RunBuffer::Found::kRow ? Found::kRow : Found::kAbsent;
  };
  auto found = active_.Find(hash, key, value);
  if (found != RunBuffer::Found::kNothing) return told(found);
  for (auto it = frozen_.rbegin(); it != frozen_.rend(); ++it) {
    found = (*it)->run.Find(hash, key, value);
    if (found != RunBuffer::Found::kNothing) return told(found);
  }
  return any_ingested_ ? Found::kUnknown : Found::kAbsent;
}

std::shared_ptr<ColdRead> ColdTier::Read(RunBuffer wanted, RunBuffer found) {
  auto read = std::make_shared<ColdRead>();
  read->wanted = std::move(wanted);
  read->found = std::move(found);
  RunIo([read, io = io_] {
    read->status = io->TheFamily()->Read(read->wanted, &read->found);
    read->done.store(true, std::memory_order_release);
  });
  return read;
}

bool ColdTier::IngestAll() {
  if (!active_.empty() && frozen_.size() < kMostFrozen) Freeze();
  (void)Poll().ok();
  return active_.empty() && frozen_.empty();
}

std::shared_ptr<ColdScan> ColdTier::Scan(std::string prefix, std::string from) {
  constexpr size_t kMost = 4096;
  auto scan = std::make_shared<ColdScan>();
  scan->prefix = std::move(prefix);
  scan->from = std::move(from);
  RunIo([scan, io = io_] {
    const auto family = io->TheFamily();
    if (family != nullptr) {
      scan->status = family->Scan(
          scan->prefix, scan->from, kMost,
          [&](std::string_view key, std::string_view value) {
            scan->rows.emplace_back(key, value);
          },
          &scan->next);
    }
    scan->done.store(true, std::memory_order_release);
  });
  return scan;
}

}  // namespace millrace::state
