#include "tests/harness/memory_state.h"

#include <cstring>

namespace millrace::tests {

using runtime::Access;
using runtime::KeyNames;
using runtime::PhysicalType;
using runtime::Readiness;
using runtime::Result;
using runtime::RowLayout;
using runtime::StateKind;
using runtime::StringRef;

class MemoryTable::Arena : public runtime::StateArena {
 public:
  ~Arena() override {
    for (auto& [bytes, size] : chunks_) std::memset(bytes.get(), 0xdd, size);
  }

 private:
  void Refill(uint32_t bytes) override {
    // One chunk a string, so that a reader beyond its end is found.
    chunks_.emplace_back(std::make_unique<char[]>(bytes), bytes);
    next_ = chunks_.back().first.get();
    left_bytes_ = bytes;
  }
  std::vector<std::pair<std::unique_ptr<char[]>, uint32_t>> chunks_;
};

MemoryTable::MemoryTable(runtime::StateSpec spec)
    : spec_(std::move(spec)),
      layout_(spec_.value),
      encoder_(spec_.key_types),
      arena_(std::make_unique<Arena>()) {}
MemoryTable::~MemoryTable() = default;

runtime::StateArena& MemoryTable::arena() { return *arena_; }

MemoryTable::Row MemoryTable::MakeRow() const {
  return {std::make_unique<uint8_t[]>(layout_.size_bytes() + 8), now_ms_};
}

MemoryRow MemoryTable::Copy(const Row& row) const {
  MemoryRow copy;
  copy.slots.assign(row.slots.get(), row.slots.get() + layout_.size_bytes());
  copy.written_ms = row.written_ms;
  for (const RowLayout::Slot& slot : layout_.slots()) {
    if (slot.physical != PhysicalType::kString) continue;
    const auto text = RowLayout::Load<StringRef>(row.slots.get(), slot.offset);
    copy.text.emplace_back(slot.offset, std::string(text.view()));
    std::memset(copy.slots.data() + slot.offset, 0, sizeof(StringRef));
  }
  return copy;
}

void MemoryTable::Load(const MemoryRow& from, Row* row) {
  std::memcpy(row->slots.get(), from.slots.data(), from.slots.size());
  row->written_ms = from.written_ms;
  for (const auto& [offset, text] : from.text) {
    RowLayout::Store(row->slots.get(), offset,
                     arena_->Copy(StringRef(text.data(), static_cast<uint32_t>(text.size()))));
  }
}

void MemoryTable::PinRow(const Key& key, Row& row, bool writable) {
  auto [it, fresh] = pinned_.try_emplace(row.slots.get());
  if (fresh) {
    it->second.key = key;
    it->second.before = Copy(row);
  }
  it->second.writable |= writable;
}

bool MemoryTable::AnswerPending() {
  if (!pending_) return false;
  answered_pending_ = !answered_pending_;
  return answered_pending_;
}

Result<Readiness> MemoryTable::Resolve(const KeyNames& names, Access access, uint8_t** rows) {
  CHECK_THAT_HOLDS(names.columns.size() == spec_.key_types.size());
  CHECK_THAT_HOLDS(names.count == 0 ||
                   (names.slices != nullptr) == (spec_.kind == StateKind::kSliced));
  if (AnswerPending()) return Readiness::kPending;
  for (int32_t i = 0; i < names.count; ++i) {
    const int32_t physical = names.rows == nullptr ? i : names.rows[i];
    Key key{names.slices == nullptr ? 0 : names.slices[i], {}};
    encoder_.Encode(names.columns, physical, &key.second);
    auto it = rows_.find(key);
    if (it != rows_.end() && spec_.ttl_ms > 0 && it->second.written_ms + spec_.ttl_ms <= now_ms_) {
      CHECK_THAT_HOLDS(pinned_.count(it->second.slots.get()) == 0);
      graveyard_.push_back(std::move(it->second));
      rows_.erase(it);
      it = rows_.end();
    }
    if (it == rows_.end() && access == Access::kUpsert) it = rows_.emplace(key, MakeRow()).first;
    if (it == rows_.end()) {
      rows[i] = nullptr;
      continue;
    }
    rows[i] = it->second.slots.get();
    PinRow(key, it->second, access == Access::kUpsert);
    if (access == Access::kUpsert) it->second.written_ms = now_ms_;
  }
  return Readiness::kReady;
}

void MemoryTable::Erase(std::span<uint8_t* const> rows) {
  std::set<uint8_t*> now;
  for (uint8_t* row : rows) {
    if (row == nullptr || !now.insert(row).second) continue;
    const auto pin = pinned_.find(row);
    CHECK_THAT_HOLDS(pin != pinned_.end());  // erased before, or a pointer of another time
    const auto it = rows_.find(pin->second.key);
    CHECK_THAT_HOLDS(it != rows_.end() && it->second.slots.get() == row);
    std::memset(row, 0xdd, layout_.size_bytes());
    graveyard_.push_back(std::move(it->second));
    rows_.erase(it);
    pinned_.erase(pin);
  }
}

void MemoryTable::MarkChanged(std::span<uint8_t* const> rows) {
  for (uint8_t* row : rows) {
    if (row == nullptr) continue;
    const auto pin = pinned_.find(row);
    CHECK_THAT_HOLDS(pin != pinned_.end());
    pin->second.writable = true;
    rows_.at(pin->second.key).written_ms = now_ms_;
  }
}

void MemoryTable::ReadKeys(std::span<uint8_t* const> rows,
                           std::span<runtime::VectorBuilder* const> columns) {
  for (uint8_t* row : rows) {
    const auto pin = pinned_.find(row);
    CHECK_THAT_HOLDS(pin != pinned_.end());
    encoder_.Decode(pin->second.key.second, columns);
  }
}

Result<Readiness> MemoryTable::Scan(runtime::ScanCursor* cursor, int64_t slice,
                                    std::span<uint8_t*> rows, int32_t* count) {
  if (AnswerPending()) return Readiness::kPending;
  *count = 0;
  int64_t position = 0;
  for (auto& [key, row] : rows_) {
    if (spec_.kind == StateKind::kSliced && key.first != slice) continue;
    if (position++ < cursor->position) continue;
    if (*count == static_cast<int32_t>(rows.size())) return Readiness::kReady;
    rows[static_cast<size_t>((*count)++)] = row.slots.get();
    PinRow(key, row, false);
    ++cursor->position;
  }
  cursor->done = true;
  return Readiness::kReady;
}

std::vector<int64_t> MemoryTable::Slices() const {
  CHECK_THAT_HOLDS(spec_.kind == StateKind::kSliced);
  std::vector<int64_t> slices;
  for (const auto& [key, row] : rows_) {
    if (slices.empty() || slices.back() != key.first) slices.push_back(key.first);
  }
  return slices;
}

void MemoryTable::DropSlice(int64_t slice) {
  for (auto it = rows_.begin(); it != rows_.end();) {
    if (it->first.first != slice) {
      ++it;
      continue;
    }
    pinned_.erase(it->second.slots.get());
    std::memset(it->second.slots.get(), 0xdd, layout_.size_bytes());
    graveyard_.push_back(std::move(it->second));
    it = rows_.erase(it);
  }
}

void MemoryTable::ReleasePins() {
  for (const auto& [slots, pin] : pinned_) {
    if (pin.writable) continue;
    const MemoryRow now = Copy(rows_.at(pin.key));
    CHECK_THAT_HOLDS(now.slots == pin.before.slots && now.text == pin.before.text);
  }
  pinned_.clear();
  Restore(Snapshot());
  graveyard_.clear();
}

MemoryRows MemoryTable::Snapshot() const {
  MemoryRows all;
  for (const auto& [key, row] : rows_) all.emplace(key, Copy(row));
  return all;
}

void MemoryTable::Restore(const MemoryRows& rows) {
  CHECK_THAT_HOLDS(pinned_.empty());
  for (auto& [key, row] : rows_) std::memset(row.slots.get(), 0xdd, layout_.size_bytes());
  rows_.clear();
  arena_ = std::make_unique<Arena>();
  for (const auto& [key, from] : rows) Load(from, &rows_.emplace(key, MakeRow()).first->second);
}

}  // namespace millrace::tests
