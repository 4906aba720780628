// Rows of a table that leave memory and come back.

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/types/check.h"
#include "state/hot_table.h"

namespace millrace::state {

using runtime::Access;
using runtime::Readiness;
using runtime::StringRef;

namespace {

constexpr uint16_t kNullBit = 0x8000;  // key groups are below it
constexpr size_t kMostFreePages = 16;
constexpr int64_t kMostWordsACall = 16 * 1024;

template <typename T>
void PutBigEndian(std::string* to, T value) {
  for (int shift = (static_cast<int>(sizeof(T)) - 1) * 8; shift >= 0; shift -= 8) {
    to->push_back(static_cast<char>(value >> shift));
  }
}

// Appends fixed bytes with strings, as a state file has them: pointers 0, long strings behind.
void PutWithStrings(std::string* to, const char* bytes, uint32_t size,
                    const std::vector<uint32_t>& offsets, uint32_t before) {
  const size_t begin = to->size();
  to->append(bytes, size);
  for (const uint32_t offset : offsets) {
    const auto& ref = *reinterpret_cast<const StringRef*>(bytes + (offset - before));
    if (ref.is_inline()) continue;
    std::memset(to->data() + begin + (offset - before) + 8, 0, 8);
    to->append(ref.data(), ref.size());
  }
}

}  // namespace

// ---- The form of cold rows: README.md ----

std::string_view HotTable::ColdPrefixOf(uint32_t owner) {
  cold_key_.clear();
  PutBigEndian(&cold_key_, cold_table_);
  if (sliced()) PutBigEndian(&cold_key_, owners_[owner].incarnation);
  return cold_key_;
}

std::string_view HotTable::ColdKeyOf(uint32_t owner, uint16_t key_group, bool is_null,
                                     const char* image) {
  ColdPrefixOf(owner);
  PutBigEndian(&cold_key_, static_cast<uint16_t>(is_null ? key_group | kNullBit : key_group));
  PutWithStrings(&cold_key_, image, key_.size_bytes(), key_.string_offsets(), 0);
  return cold_key_;
}

std::string_view HotTable::ColdValueOf(const uint8_t* row) {
  cold_value_.clear();
  PutWithStrings(&cold_value_, reinterpret_cast<const char*>(row) + written_at_offset_,
                 row_bytes_ - written_at_offset_, value_string_offsets_, written_at_offset_);
  return cold_value_;
}

// ---- Leaving ----

int64_t HotTable::hot_bytes() const {
  return pages_.owned_bytes() + arena_.live_bytes() / 2 * 3 + filter_.used_bytes();
}

TableDelta HotTable::TakeComing() {
  TableDelta taken = std::move(coming_);
  coming_ = TableDelta(*surroundings_.pool);
  return taken;
}

TableDelta HotTable::TakeCopied() {
  TableDelta taken = std::move(copied_);
  copied_ = TableDelta(*surroundings_.pool);
  return taken;
}

void HotTable::BeginEvicting() {
  if (tiered_) return;
  pages_.KeepColdBits();
  tiered_ = true;
}

void HotTable::EvictRow(uint32_t id) {
  uint8_t* row = pages_.RowAt(id);
  const auto* image = reinterpret_cast<const char*>(row);
  const uint32_t owner_number = pages_.OwnerOf(pages_.PageOf(id));
  Owner& owner = owners_[owner_number];
  const bool is_null = IsNullKey(id);
  const uint16_t key_group = KeyGroupOf(row);
  CopyIfFrozen(id, row);
  // What no checkpoint holds goes with the next one: it is not looked for in the cold tier.
  if (RowPages::Test(pages_.changed(), id)) {
    CopyRow(id, key_group, owner.slice, true, &coming_);
    owner.stored = true;
  }
  const uint64_t hash = key_.HashOf(image);
  if (!RowPages::Test(pages_.saved(), id)) {
    surroundings_.cold->Put(hash, ColdKeyOf(owner_number, key_group, is_null, image),
                            ColdValueOf(row));
  }
  if (filter_whole_ && !filter_.MayContain(hash)) filter_.Add(hash);
  ForgetRow(owner_number, id, is_null);
  ++owner.evicted;
  ++evicted_;
}

int32_t HotTable::EvictSome(int32_t most) {
  CHECK_THAT_HOLDS(can_evict());
  BeginEvicting();
  const int64_t all_words = static_cast<int64_t>(pages_.num_pages()) * pages_.page_words();
  int64_t words = std::min(all_words * 2, kMostWordsACall);
  int32_t evicted = 0;
  for (; words > 0 && evicted < most && surroundings_.cold->can_put(); --words) {
    if (clock_page_ >= pages_.num_pages()) clock_page_ = clock_word_ = 0;
    if (pages_.OwnerOf(clock_page_) != RowPages::kNoOwner) {
      const uint32_t first = pages_.FirstOf(clock_page_) + clock_word_ * 64;
      uint64_t victims = pages_.live()[first / 64] & ~pages_.used()[first / 64];
      pages_.used()[first / 64] = 0;
      for (; victims != 0; victims &= victims - 1, ++evicted) {
        EvictRow(first + static_cast<uint32_t>(std::countr_zero(victims)));
      }
    }
    if (++clock_word_ == pages_.page_words()) {
      clock_word_ = 0;
      ++clock_page_;
    }
  }
  return evicted;
}

int32_t HotTable::EvictPage() {
  CHECK_THAT_HOLDS(can_evict());
  BeginEvicting();
  int64_t most_room = -1;
  size_t number = 0;
  for (size_t o = 0; o < owners_.size(); ++o) {
    if (owners_[o].pages.empty()) continue;
    const int64_t room =
        static_cast<int64_t>(owners_[o].pages.size()) * pages_.page_rows() - owners_[o].live_rows;
    if (room > most_room) {
      most_room = room;
      number = o;
    }
  }
  if (most_room < 0) return -1;
  Owner& owner = owners_[number];
  size_t index = 0;
  int fewest = INT32_MAX;
  for (size_t p = 0; p < owner.pages.size(); ++p) {
    const uint64_t* live = pages_.live() + pages_.FirstOf(owner.pages[p]) / 64;
    int rows = 0;
    for (uint32_t i = 0; i < pages_.page_words(); ++i) rows += std::popcount(live[i]);
    if (rows < fewest) {
      fewest = rows;
      index = p;
    }
  }
  const uint32_t page = owner.pages[index];
  const uint32_t first = pages_.FirstOf(page);
  for (uint32_t i = 0; i < pages_.page_words(); ++i) {
    for (uint64_t live = pages_.live()[first / 64 + i]; live != 0; live &= live - 1) {
      EvictRow(first + i * 64 + static_cast<uint32_t>(std::countr_zero(live)));
    }
  }
  // The chain of free rows goes around it.
  uint32_t head = 0;
  uint32_t last = 0;
  for (uint32_t id = owner.free_head; id != 0;) {
    uint32_t next;
    std::memcpy(&next, pages_.RowAt(id), 4);
    if (pages_.PageOf(id) != page) {
      if (last == 0)
        head = id;
      else
        std::memcpy(pages_.RowAt(last), &id, 4);
      last = id;
    }
    id = next;
  }
  if (last != 0) std::memset(pages_.RowAt(last), 0, 4);
  owner.free_head = head;
  if (owner.end_id == first + pages_.page_rows()) owner.next_id = owner.end_id = 0;
  owner.pages.erase(owner.pages.begin() + static_cast<std::ptrdiff_t>(index));
  if (sweep_.running && sweep_.owner == number && index < sweep_.page) --sweep_.page;
  --owned_pages_;
  pages_.GivePage(page);
  // Some wait for the next owner: giving memory back stops every thread for a moment.
  if (surroundings_.sparing && pages_.num_free() > kMostFreePages) pages_.ReleasePage(page);
  return fewest;
}

void HotTable::DropFilter() {
  filter_.Clear();
  filter_whole_ = false;
}

void HotTable::NoteDroppedIncarnation() {
  uint32_t lowest = last_incarnation_ + 1;
  for (const auto& [slice, owner] : slices_) {
    lowest = std::min(lowest, owners_[owner].incarnation);
  }
  surroundings_.cold->SetLowestIncarnation(cold_table_, lowest);
}

// ---- Coming back ----

runtime::Result<Readiness> HotTable::ResolveTiered(const runtime::KeyNames& names, Access access,
                                                   uint8_t** rows) {
  ColdTier& cold = *surroundings_.cold;
  RETURN_IF_ERROR(cold.Poll());
  if (read_ != nullptr) {
    if (!read_->done.load(std::memory_order_acquire)) return Readiness::kPending;
    RETURN_IF_ERROR(read_->status);
  } else if (cold.is_behind() && !loading_) {
    return Readiness::kPending;
  }
  while (true) {
    wanted_.Clear();
    ASSIGN_OR_RETURN(const Readiness hot, ResolveHot(names, access, rows));
    if (wanted_.empty()) {
      if (read_ != nullptr) wanted_ = std::move(read_->wanted);  // its memory is used again
      read_ = nullptr;
      return hot;
    }
    // What was found in a run buffer may have to be read by now: nothing that was found is
    // forgotten, or two sets of keys could take turns for ever.
    RunBuffer found;
    if (read_ != nullptr) found = std::move(read_->found);
    read_ = cold.Read(std::move(wanted_), std::move(found));
    if (!read_->done.load(std::memory_order_acquire)) return Readiness::kPending;
    RETURN_IF_ERROR(read_->status);
  }
}

uint32_t HotTable::ResolveCold(int32_t i, bool upsert) {
  const char* image = step_->images.data() + static_cast<size_t>(i) * key_.size_bytes();
  const uint32_t owner = step_->owners[i];
  const uint32_t tag = step_->tags[i];
  if (!groups_named_) NameKeyGroups(*step_names_, step_rows_, step_count_);
  const uint16_t key_group = step_->key_groups[i];
  const uint64_t hash = key_.HashOf(image);
  if (!filter_whole_ || filter_.MayContain(hash)) {
    const std::string_view key = ColdKeyOf(owner, key_group, tag == KeyImage::kNullTag, image);
    std::string_view value;
    auto found = ColdTier::Found::kUnknown;
    if (read_ != nullptr) {
      const auto read = read_->found.Find(hash, key, &value);
      if (read == RunBuffer::Found::kRow) found = ColdTier::Found::kRow;
      if (read == RunBuffer::Found::kTombstone) found = ColdTier::Found::kAbsent;
    }
    if (found == ColdTier::Found::kUnknown) found = surroundings_.cold->Search(hash, key, &value);
    if (found == ColdTier::Found::kUnknown) {
      wanted_.Put(hash, key, {reinterpret_cast<const char*>(&hash), sizeof(hash)});
      return 0;
    }
    if (found == ColdTier::Found::kRow) {
      const uint32_t id = BringIn(owner, key_group, tag, image, value);
      if (upsert) RowPages::Clear(pages_.saved(), id);
      return id;
    }
  }
  return upsert ? InsertRow(owner, key_group, tag, image) : 0;
}

uint32_t HotTable::BringIn(uint32_t owner, uint16_t key_group, uint32_t tag, const char* image,
                           std::string_view value) {
  const uint32_t id = InsertRow(owner, key_group, tag, image);
  uint8_t* row = pages_.RowAt(id);
  const uint32_t fixed_bytes = row_bytes_ - written_at_offset_;
  CHECK_THAT_HOLDS(value.size() >= fixed_bytes);
  std::memcpy(row + written_at_offset_, value.data(), fixed_bytes);
  const char* text = value.data() + fixed_bytes;
  for (const uint32_t offset : value_string_offsets_) {
    auto* slot = reinterpret_cast<StringRef*>(row + offset);
    if (slot->is_inline()) continue;
    const uint32_t size = slot->size();
    *slot = arena_.Copy(StringRef(text, size));
    text += size;
  }
  // It was copied for a checkpoint when it left, if none held it before.
  RowPages::Set(pages_.stored(), id);
  RowPages::Set(pages_.cold(), id);
  RowPages::Set(pages_.saved(), id);
  NoteBroughtIn(owner, 1);
  return id;
}

void HotTable::NoteBroughtIn(uint32_t owner, int64_t rows) {
  owners_[owner].evicted -= rows;
  evicted_ -= rows;
  if (evicted_ == 0) {
    filter_.Clear();
    filter_whole_ = true;
  }
}

// After a step: the clock of eviction, and rows that no longer equal what the cold tier holds. Rows
// that took the slow way were told there.
void HotTable::NoteUse(int32_t count, Access access) {
  const uint32_t* ids = step_->candidates;
  uint64_t* const used = pages_.used();
  // The second pass over the same names is no second use.
  if (read_ == nullptr) {
    for (int32_t i = 0; i < count; ++i) used[ids[i] >> 6] |= 1ull << (ids[i] & 63);
  }
  if (access != Access::kUpsert) return;
  uint64_t* const saved = pages_.saved();
  for (int32_t i = 0; i < count; ++i) saved[ids[i] >> 6] &= ~(1ull << (ids[i] & 63));
}

runtime::Result<Readiness> HotTable::BringInAll(uint32_t owner) {
  ColdTier& cold = *surroundings_.cold;
  if (sliced() && owners_[owner].evicted == 0) return Readiness::kReady;
  while (true) {
    RETURN_IF_ERROR(cold.Poll());
    if (scan_ == nullptr) {
      if (!cold.IngestAll()) {
        RETURN_IF_ERROR(cold.Poll());
        return Readiness::kPending;
      }
      const std::string prefix(ColdPrefixOf(owner));
      scan_ = cold.Scan(prefix, prefix);
    }
    if (!scan_->done.load(std::memory_order_acquire)) return Readiness::kPending;
    const std::shared_ptr<ColdScan> scan = std::move(scan_);
    scan_ = nullptr;
    RETURN_IF_ERROR(scan->status);
    for (const auto& [key, value] : scan->rows) {
      if (!BringInScanned(key, value, owner)) {
        return runtime::Status::External("cold state is damaged: a key can't be read");
      }
    }
    const int64_t missing = sliced() ? owners_[owner].evicted : evicted_;
    if (missing > 0 && !scan->next.empty()) {
      scan_ = cold.Scan(scan->prefix, scan->next);
      continue;
    }
    // What the cold tier dropped meanwhile had expired.
    if (sliced()) {
      NoteBroughtIn(owner, owners_[owner].evicted);
    } else {
      for (uint32_t o = 0; o < owners_.size(); ++o) NoteBroughtIn(o, owners_[o].evicted);
    }
    return Readiness::kReady;
  }
}

bool HotTable::BringInScanned(const std::string& key, const std::string& value, uint32_t owner) {
  size_t at = sliced() ? 6 : 2;
  if (key.size() < at + 2 + key_.size_bytes()) return false;
  uint16_t key_group;
  std::memcpy(&key_group, key.data() + at, 2);
  key_group = __builtin_bswap16(key_group);
  const bool is_null = (key_group & kNullBit) != 0;
  key_group &= static_cast<uint16_t>(~kNullBit);
  at += 2;
  std::vector<uint64_t> aligned(key_.size_bytes() / 8);
  auto* image = reinterpret_cast<char*>(aligned.data());
  std::memcpy(image, key.data() + at, key_.size_bytes());
  const char* text = key.data() + at + key_.size_bytes();
  for (const uint32_t offset : key_.string_offsets()) {
    auto* ref = reinterpret_cast<StringRef*>(image + offset);
    if (ref->is_inline()) continue;
    *ref = StringRef(text, ref->size());
    text += ref->size();
  }
  if (!sliced()) owner = key_group - static_cast<uint32_t>(surroundings_.key_groups.first);
  if (owner >= owners_.size()) return false;
  const uint32_t tag = is_null ? KeyImage::kNullTag : key_.TagOf(image);
  // What is in memory is newer.
  if (FindRow(owner, tag, image) == 0) BringIn(owner, key_group, tag, image, value);
  return true;
}

}  // namespace millrace::state
