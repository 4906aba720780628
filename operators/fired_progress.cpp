#include "operators/fired_progress.h"

#include <algorithm>
#include <cstring>

namespace millrace::operators {

using runtime::KeyGroupRange;
using runtime::Status;

namespace {

// An entry: the time, and in processing time the first and last key group that it holds for.
constexpr size_t kTimeBytes = sizeof(int64_t);
constexpr size_t kRangeBytes = kTimeBytes + 2 * sizeof(int32_t);

void AppendEntry(int64_t time, const KeyGroupRange* groups, runtime::ListEntries* entries) {
  std::string& entry = entries->emplace_back(reinterpret_cast<const char*>(&time), sizeof(time));
  if (groups == nullptr) return;
  for (const int32_t group : {groups->first, groups->last}) {
    entry.append(reinterpret_cast<const char*>(&group), sizeof(group));
  }
}

}  // namespace

Status FiredProgress::Restore(const runtime::ListEntries& entries,
                              const runtime::OperatorContext& context, bool is_rowtime) {
  mine_ = runtime::KeyGroupsOf(context.subtask(), context.parallelism(), context.max_parallelism());
  for (const std::string& entry : entries) {
    if (entry.size() != kTimeBytes && entry.size() != kRangeBytes) {
      return Status::Internal("state of fired windows is damaged");
    }
    Range range{mine_, 0};
    std::memcpy(&range.progress, entry.data(), sizeof(range.progress));
    if (entry.size() == kRangeBytes && !is_rowtime) {
      int32_t groups[2];
      std::memcpy(groups, entry.data() + kTimeBytes, sizeof(groups));
      range.groups = {std::max(groups[0], mine_.first), std::min(groups[1], mine_.last)};
      if (range.groups.first > range.groups.last) continue;
    }
    const bool first = ranges_.empty();
    lowest_ = first ? range.progress : std::min(lowest_, range.progress);
    highest_ = first ? range.progress : std::max(highest_, range.progress);
    ranges_.push_back(range);
  }
  if (is_rowtime) highest_ = lowest_;
  if (lowest_ == highest_) ranges_.clear();
  return Status::Ok();
}

void FiredProgress::Store(bool is_rowtime, runtime::ListEntries* entries) const {
  entries->clear();
  if (is_rowtime) return AppendEntry(lowest_, nullptr, entries);
  if (ranges_.empty()) return AppendEntry(lowest_, &mine_, entries);
  for (const Range& range : ranges_) {
    AppendEntry(std::max(range.progress, lowest_), &range.groups, entries);
  }
}

int64_t FiredProgress::OfKeyGroup(int key_group) const {
  // An older entry lies over all groups: of several that hold the lowest counts.
  int64_t progress = highest_;
  for (const Range& range : ranges_) {
    if (range.groups.Contains(key_group)) progress = std::min(progress, range.progress);
  }
  return std::max(progress, lowest_);
}

void FiredProgress::Advance(int64_t time) {
  lowest_ = std::max(lowest_, time);
  if (lowest_ < highest_) return;
  highest_ = lowest_;
  ranges_.clear();
}

}  // namespace millrace::operators
