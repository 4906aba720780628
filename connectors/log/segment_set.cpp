#include "connectors/log/segment_set.h"

#include <algorithm>

#include "runtime/types/check.h"

namespace millrace::connectors {

using runtime::Result;
using runtime::Status;

namespace {
constexpr std::string_view kSpareEnding = ".spare";
}

SegmentSet::SegmentSet(SegmentFolder* folder, uint64_t size_bytes, size_t spares_max)
    : folder_(folder),
      size_bytes_(AlignTo(size_bytes, kSegmentPageBytes)),
      spares_max_(spares_max) {}

void SegmentSet::Adopt(uint64_t generation, std::unique_ptr<SegmentFile> file) {
  std::lock_guard lock(mutex_);
  active_ = std::make_shared<Segment>(Segment{generation, std::move(file)});
  segments_[generation] = active_;
  last_generation_ = std::max(last_generation_, generation);
}

void SegmentSet::AdoptSpare(const std::string& name, uint64_t size_bytes) {
  last_generation_ =
      std::max({last_generation_, ParseSegmentName(name), ParseSegmentName(name, kSpareEnding)});
  if (size_bytes == size_bytes_ && spares_.size() < spares_max_) {
    spares_.push_back(name);
  } else {
    (void)folder_->Remove(name);  // not worth a failed start
  }
}

bool SegmentSet::Fits(size_t length) const {
  return active_ != nullptr && offset_ != UINT64_MAX &&
         offset_ + length <= active_->file->size_bytes();
}

Status SegmentSet::Roll(size_t length) {
  const uint64_t generation = last_generation_ + 1;
  const std::string name = SegmentName(generation);
  const uint64_t wanted = std::max<uint64_t>(size_bytes_, kSegmentPageBytes + length);
  std::unique_ptr<SegmentFile> file;
  if (wanted == size_bytes_ && !spares_.empty()) {
    RETURN_IF_ERROR(folder_->Rename(spares_.back(), name));
    spares_.pop_back();
    last_generation_ = generation;
    ASSIGN_OR_RETURN(file, folder_->Open(name));
  } else {
    ASSIGN_OR_RETURN(file, folder_->Create(name, wanted));
  }
  Adopt(generation, std::move(file));
  offset_ = kSegmentPageBytes;
  return Status::Ok();
}

std::shared_ptr<SegmentSet::Segment> SegmentSet::Find(uint64_t generation) const {
  std::lock_guard lock(mutex_);
  const auto& map = (generation & kClusterBit) != 0 ? clusters_ : segments_;
  const auto found = map.find(generation);
  return found == map.end() ? nullptr : found->second;
}

void SegmentSet::AdoptCluster(uint64_t generation, std::unique_ptr<SegmentFile> file) {
  std::lock_guard lock(mutex_);
  clusters_[generation] = std::make_shared<Segment>(Segment{generation, std::move(file)});
}

std::vector<uint64_t> SegmentSet::Clusters() const {
  std::lock_guard lock(mutex_);
  std::vector<uint64_t> generations;
  for (const auto& [generation, cluster] : clusters_) generations.push_back(generation);
  return generations;
}

Status SegmentSet::RemoveCluster(uint64_t generation) {
  {
    std::lock_guard lock(mutex_);
    clusters_.erase(generation);
  }
  return folder_->Remove(SegmentName(generation & ~kClusterBit, kClusterEnding));
}

std::shared_ptr<SegmentSet::Segment> SegmentSet::Oldest() const {
  std::lock_guard lock(mutex_);
  if (segments_.empty() || segments_.begin()->second == active_) return nullptr;
  return segments_.begin()->second;
}

std::vector<uint64_t> SegmentSet::Sealed() const {
  std::lock_guard lock(mutex_);
  std::vector<uint64_t> generations;
  for (const auto& [generation, segment] : segments_) {
    if (segment != active_) generations.push_back(generation);
  }
  return generations;
}

Status SegmentSet::FreeOldest() {
  std::shared_ptr<Segment> segment;
  {
    std::lock_guard lock(mutex_);
    CHECK_THAT_HOLDS(!segments_.empty() && segments_.begin()->second != active_);
    segment = segments_.begin()->second;
    segments_.erase(segments_.begin());
  }
  const std::string name = SegmentName(segment->generation);
  // A reader that still has the file open may read it to the end: its name goes, not its bytes.
  const bool in_use = segment.use_count() > 1;
  if (!in_use && segment->file->size_bytes() == size_bytes_ && spares_.size() < spares_max_) {
    const std::string spare = SegmentName(segment->generation, kSpareEnding);
    RETURN_IF_ERROR(folder_->Rename(name, spare));
    spares_.push_back(spare);
    return Status::Ok();
  }
  return folder_->Remove(name);
}

size_t SegmentSet::count() const {
  std::lock_guard lock(mutex_);
  return segments_.size();
}

}  // namespace millrace::connectors
