#include "state/run_buffer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/types/check.h"

namespace millrace::state {
namespace {

constexpr uint32_t kTombstone = UINT32_MAX;
constexpr uint32_t kShort = 255;  // lengths below it take a byte each: {key, value + 1 or 0}
constexpr size_t kFirstSlots = 64;

uint64_t PrefixOf(std::string_view key) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, key.data(), std::min<size_t>(key.size(), 8));
  return __builtin_bswap64(prefix);
}

}  // namespace

void RunBuffer::Clear() {
  bytes_.clear();
  std::fill(slots_.begin(), slots_.end(), 0);
  num_keys_ = 0;
}

RunBuffer::Record RunBuffer::RecordAt(uint32_t offset) const {
  const char* at = bytes_.data() + offset;
  uint32_t key_bytes = static_cast<uint8_t>(at[0]);
  uint32_t value_bytes = static_cast<uint8_t>(at[1]);
  at += 2;
  if (key_bytes == kShort) {
    std::memcpy(&key_bytes, at, 4);
    std::memcpy(&value_bytes, at + 4, 4);
    at += 8;
  } else {
    value_bytes = value_bytes == 0 ? kTombstone : value_bytes - 1;
  }
  const bool tombstone = value_bytes == kTombstone;
  return {{at, key_bytes}, {at + key_bytes, tombstone ? 0 : value_bytes}, tombstone};
}

void RunBuffer::Add(uint64_t hash, std::string_view key, std::string_view value, bool tombstone) {
  if ((static_cast<uint64_t>(num_keys_) + 1) * 8 > slots_.size() * 5) Grow();
  const size_t offset = bytes_.size();
  CHECK_THAT_HOLDS(offset + key.size() + value.size() + 10 < UINT32_MAX);
  if (key.size() < kShort && value.size() < kShort - 1) {
    bytes_.push_back(static_cast<char>(key.size()));
    bytes_.push_back(static_cast<char>(tombstone ? 0 : value.size() + 1));
  } else {
    const uint32_t lengths[2] = {static_cast<uint32_t>(key.size()),
                                 tombstone ? kTombstone : static_cast<uint32_t>(value.size())};
    bytes_.push_back(static_cast<char>(kShort));
    bytes_.push_back(0);
    bytes_.insert(bytes_.end(), reinterpret_cast<const char*>(lengths),
                  reinterpret_cast<const char*>(lengths) + 8);
  }
  bytes_.insert(bytes_.end(), key.begin(), key.end());
  bytes_.insert(bytes_.end(), value.begin(), value.end());

  const auto tag = static_cast<uint32_t>(hash);
  const uint64_t entry = static_cast<uint64_t>(tag) << 32 | (offset + 1);
  const size_t mask = slots_.size() - 1;
  size_t at = tag & mask;
  for (; slots_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<uint32_t>(slots_[at] >> 32) != tag) continue;
    if (RecordAt(static_cast<uint32_t>(slots_[at]) - 1).key == key) break;
  }
  num_keys_ += slots_[at] == 0;
  slots_[at] = entry;
}

void RunBuffer::Grow() {
  std::vector<uint64_t> old = std::move(slots_);
  slots_.assign(std::max(kFirstSlots, old.size() * 2), 0);
  const size_t mask = slots_.size() - 1;
  for (const uint64_t entry : old) {
    if (entry == 0) continue;
    size_t at = static_cast<size_t>(entry >> 32) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = entry;
  }
}

RunBuffer::Found RunBuffer::Find(uint64_t hash, std::string_view key,
                                 std::string_view* value) const {
  if (slots_.empty()) return Found::kNothing;
  const auto tag = static_cast<uint32_t>(hash);
  const size_t mask = slots_.size() - 1;
  for (size_t at = tag & mask; slots_[at] != 0; at = (at + 1) & mask) {
    if (static_cast<uint32_t>(slots_[at] >> 32) != tag) continue;
    const Record record = RecordAt(static_cast<uint32_t>(slots_[at]) - 1);
    if (record.key != key) continue;
    *value = record.value;
    return record.tombstone ? Found::kTombstone : Found::kRow;
  }
  return Found::kNothing;
}

std::vector<RunBuffer::Record> RunBuffer::Sorted() const {
  struct Entry {
    uint64_t prefix;
    uint32_t offset;
  };
  std::vector<Entry> entries;
  entries.reserve(num_keys_);
  for (const uint64_t slot : slots_) {
    if (slot == 0) continue;
    const uint32_t offset = static_cast<uint32_t>(slot) - 1;
    entries.push_back({PrefixOf(RecordAt(offset).key), offset});
  }
  std::sort(entries.begin(), entries.end(), [this](const Entry& a, const Entry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    return RecordAt(a.offset).key < RecordAt(b.offset).key;  // char_traits<char> compares unsigned
  });
  std::vector<Record> records;
  records.reserve(entries.size());
  for (const Entry& entry : entries) records.push_back(RecordAt(entry.offset));
  return records;
}

}  // namespace millrace::state
