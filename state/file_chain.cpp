#include "state/file_chain.h"

#include <algorithm>

#include "state/byte_stream.h"

namespace millrace::state {
namespace {

constexpr uint32_t kHandleMagic = 0x4853524du;  // "MRSH"
constexpr uint32_t kHandleVersion = 1;
constexpr size_t kMostFiles = 512;
constexpr size_t kManyFiles = 64;

}  // namespace

runtime::StateHandle HandleContents::Encode() const {
  ByteWriter to;
  to.Put(kHandleMagic);
  to.Put(kHandleVersion);
  to.Put(static_cast<uint32_t>(savepoint));
  to.Put(static_cast<uint32_t>(segments.size()));
  for (const ChainSegment& segment : segments) {
    to.Put(static_cast<int32_t>(segment.key_groups.first));
    to.Put(static_cast<int32_t>(segment.key_groups.last));
    to.Put(static_cast<uint32_t>(segment.files.size()));
    for (const ChainFile& file : segment.files) {
      to.PutText(file.path);
      to.Put(file.bytes);
    }
  }
  return std::move(to.bytes());
}

runtime::Result<HandleContents> HandleContents::Decode(std::string_view handle) {
  ByteReader from(handle);
  if (from.Get<uint32_t>() != kHandleMagic) {
    return runtime::Status::User("not a state handle of Millrace");
  }
  const auto version = from.Get<uint32_t>();
  if (version != kHandleVersion) {
    return runtime::Status::User("state handle has a version that this Millrace does not read: " +
                                 std::to_string(version));
  }
  HandleContents contents;
  contents.savepoint = from.Get<uint32_t>() != 0;
  for (auto left = from.Get<uint32_t>(); left > 0 && from.ok(); --left) {
    ChainSegment segment;
    segment.key_groups.first = from.Get<int32_t>();
    segment.key_groups.last = from.Get<int32_t>();
    for (auto files = from.Get<uint32_t>(); files > 0 && from.ok(); --files) {
      ChainFile file;
      file.path = from.GetText();
      file.bytes = from.Get<uint64_t>();
      segment.files.push_back(std::move(file));
    }
    contents.segments.push_back(std::move(segment));
  }
  if (!from.ok() || !from.at_end()) return runtime::Status::User("state handle is damaged");
  return contents;
}

FileChain::FileChain(runtime::KeyGroupRange key_groups, std::vector<ChainSegment> restored)
    : key_groups_(key_groups), segments_(std::move(restored)) {
  for (const ChainSegment& segment : segments_) {
    for (size_t i = 0; i < segment.files.size(); ++i) {
      (i == 0 ? base_bytes_ : delta_bytes_) += segment.files[i].bytes;
    }
  }
  base_required_ = segments_.empty();
}

runtime::StateHandle FileChain::Append(ChainFile file, bool full, uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  if (sequence < last_sequence_) return HandleContents{false, segments_}.Encode();
  last_sequence_ = sequence;
  if (full) {
    base_bytes_ = file.bytes;
    delta_bytes_ = 0;
    base_required_ = false;
    segments_ = {{key_groups_, {std::move(file)}}};
  } else {
    delta_bytes_ += file.bytes;
    for (ChainSegment& segment : segments_) segment.files.push_back(file);
  }
  return HandleContents{false, segments_}.Encode();
}

bool FileChain::WantsBase() const {
  const std::lock_guard lock(mutex_);
  if (base_required_ || segments_.empty()) return true;
  size_t files = 0;
  for (const ChainSegment& segment : segments_) files = std::max(files, segment.files.size());
  return delta_bytes_ > base_bytes_ + (4 << 20) ||
         (files > kManyFiles && delta_bytes_ * 4 > base_bytes_) || files > kMostFiles;
}

bool FileChain::RequiresBase() const {
  const std::lock_guard lock(mutex_);
  return base_required_ || segments_.empty();
}

std::vector<ChainSegment> FileChain::segments() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

bool FileChain::ReplaceMerged(const std::vector<ChainSegment>& merged, ChainFile base) {
  const std::lock_guard lock(mutex_);
  if (base_required_ || merged.empty() || merged.size() != segments_.size()) return false;
  std::vector<ChainFile> files = {std::move(base)};
  for (size_t s = 0; s < merged.size(); ++s) {
    const std::vector<ChainFile>& before = merged[s].files;
    const std::vector<ChainFile>& now = segments_[s].files;
    if (now.size() < before.size()) return false;
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i].path != now[i].path) return false;
    }
    // What came since came to all segments alike.
    if (s == 0) files.insert(files.end(), now.begin() + static_cast<std::ptrdiff_t>(before.size()), now.end());
  }
  base_bytes_ = files[0].bytes;
  delta_bytes_ = 0;
  for (size_t i = 1; i < files.size(); ++i) delta_bytes_ += files[i].bytes;
  segments_ = {{key_groups_, std::move(files)}};
  return true;
}

void FileChain::RequireBase() {
  const std::lock_guard lock(mutex_);
  base_required_ = true;
}

std::vector<std::string> FileChain::Paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const ChainSegment& segment : segments_) {
    for (const ChainFile& file : segment.files) paths.push_back(file.path);
  }
  return paths;
}

}  // namespace millrace::state
