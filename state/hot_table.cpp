#include "state/hot_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/types/check.h"

namespace millrace::state {

using runtime::StringRef;

namespace {

std::vector<runtime::LogicalType> GroupTypes(const runtime::StateSpec& spec) {
  if (spec.kind == runtime::StateKind::kOrdered) {
    CHECK_THAT_HOLDS(spec.sort_columns > 0 &&
                     spec.sort_columns <= static_cast<int>(spec.key_types.size()));
    return {spec.key_types.begin(), spec.key_types.end() - spec.sort_columns};
  }
  if (spec.key_group_columns == 0) return spec.key_types;
  CHECK_THAT_HOLDS(spec.key_group_columns <= static_cast<int>(spec.key_types.size()));
  return {spec.key_types.begin(), spec.key_types.begin() + spec.key_group_columns};
}

uint32_t LinkBytesOf(const runtime::StateSpec& spec) {
  return spec.kind == runtime::StateKind::kOrdered ? 8 : 0;
}

uint32_t RowBytesOf(const runtime::StateSpec& spec) {
  return KeyImage(spec.key_types).size_bytes() + LinkBytesOf(spec) + (spec.ttl_ms > 0 ? 8 : 0) +
         runtime::RowLayout(spec.value).size_bytes();
}

}  // namespace

HotTable::HotTable(std::shared_ptr<const StateIdentity> identity, TableSurroundings& surroundings)
    : identity_(std::move(identity)),
      surroundings_(surroundings),
      layout_(identity_->spec.value),
      key_(identity_->spec.key_types),
      group_encoder_(GroupTypes(identity_->spec)),
      written_at_offset_(key_.size_bytes() + LinkBytesOf(identity_->spec)),
      value_offset_(written_at_offset_ + (expires() ? 8 : 0)),
      row_bytes_(std::max(RowBytesOf(identity_->spec), 8u)),
      pages_(row_bytes_, sliced(), surroundings.sparing, *surroundings.pool),
      arena_(*surroundings.pool, surroundings.sparing),
      coming_(*surroundings.pool),
      copied_(*surroundings.pool),
      step_(std::make_unique<Step>()) {
  for (const auto& slot : layout_.slots()) {
    if (slot.physical == runtime::PhysicalType::kString) {
      value_string_offsets_.push_back(value_offset_ + slot.offset);
    }
  }
  std::sort(value_string_offsets_.begin(), value_string_offsets_.end());
  auto shape = std::make_shared<RecordShape>();
  shape->row_bytes = row_bytes_;
  shape->key_bytes = key_.size_bytes();
  shape->sliced = sliced();
  shape->key_string_offsets = key_.string_offsets();
  shape->string_offsets = key_.string_offsets();
  shape->string_offsets.insert(shape->string_offsets.end(), value_string_offsets_.begin(),
                               value_string_offsets_.end());
  shape_ = std::move(shape);
  step_->images.resize(static_cast<size_t>(kStepRows) * key_.size_bytes());
  const auto groups = surroundings.key_groups;
  const size_t owners = sliced() ? 1 : static_cast<size_t>(groups.last - groups.first + 1);
  if (spec().kind == runtime::StateKind::kOrdered) {
    const int key_columns = static_cast<int>(key_.columns().size()) - spec().sort_columns;
    order_ = std::make_unique<RowOrder>(key_, key_columns, key_.size_bytes(), pages_,
                                        *surroundings.slots, owners);
  }
  directory_.resize(owners);
  owners_.resize(owners);
  if (surroundings.cold != nullptr && order_ == nullptr) {
    cold_table_ = surroundings.cold->AddTable(sliced(), identity_->spec.ttl_ms);
  }
}

HotTable::~HotTable() {
  for (RowIndex& index : directory_) index.Release(*surroundings_.slots);
}

// ---- Rows ----

uint32_t HotTable::AllocateRow(uint32_t owner_number) {
  Owner& owner = owners_[owner_number];
  uint32_t id = owner.free_head;
  if (id != 0) {
    std::memcpy(&owner.free_head, pages_.RowAt(id), 4);
  } else {
    if (owner.next_id == owner.end_id) {
      const uint32_t page = pages_.TakePage(owner_number);
      owner.pages.push_back(page);
      ++owned_pages_;
      owner.next_id = std::max(pages_.FirstOf(page), 1u);
      owner.end_id = pages_.FirstOf(page) + pages_.page_rows();
    }
    id = owner.next_id++;
  }
  ++owner.live_rows;
  ++num_rows_;
  return id;
}

uint32_t HotTable::FindRow(uint32_t owner, uint32_t tag, const char* image) const {
  return directory_[owner].Find(tag, [&](uint32_t id) {
    return key_.Equal(reinterpret_cast<const char*>(pages_.RowAt(id)), image);
  });
}

uint32_t HotTable::InsertRow(uint32_t owner, uint16_t key_group, uint32_t tag,
                             const char* image) {
  const uint32_t id = AllocateRow(owner);
  uint8_t* row = pages_.RowAt(id);
  std::memcpy(row, image, key_.size_bytes());
  for (const uint32_t offset : key_.string_offsets()) {
    auto* slot = reinterpret_cast<StringRef*>(row + offset);
    *slot = arena_.Copy(*slot);
  }
  std::memset(row + key_.size_bytes(), 0, row_bytes_ - key_.size_bytes());
  RowPages::Set(pages_.live(), id);
  if (sliced()) pages_.key_groups()[id] = key_group;
  if (tag == KeyImage::kNullTag) null_rows_.insert(id);
  directory_[owner].Insert(tag, id, *surroundings_.slots);
  if (order_ != nullptr) order_->Insert(owner, id);
  return id;
}

void HotTable::FreeStrings(uint8_t* row, bool key_too) {
  if (key_too) {
    for (const uint32_t offset : key_.string_offsets()) {
      arena_.Free(*reinterpret_cast<StringRef*>(row + offset));
    }
  }
  for (const uint32_t offset : value_string_offsets_) {
    arena_.Free(*reinterpret_cast<StringRef*>(row + offset));
  }
}

bool HotTable::IsExpired(const uint8_t* row) const {
  int64_t written_at;
  std::memcpy(&written_at, row + written_at_offset_, 8);
  return surroundings_.now_ms - written_at >= spec().ttl_ms;
}

// Makes an expired row as new.
void HotTable::Renew(uint8_t* row) {
  FreeStrings(row, false);
  std::memset(row + value_offset_, 0, row_bytes_ - value_offset_);
}

void HotTable::CopyFrozen(uint32_t id, const uint8_t* row) {
  CopyRow(id, KeyGroupOf(row), owners_[pages_.OwnerOf(pages_.PageOf(id))].slice, true, &copied_);
  RowPages::Clear(pages_.frozen(), id);
}

void HotTable::Touch(uint32_t id, uint8_t* row) {
  CopyIfFrozen(id, row);
  RowPages::Set(pages_.changed(), id);
}

void HotTable::EraseRow(uint32_t id, bool tombstone) {
  uint8_t* row = pages_.RowAt(id);
  const auto* image = reinterpret_cast<const char*>(row);
  const uint32_t owner_number = pages_.OwnerOf(pages_.PageOf(id));
  Owner& owner = owners_[owner_number];
  const bool is_null = IsNullKey(id);
  const uint16_t key_group = KeyGroupOf(row);
  CopyIfFrozen(id, row);
  if (tombstone && RowPages::Test(pages_.stored(), id)) {
    AppendKey(is_null ? BlockKind::kEraseNull : BlockKind::kErase, id, key_group, owner.slice);
  }
  if (tiered_ && RowPages::Test(pages_.cold(), id)) {
    // It may have been evicted, and so copied, since the last checkpoint.
    coming_.NoteLateErase();
    const uint64_t hash = key_.HashOf(image);
    surroundings_.cold->PutTombstone(hash, ColdKeyOf(owner_number, key_group, is_null, image));
  }
  if (order_ != nullptr) order_->Erase(owner_number, id);
  ForgetRow(owner_number, id, is_null);
}

// Takes a row out of memory.
void HotTable::ForgetRow(uint32_t owner_number, uint32_t id, bool is_null) {
  Owner& owner = owners_[owner_number];
  uint8_t* row = pages_.RowAt(id);
  const auto* image = reinterpret_cast<const char*>(row);
  directory_[owner_number].Erase(is_null ? KeyImage::kNullTag : key_.TagOf(image), id);
  FreeStrings(row, true);
  RowPages::Clear(pages_.live(), id);
  RowPages::Clear(pages_.changed(), id);
  RowPages::Clear(pages_.stored(), id);
  if (tiered_) {
    RowPages::Clear(pages_.used(), id);
    RowPages::Clear(pages_.cold(), id);
    RowPages::Clear(pages_.saved(), id);
  }
  if (is_null) null_rows_.erase(id);
  std::memcpy(row, &owner.free_head, 4);
  owner.free_head = id;
  --owner.live_rows;
  --num_rows_;
}

void HotTable::Erase(std::span<uint8_t* const> rows) {
  for (uint8_t* value : rows) {
    if (value == nullptr) continue;
    const uint32_t id = pages_.IdOf(RowOf(value));
    if (RowPages::Test(pages_.live(), id)) EraseRow(id, true);
  }
}

void HotTable::MarkChanged(std::span<uint8_t* const> rows) {
  for (uint8_t* value : rows) {
    if (value == nullptr) continue;
    uint8_t* row = RowOf(value);
    const uint32_t id = pages_.IdOf(row);
    Touch(id, row);
    if (expires()) *WrittenAt(row) = surroundings_.now_ms;
    if (tiered_) RowPages::Clear(pages_.saved(), id);
  }
}

void HotTable::ReadKeys(std::span<uint8_t* const> rows,
                        std::span<runtime::VectorBuilder* const> columns) {
  for (uint8_t* value : rows) {
    const uint8_t* row = RowOf(value);
    const bool is_null = !null_rows_.empty() && IsNullKey(pages_.IdOf(row));
    key_.Append(reinterpret_cast<const char*>(row), is_null, columns);
  }
}

uint16_t HotTable::KeyGroupOf(const uint8_t* row) const {
  const uint32_t id = pages_.IdOf(row);
  if (sliced()) return pages_.key_groups()[id];
  return static_cast<uint16_t>(pages_.OwnerOf(pages_.PageOf(id)) +
                               static_cast<uint32_t>(surroundings_.key_groups.first));
}

int64_t HotTable::SliceOf(const uint8_t* row) const {
  return sliced() ? owners_[pages_.OwnerOf(pages_.PageOf(pages_.IdOf(row)))].slice : 0;
}

int64_t* HotTable::WrittenAt(uint8_t* row) {
  return reinterpret_cast<int64_t*>(row + written_at_offset_);
}

runtime::Result<runtime::Readiness> HotTable::Scan(runtime::ScanCursor* cursor, int64_t slice,
                                                   std::span<uint8_t*> rows, int32_t* count) {
  *count = 0;
  pinned_ = true;
  size_t first = 0;
  size_t end = owners_.size();
  if (sliced()) {
    const auto found = slices_.find(slice);
    if (found == slices_.end()) {
      cursor->done = true;
      return runtime::Readiness::kReady;
    }
    first = found->second;
    end = first + 1;
  }
  if (evicted_ > 0) {
    ASSIGN_OR_RETURN(const runtime::Readiness ready, BringInAll(static_cast<uint32_t>(first)));
    if (ready == runtime::Readiness::kPending) return ready;
  }
  scan_ = nullptr;  // of pieces that turned out not to be needed
  if (cursor->key_group < 0) cursor->key_group = 0;
  size_t owner = first + static_cast<size_t>(cursor->key_group);
  const auto most = static_cast<int32_t>(rows.size());
  for (; owner < end; ++owner, ++cursor->key_group, cursor->position = 0) {
    const auto& pages = owners_[owner].pages;
    const uint32_t page_rows = pages_.page_rows();
    while (static_cast<size_t>(cursor->position) < pages.size() * page_rows) {
      const auto page_index = static_cast<size_t>(cursor->position) / page_rows;
      const auto in_page = static_cast<uint32_t>(cursor->position % page_rows);
      const uint32_t id = pages_.FirstOf(pages[page_index]) + in_page;
      const uint64_t word = pages_.live()[id >> 6] >> (id & 63);
      if (word == 0) {
        cursor->position += 64 - (id & 63);
        continue;
      }
      const auto skip = static_cast<uint32_t>(std::countr_zero(word));
      uint8_t* row = pages_.RowAt(id + skip);
      if (*count == most) return runtime::Readiness::kReady;
      cursor->position += skip + 1;
      if (expires() && IsExpired(row)) continue;
      rows[(*count)++] = row + value_offset_;
    }
  }
  cursor->done = true;
  return runtime::Readiness::kReady;
}

// ---- Slices ----

uint32_t HotTable::OwnerForSlice(int64_t slice, bool make) {
  if (slice == last_slice_ && last_owner_ != 0) return last_owner_;
  const auto found = slices_.find(slice);
  if (found != slices_.end()) {
    last_slice_ = slice;
    last_owner_ = found->second;
    return last_owner_;
  }
  if (!make) return 0;
  uint32_t owner;
  if (free_owners_.empty()) {
    owner = static_cast<uint32_t>(owners_.size());
    owners_.emplace_back();
    directory_.emplace_back();
  } else {
    owner = free_owners_.back();
    free_owners_.pop_back();
  }
  owners_[owner].slice = slice;
  owners_[owner].stored = false;
  owners_[owner].incarnation = ++last_incarnation_;
  if (slice_entries_hint_ > 0) directory_[owner].Reserve(slice_entries_hint_, *surroundings_.slots);
  slices_[slice] = owner;
  last_slice_ = slice;
  last_owner_ = owner;
  return owner;
}

std::vector<int64_t> HotTable::Slices() const {
  std::vector<int64_t> slices;
  for (const auto& [slice, owner] : slices_) {
    if (owners_[owner].live_rows + owners_[owner].evicted > 0) slices.push_back(slice);
  }
  return slices;
}

void HotTable::DropSlice(int64_t slice) {
  const auto found = slices_.find(slice);
  if (found == slices_.end()) return;
  const uint32_t owner = found->second;
  if (owners_[owner].stored) {
    if (tiered_) coming_.NoteLateErase();
    char* to = coming_.Append(BlockKind::kDropSlices, false, UINT16_MAX, 16);
    const auto first = static_cast<uint16_t>(surroundings_.key_groups.first);
    const auto last = static_cast<uint16_t>(surroundings_.key_groups.last);
    std::memset(to, 0, 16);
    std::memcpy(to, &slice, 8);
    std::memcpy(to + 8, &first, 2);
    std::memcpy(to + 10, &last, 2);
  }
  // A slice of few rows says nothing about the next ones.
  slice_entries_hint_ = directory_[owner].mask >= 1023 ? directory_[owner].mask + 1 : 0;
  DropOwner(owner);
  slices_.erase(found);
  if (tiered_) NoteDroppedIncarnation();
}

void HotTable::DropOwner(uint32_t number) {
  Owner& owner = owners_[number];
  directory_[number].Release(*surroundings_.slots);
  num_rows_ -= owner.live_rows;
  if (owner.evicted > 0) NoteBroughtIn(number, owner.evicted);
  owned_pages_ -= static_cast<uint32_t>(owner.pages.size());
  if (!null_rows_.empty() && !sweep_.running) {
    std::erase_if(null_rows_,
                  [&](uint32_t id) { return pages_.OwnerOf(pages_.PageOf(id)) == number; });
  }
  const bool has_strings = !shape_->string_offsets.empty();
  if (sweep_.running || has_strings) {
    for (const uint32_t page : owner.pages) pages_.SetOwner(page, RowPages::kNoOwner);
    remains_.push_back({owner.slice, std::move(owner.pages), 0});
  } else {
    for (const uint32_t page : owner.pages) pages_.GivePage(page);
  }
  owner = Owner();
  free_owners_.push_back(number);
  last_owner_ = 0;
}

// Copies what is frozen of a dropped slice, counts its strings as dead, and gives its pages back.
bool HotTable::SweepRemains(Remains* remains, size_t most_pages) {
  const bool has_strings = !shape_->string_offsets.empty();
  for (; remains->swept_pages < remains->pages.size(); ++remains->swept_pages) {
    if (most_pages-- == 0) return false;
    const uint32_t page = remains->pages[remains->swept_pages];
    int64_t copied = 0;
    if (sweep_.running) CopyPage(page, 0, remains->slice, &copied);
    if (has_strings || !null_rows_.empty()) {
      const uint32_t first = pages_.FirstOf(page);
      for (uint32_t i = 0; i < pages_.page_words(); ++i) {
        for (uint64_t word = pages_.live()[first / 64 + i]; word != 0; word &= word - 1) {
          const uint32_t id = first + i * 64 + static_cast<uint32_t>(std::countr_zero(word));
          if (has_strings) FreeStrings(pages_.RowAt(id), true);
          if (!null_rows_.empty()) null_rows_.erase(id);
        }
      }
    }
    pages_.GivePage(page);
  }
  return true;
}

// ---- Housekeeping ----

void HotTable::KeepHouse() {
  if (pinned_) return;
  if (!remains_.empty() && SweepRemains(&remains_.front(), 16)) remains_.pop_front();
  if (!shape_->string_offsets.empty()) CompactStrings();
  if (expires()) EraseExpired();
}

void HotTable::CompactStrings() {
  if (!arena_.compacting()) {
    if (!arena_.wants_compaction()) return;
    arena_.BeginCompaction();
    house_page_ = 0;
  }
  // About 256 KB of rows and strings a call.
  int32_t moved = 0;
  for (int32_t pages = 0; pages < 16 && moved < 2048; ++pages, ++house_page_) {
    if (house_page_ >= pages_.num_pages()) {
      arena_.EndCompaction();
      return;
    }
    const uint32_t first = pages_.FirstOf(house_page_);
    for (uint32_t i = 0; i < pages_.page_words(); ++i) {
      for (uint64_t word = pages_.live()[first / 64 + i]; word != 0; word &= word - 1) {
        uint8_t* row =
            pages_.RowAt(first + i * 64 + static_cast<uint32_t>(std::countr_zero(word)));
        for (const uint32_t offset : shape_->string_offsets) {
          moved += arena_.MoveIfOld(reinterpret_cast<StringRef*>(row + offset));
        }
      }
    }
  }
}

void HotTable::EraseExpired() {
  if (pages_.num_pages() == 0) return;
  if (expiry_page_ >= pages_.num_pages()) expiry_page_ = 0;
  const uint32_t first = pages_.FirstOf(expiry_page_) + expiry_word_ * 64;
  if (pages_.OwnerOf(expiry_page_) != RowPages::kNoOwner) {
    for (uint64_t word = pages_.live()[first / 64]; word != 0; word &= word - 1) {
      const uint32_t id = first + static_cast<uint32_t>(std::countr_zero(word));
      if (IsExpired(pages_.RowAt(id))) EraseRow(id, true);
    }
  }
  if (++expiry_word_ == pages_.page_words()) {
    expiry_word_ = 0;
    ++expiry_page_;
  }
}

// ---- Checkpoints ----

void HotTable::Freeze(bool full) {
  CHECK_THAT_HOLDS(!sweep_.running && !pinned_);
  // Dropped slices that wait to be swept hold no frozen row, but may hold changed ones.
  while (!remains_.empty()) {
    SweepRemains(&remains_.front(), SIZE_MAX);
    remains_.pop_front();
  }
  pages_.Freeze(full);
  // A full one needs no tombstones, but if it is given up half-way what it copied is a delta.
  copied_ = TakeComing();
  for (Owner& owner : owners_) owner.stored = true;
  sweep_ = {0, 0, true};
}

bool HotTable::CopySome(int64_t deadline_nanos) {
  if (!sweep_.running) return true;
  int64_t copied = 0;
  int64_t pages = 0;
  const auto out_of_time = [&] {
    if (copied < 512 && pages < 32) return false;
    copied = pages = 0;
    return surroundings_.clock->MonotonicNanos() >= deadline_nanos;
  };
  for (; sweep_.owner < owners_.size(); ++sweep_.owner, sweep_.page = 0) {
    const Owner& owner = owners_[sweep_.owner];
    const auto key_group = static_cast<uint16_t>(sweep_.owner +
                                                 static_cast<size_t>(surroundings_.key_groups.first));
    for (; sweep_.page < owner.pages.size(); ++sweep_.page, ++pages) {
      if (out_of_time()) return false;
      CopyPage(owner.pages[sweep_.page], key_group, owner.slice, &copied);
    }
  }
  while (!remains_.empty()) {
    if (out_of_time()) return false;
    if (SweepRemains(&remains_.front(), 1)) remains_.pop_front();
    ++pages;
  }
  sweep_.running = false;
  return true;
}

void HotTable::CopyPage(uint32_t page, uint16_t key_group, int64_t slice, int64_t* copied) {
  const uint32_t first = pages_.FirstOf(page);
  uint64_t* frozen = pages_.frozen() + first / 64;
  for (uint32_t i = 0; i < pages_.page_words(); ++i) {
    uint64_t word = frozen[i];
    if (word == 0) continue;
    frozen[i] = 0;
    pages_.stored()[first / 64 + i] |= word;
    *copied += std::popcount(word);
    for (; word != 0; word &= word - 1) {
      const uint32_t id = first + i * 64 + static_cast<uint32_t>(std::countr_zero(word));
      if (sliced()) {
        CopyRow(id, pages_.key_groups()[id], slice, true, &copied_);
      } else {
        CopyRow(id, key_group, 0, false, &copied_);
      }
    }
  }
}

void HotTable::CopyRow(uint32_t id, uint16_t key_group, int64_t slice, bool mixed,
                       TableDelta* delta) {
  const uint8_t* row = pages_.RowAt(id);
  const uint32_t before = sliced() ? 8 : 0;
  uint32_t bytes = before + row_bytes_;
  for (const uint32_t offset : shape_->string_offsets) {
    const auto& ref = *reinterpret_cast<const StringRef*>(row + offset);
    if (!ref.is_inline()) bytes += ref.size();
  }
  const BlockKind kind = IsNullKey(id) ? BlockKind::kNullRows : BlockKind::kRows;
  char* to = delta->Append(kind, mixed, key_group, bytes);
  if (before > 0) std::memcpy(to, &slice, 8);
  to += before;
  std::memcpy(to, row, row_bytes_);
  RowPages::Set(pages_.stored(), id);
  if (shape_->string_offsets.empty()) return;
  char* text = to + row_bytes_;
  for (const uint32_t offset : shape_->string_offsets) {
    const auto& ref = *reinterpret_cast<const StringRef*>(row + offset);
    if (ref.is_inline()) continue;
    std::memset(to + offset + 8, 0, 8);  // the pointer means nothing in a file
    std::memcpy(text, ref.data(), ref.size());
    text += ref.size();
  }
}

void HotTable::AppendKey(BlockKind kind, uint32_t id, uint16_t key_group, int64_t slice) {
  const uint8_t* row = pages_.RowAt(id);
  const uint32_t before = sliced() ? 8 : 0;
  uint32_t bytes = before + key_.size_bytes();
  for (const uint32_t offset : key_.string_offsets()) {
    const auto& ref = *reinterpret_cast<const StringRef*>(row + offset);
    if (!ref.is_inline()) bytes += ref.size();
  }
  char* to = coming_.Append(kind, true, key_group, bytes);
  if (before > 0) std::memcpy(to, &slice, 8);
  to += before;
  std::memcpy(to, row, key_.size_bytes());
  char* text = to + key_.size_bytes();
  for (const uint32_t offset : key_.string_offsets()) {
    const auto& ref = *reinterpret_cast<const StringRef*>(row + offset);
    if (ref.is_inline()) continue;
    std::memset(to + offset + 8, 0, 8);
    std::memcpy(text, ref.data(), ref.size());
    text += ref.size();
  }
}

TableDelta HotTable::TakeDelta() {
  CHECK_THAT_HOLDS(!sweep_.running);
  return TakeCopied();
}

void HotTable::Thaw() {
  if (!sweep_.running) return;
  // Dropped slices are not brought back: their tombstone comes with the next checkpoint.
  sweep_.running = false;
  while (!remains_.empty()) {
    for (const uint32_t page : remains_.front().pages) {
      std::memset(pages_.frozen() + pages_.FirstOf(page) / 64, 0, pages_.page_words() * 8);
    }
    SweepRemains(&remains_.front(), SIZE_MAX);
    remains_.pop_front();
  }
  pages_.Thaw();
}

// ---- Restoring ----

void HotTable::Load(BlockKind kind, uint16_t key_group, const char* record) {
  int64_t slice = 0;
  if (sliced()) {
    std::memcpy(&slice, record, 8);
    record += 8;
  }
  const bool is_row = kind == BlockKind::kRows || kind == BlockKind::kNullRows;
  const bool is_null = kind == BlockKind::kNullRows || kind == BlockKind::kEraseNull;
  const uint32_t fixed_bytes = is_row ? row_bytes_ : key_.size_bytes();
  std::vector<uint64_t> aligned((fixed_bytes + 7) / 8);
  char* row_image = reinterpret_cast<char*>(aligned.data());
  std::memcpy(row_image, record, fixed_bytes);
  const char* text = record + fixed_bytes;
  for (const uint32_t offset : is_row ? shape_->string_offsets : shape_->key_string_offsets) {
    auto* ref = reinterpret_cast<StringRef*>(row_image + offset);
    if (ref->is_inline()) continue;
    *ref = StringRef(text, ref->size());
    text += ref->size();
  }
  const uint32_t owner = sliced() ? OwnerForSlice(slice, is_row)
                                  : key_group - static_cast<uint32_t>(surroundings_.key_groups.first);
  const uint32_t tag = is_null ? KeyImage::kNullTag : key_.TagOf(row_image);
  uint32_t id = FindRow(owner, tag, row_image);
  if (!is_row) {
    if (id != 0) EraseRow(id, false);
    return;
  }
  if (id == 0) id = InsertRow(owner, key_group, tag, row_image);
  owners_[owner].stored = true;
  uint8_t* row = pages_.RowAt(id);
  FreeStrings(row, false);
  // The links of kOrdered in the file mean nothing here.
  std::memcpy(row + written_at_offset_, row_image + written_at_offset_,
              row_bytes_ - written_at_offset_);
  for (const uint32_t offset : value_string_offsets_) {
    auto* slot = reinterpret_cast<StringRef*>(row + offset);
    *slot = arena_.Copy(*slot);
  }
  RowPages::Set(pages_.stored(), id);
}

void HotTable::LoadDrop(int64_t slice, runtime::KeyGroupRange key_groups) {
  const auto found = slices_.find(slice);
  if (found == slices_.end()) return;
  const uint32_t owner = found->second;
  std::vector<uint32_t> dropped;
  for (const uint32_t page : owners_[owner].pages) {
    const uint32_t first = pages_.FirstOf(page);
    for (uint32_t id = first; id < first + pages_.page_rows(); ++id) {
      if (RowPages::Test(pages_.live(), id) && key_groups.Contains(pages_.key_groups()[id])) {
        dropped.push_back(id);
      }
    }
  }
  if (dropped.size() == owners_[owner].live_rows && owners_[owner].evicted == 0) {
    DropOwner(owner);
    slices_.erase(found);
    return;
  }
  for (const uint32_t id : dropped) EraseRow(id, false);
}

void HotTable::MarkLoaded() {
  for (Owner& owner : owners_) {
    if (!owner.pages.empty()) owner.stored = true;
    for (const uint32_t page : owner.pages) {
      const size_t word = pages_.FirstOf(page) / 64;
      for (uint32_t i = 0; i < pages_.page_words(); ++i) {
        pages_.stored()[word + i] |= pages_.changed()[word + i];
        pages_.changed()[word + i] = 0;
      }
    }
  }
}

void HotTable::EraseAllExpired() {
  if (!expires()) return;
  expiry_page_ = expiry_word_ = 0;
  const uint64_t words = static_cast<uint64_t>(pages_.num_pages()) * pages_.page_words();
  for (uint64_t i = 0; i < words; ++i) EraseExpired();
}

}  // namespace millrace::state
