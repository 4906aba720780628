#pragma once

#include <deque>
#include <map>
#include <memory>
#include <unordered_set>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/state.h"
#include "runtime/types/key_identity.h"
#include "state/cold_tier.h"
#include "state/delta.h"
#include "state/evicted_filter.h"
#include "state/key_image.h"
#include "state/row_index.h"
#include "state/row_order.h"
#include "state/row_pages.h"
#include "state/string_arena.h"

namespace millrace::state {

// What the tables of one subtask share. Outlives them.
struct TableSurroundings {
  runtime::KeyGroupRange key_groups;
  int max_parallelism = runtime::kDefaultMaxParallelism;
  runtime::MemoryPool* pool = nullptr;
  SlotPool* slots = nullptr;
  const runtime::Clock* clock = nullptr;
  ColdTier* cold = nullptr;  // null: nothing is evicted
  bool sparing = false;      // memory is kept to a budget
  int64_t now_ms = 0;  // SetTime
};

// Holds kKeyed, kSliced and kOrdered state: what is hot in memory, the rest in the cold tier (kOrdered never).
// In memory: rows in pages that never move, found by one RowIndex a
// key group (kKeyed) or a slice over all key groups (kSliced; measured equal to one a key group and
// slice, and small windows stay small). A row is {key image, links of kOrdered, time of the last write
// if it expires, value slots}. What is in memory counts; the cold tier is asked for the rest, if rows of
// the key group or slice were evicted. One thread, the owner's.
class HotTable final : public runtime::KeyedTable, public runtime::OrderedTable {
 public:
  HotTable(std::shared_ptr<const StateIdentity> identity, TableSurroundings& surroundings);
  ~HotTable() override;

  // ---- KeyedTable ----
  const runtime::StateSpec& spec() const override { return identity_->spec; }
  const runtime::RowLayout& layout() const override { return layout_; }
  runtime::StateArena& arena() override { return arena_; }
  runtime::Result<runtime::Readiness> Resolve(const runtime::KeyNames& names,
                                              runtime::Access access, uint8_t** rows) override;
  void Erase(std::span<uint8_t* const> rows) override;
  void MarkChanged(std::span<uint8_t* const> rows) override;
  void ReadKeys(std::span<uint8_t* const> rows,
                std::span<runtime::VectorBuilder* const> columns) override;
  runtime::Result<runtime::Readiness> Scan(runtime::ScanCursor* cursor, int64_t slice,
                                           std::span<uint8_t*> rows, int32_t* count) override;
  std::vector<int64_t> Slices() const override;
  void DropSlice(int64_t slice) override;
  void ReleasePins() override { pinned_ = false; }
  int64_t num_rows() const override { return num_rows_ + evicted_; }
  runtime::OrderedTable* ordered() override { return order_ == nullptr ? nullptr : this; }

  // ---- OrderedTable ----
  runtime::Result<runtime::Readiness> ResolveEnds(const runtime::KeyNames& names, End end,
                                                  uint8_t** rows) override;
  uint8_t* Neighbour(uint8_t* row, End towards) override;

  // ---- For the subtask's state ----
  const std::shared_ptr<const StateIdentity>& identity() const { return identity_; }
  const std::shared_ptr<const RecordShape>& record_shape() const { return shape_; }
  // Frees dropped slices, compacts strings, erases expired rows: a bounded piece of each. Nothing if
  // rows are pinned.
  void KeepHouse();
  void Freeze(bool full);
  // Copies frozen rows until the clock reads `deadline_nanos`. True: all copied.
  bool CopySome(int64_t deadline_nanos);
  // What was copied since Freeze.
  TableDelta TakeDelta();
  // What is not copied yet counts as changed again.
  void Thaw();
  int64_t used_bytes() const { return pages_.used_bytes() + arena_.used_bytes(); }

  // ---- Eviction (hot_table_cold.cpp) ----
  bool can_evict() const {
    return surroundings_.cold != nullptr && order_ == nullptr && !pinned_ && num_rows_ > 0;
  }
  // Rows, strings with what their compaction needs, the filter; not the index.
  int64_t hot_bytes() const;
  // Rows that fit without a new page.
  int64_t free_rows() const {
    return static_cast<int64_t>(owned_pages_) * pages_.page_rows() - num_rows_;
  }
  int64_t hot_rows() const { return num_rows_; }
  int64_t evicted_rows() const { return evicted_; }
  // Evicts up to `most` rows that were not used lately. Returns how many. REQUIRES: can_evict().
  int32_t EvictSome(int32_t most);
  // Evicts the rows of a page of the owner with the most room and gives its memory back. Returns the
  // number of rows, -1: there is no page. REQUIRES: can_evict().
  int32_t EvictPage();
  int64_t filter_bytes() const { return filter_.used_bytes(); }
  void DropFilter();
  // Copies of evicted rows and tombstones since the last Freeze.
  uint64_t coming_bytes() const { return coming_.size_bytes(); }
  TableDelta TakeComing();
  uint64_t copied_bytes() const { return copied_.size_bytes(); }
  TableDelta TakeCopied();

  // ---- For restoring ----
  // Applies one record of a state file; what it says counts as stored, not as changed.
  void Load(BlockKind kind, uint16_t key_group, const char* record);
  void LoadDrop(int64_t slice, runtime::KeyGroupRange key_groups);
  // While rows are loaded no key is looked for in the cold tier: none comes twice.
  void SetLoading(bool loading) { loading_ = loading; }
  // What was changed counts as stored: it was loaded.
  void MarkLoaded();
  // Forgets rows that have expired.
  void EraseAllExpired();
  // The key group, the slice and the time of the last write (0 if rows never expire) of a row.
  uint16_t KeyGroupOf(const uint8_t* row) const;
  int64_t SliceOf(const uint8_t* row) const;
  int64_t* WrittenAt(uint8_t* row);

 private:
  static constexpr int32_t kStepRows = 1024;  // named keys resolved at a time
  static constexpr int32_t kBlock = 32;       // rows by which the stages run ahead

  // What owns pages: a key group, or a slice.
  struct Owner {
    std::vector<uint32_t> pages;
    uint32_t next_id = 0;  // of the last page; up to end_id
    uint32_t end_id = 0;
    uint32_t free_head = 0;  // ids of erased rows, chained through their first bytes
    uint32_t live_rows = 0;
    int64_t slice = 0;
    bool stored = false;  // a checkpoint may hold some of its rows
    uint32_t incarnation = 0;  // kSliced: begins the keys of its evicted rows
    int64_t evicted = 0;  // rows that only the cold tier holds
  };
  // A dropped slice whose rows must still be copied, or their strings counted as dead.
  struct Remains {
    int64_t slice;
    std::vector<uint32_t> pages;
    size_t swept_pages = 0;
  };
  // Scratch of one Resolve step.
  struct Step {
    std::vector<char> images;
    uint32_t tags[kStepRows];
    uint32_t owners[kStepRows];
    uint32_t candidates[kStepRows];
    uint16_t key_groups[kStepRows];
    int32_t rows[kStepRows];
  };
  // How far the copying of frozen rows has come.
  struct Sweep {
    size_t owner = 0;
    size_t page = 0;
    bool running = false;
  };

  bool sliced() const { return identity_->spec.kind == runtime::StateKind::kSliced; }
  bool expires() const { return identity_->spec.ttl_ms > 0; }
  uint8_t* RowOf(uint8_t* value) const { return value - value_offset_; }

  void NameOwners(const runtime::KeyNames& names, const int32_t* rows, int32_t begin,
                  int32_t count, runtime::Access access);
  void NameKeyGroups(const runtime::KeyNames& names, const int32_t* rows, int32_t count);
  void ResolveStep(int32_t count, runtime::Access access, uint8_t** rows);
  // `may_miss`: a row may have to be read first, so that kUpsert has none for it.
  template <KeyImage::Shape shape, runtime::Access access, bool may_miss>
  void ResolveShaped(int32_t count, uint8_t** rows);
  // The row of named key i, which its first candidate by tag is not; kUpsert: made if absent.
  uint32_t ResolveSlowly(int32_t i, bool upsert);
  runtime::Result<runtime::Readiness> ResolveHot(const runtime::KeyNames& names,
                                                 runtime::Access access, uint8_t** rows);
  runtime::Result<runtime::Readiness> ResolveTiered(const runtime::KeyNames& names,
                                                    runtime::Access access, uint8_t** rows);
  // The row of a key that is not hot: brought in, made, 0 if absent or if it must be read first.
  uint32_t ResolveCold(int32_t i, bool upsert);
  uint32_t BringIn(uint32_t owner, uint16_t key_group, uint32_t tag, const char* image,
                   std::string_view value);
  void NoteUse(int32_t count, runtime::Access access);
  uint32_t FindRow(uint32_t owner, uint32_t tag, const char* image) const;
  uint32_t InsertRow(uint32_t owner, uint16_t key_group, uint32_t tag, const char* image);
  uint32_t AllocateRow(uint32_t owner);
  void EraseRow(uint32_t id, bool tombstone);
  void FreeStrings(uint8_t* row, bool key_too);
  bool IsExpired(const uint8_t* row) const;
  void Renew(uint8_t* row);
  void Touch(uint32_t id, uint8_t* row);

  bool IsNullKey(uint32_t id) const { return !null_rows_.empty() && null_rows_.contains(id); }
  uint32_t OwnerForSlice(int64_t slice, bool make);
  void DropOwner(uint32_t owner);
  bool SweepRemains(Remains* remains, size_t most_pages);
  // Before a row changes or leaves: what the checkpoint being taken needs of it.
  void CopyIfFrozen(uint32_t id, const uint8_t* row) {
    if (sweep_.running && RowPages::Test(pages_.frozen(), id)) CopyFrozen(id, row);
  }
  void CopyFrozen(uint32_t id, const uint8_t* row);
  void CopyRow(uint32_t id, uint16_t key_group, int64_t slice, bool mixed, TableDelta* delta);
  void CopyPage(uint32_t page, uint16_t key_group, int64_t slice, int64_t* copied);
  void AppendKey(BlockKind kind, uint32_t id, uint16_t key_group, int64_t slice);
  void CompactStrings();
  void EraseExpired();
  void BeginEvicting();
  void EvictRow(uint32_t id);
  void ForgetRow(uint32_t owner, uint32_t id, bool is_null);
  std::string_view ColdKeyOf(uint32_t owner, uint16_t key_group, bool is_null, const char* image);
  std::string_view ColdPrefixOf(uint32_t owner);
  std::string_view ColdValueOf(const uint8_t* row);
  void NoteBroughtIn(uint32_t owner, int64_t rows);
  // Brings in all evicted rows of the table, or of one owner of kSliced.
  runtime::Result<runtime::Readiness> BringInAll(uint32_t owner);
  bool BringInScanned(const std::string& key, const std::string& value, uint32_t owner);
  void NoteDroppedIncarnation();

  std::shared_ptr<const StateIdentity> identity_;
  std::shared_ptr<const RecordShape> shape_;
  TableSurroundings& surroundings_;
  runtime::RowLayout layout_;
  KeyImage key_;
  runtime::KeyEncoder group_encoder_;  // over the columns that decide the key group
  uint32_t written_at_offset_;
  uint32_t value_offset_;
  uint32_t row_bytes_;
  std::vector<uint32_t> value_string_offsets_;  // in the row

  RowPages pages_;
  StringArena arena_;
  std::unique_ptr<RowOrder> order_;  // kOrdered
  std::vector<RowIndex> directory_;  // by owner
  std::vector<Owner> owners_;
  std::map<int64_t, uint32_t> slices_;       // kSliced; owner 0 is no slice and always empty
  std::vector<uint32_t> free_owners_;
  int64_t last_slice_ = 0;
  uint32_t last_owner_ = 0;
  uint32_t slice_entries_hint_ = 0;          // index size of the slice dropped last
  std::unordered_set<uint32_t> null_rows_;   // ids of rows of the NULL key
  std::deque<Remains> remains_;
  int64_t num_rows_ = 0;
  bool pinned_ = false;  // pointers to rows are out

  TableDelta coming_;  // tombstones for the next checkpoint
  TableDelta copied_;  // of the checkpoint being copied
  Sweep sweep_;
  uint32_t house_page_ = 0;    // of string compaction
  uint32_t expiry_page_ = 0;
  uint32_t expiry_word_ = 0;

  // Eviction.
  bool tiered_ = false;   // some row was evicted: the bits of the cold tier are kept
  bool loading_ = false;
  uint16_t cold_table_ = 0;
  uint32_t last_incarnation_ = 0;
  int64_t evicted_ = 0;
  uint32_t owned_pages_ = 0;
  uint32_t clock_page_ = 0;
  uint32_t clock_word_ = 0;
  EvictedFilter filter_;
  bool filter_whole_ = true;  // holds every evicted key
  RunBuffer wanted_;          // by the Resolve under way
  std::shared_ptr<ColdRead> read_;
  std::shared_ptr<ColdScan> scan_;
  std::string cold_key_;
  std::string cold_value_;

  std::unique_ptr<Step> step_;
  const runtime::KeyNames* step_names_ = nullptr;  // of the step being resolved
  const int32_t* step_rows_ = nullptr;
  int32_t step_count_ = 0;
  bool groups_named_ = false;
};

}  // namespace millrace::state
