#include "connectors/log/clusterer.h"

#include <algorithm>

namespace millrace::connectors {

using runtime::Status;

namespace {
// Runs of this size cost a reader at most 1.5 times their bytes in pages of the disk.
constexpr uint64_t kLargeRunBytes = 16 << 10;
}  // namespace

Clusterer::Clusterer(SegmentFolder* folder, SegmentSet* segments, ShardIndex* index,
                     std::shared_mutex* index_mutex)
    : folder_(folder), segments_(segments), index_(index), index_mutex_(index_mutex) {}
Clusterer::~Clusterer() { Stop(); }

void Clusterer::Start(uint64_t newest) {
  newest_ = newest;
  thread_ = std::thread([this] { Loop(); });
}

void Clusterer::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Clusterer::Offer(uint64_t generation, bool always) {
  std::lock_guard lock(mutex_);
  for (Offered& known : offered_) {
    if (known.generation != generation) continue;
    known.always = known.always || always;
    return;
  }
  offered_.push_back({generation, always});
  changed_.notify_all();
}

void Clusterer::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stopping_ || (offered_.empty() && !working_); });
}

void Clusterer::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || !offered_.empty(); });
    if (stopping_) return;
    const Offered next = offered_.front();
    offered_.pop_front();
    working_ = true;
    lock.unlock();
    Work(next);
    lock.lock();
    working_ = false;
    changed_.notify_all();
  }
}

void Clusterer::Work(const Offered& offered) {
  const auto segment = segments_->Find(offered.generation);
  if (segment == nullptr) return;
  // By retention, so that records of a day are not kept on disk by those of a year.
  std::map<int64_t, std::map<ShardNumber, std::vector<Extent>>> by_retention;
  uint64_t bytes = 0, runs = 0;
  {
    std::shared_lock lock(*index_mutex_);
    for (auto& [shard, extents] : index_->ExtentsOf(offered.generation)) {
      for (const Extent& extent : extents) bytes += extent.bytes;
      runs += extents.size();
      by_retention[index_->Find(shard)->retention_ms][shard] = std::move(extents);
    }
  }
  if (runs == 0 || (!offered.always && bytes / runs >= kLargeRunBytes)) return;
  std::string content(segment->file->size_bytes(), '\0');
  if (!segment->file->ReadAt(0, content.size(), content.data()).ok()) return;
  for (const auto& [retention_ms, extents] : by_retention) {
    const uint64_t generation = ++newest_ | kClusterBit;
    auto written =
        WriteCluster(folder_, generation, segment->file->path(), content.data(), extents);
    if (!written.ok()) return;
    segments_->AdoptCluster(generation, std::move(written.value().file));
    std::unique_lock lock(*index_mutex_);
    for (const auto& [shard, sources] : extents) {
      index_->MoveExtents(shard, sources, written.value().extents[shard]);
    }
  }
}

}  // namespace millrace::connectors
