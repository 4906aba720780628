#include "state/delta.h"

#include <algorithm>
#include <cstring>

namespace millrace::state {

char* TableDelta::AppendRun(BlockKind kind, bool mixed, uint16_t key_group, uint32_t bytes) {
  if (bytes > left_bytes_) {
    const uint32_t capacity = std::max(kBufferBytes, bytes);
    buffers_.push_back(pool_->Allocate(capacity));
    next_ = buffers_.back()->data();
    left_bytes_ = capacity;
  }
  const auto buffer = static_cast<uint32_t>(buffers_.size() - 1);
  runs_.push_back({kind, mixed, key_group, 1, buffer,
                   static_cast<uint32_t>(next_ - buffers_.back()->data()), bytes,
                   static_cast<uint32_t>(key_groups_.size())});
  if (mixed) key_groups_.push_back(key_group);
  return Take(bytes);
}

uint32_t RecordShape::RecordBytes(BlockKind kind, const char* at, uint64_t left) const {
  if (kind == BlockKind::kDropSlices) return left >= 16 ? 16 : 0;
  const bool is_row = kind == BlockKind::kRows || kind == BlockKind::kNullRows;
  const uint32_t before = sliced ? 8 : 0;
  uint64_t bytes = before + (is_row ? row_bytes : key_bytes);
  if (bytes > left) return 0;
  for (const uint32_t offset : is_row ? string_offsets : key_string_offsets) {
    uint32_t size;
    std::memcpy(&size, at + before + offset, 4);
    if (size > runtime::StringRef::kInlineBytes) bytes += size;
  }
  return bytes > left ? 0 : static_cast<uint32_t>(bytes);
}

void RecordShape::KeyOfRecord(bool is_row, const char* at, std::string* to) const {
  const uint32_t before = sliced ? 8 : 0;
  to->assign(at, before + key_bytes);
  const char* text = at + before + (is_row ? row_bytes : key_bytes);
  for (const uint32_t offset : key_string_offsets) {  // the key's strings stand before the value's
    uint32_t size;
    std::memcpy(&size, at + before + offset, 4);
    if (size <= runtime::StringRef::kInlineBytes) continue;
    to->append(text, size);
    text += size;
  }
}

void DeltaPart::CountBytes() {
  bytes = 0;
  for (const TablePart& table : tables) bytes += table.rows.size_bytes();
}

uint64_t SubtaskDelta::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& part : parts) bytes += part->size_bytes();
  return bytes;
}

}  // namespace millrace::state
