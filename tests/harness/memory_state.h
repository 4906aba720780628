#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "runtime/api/state.h"

namespace millrace::tests {

// What a MemoryTable holds, free of any pointer: a snapshot.
struct MemoryRow {
  std::vector<uint8_t> slots;                          // long strings as empty
  std::vector<std::pair<uint32_t, std::string>> text;  // offset of a string slot, its bytes
  int64_t written_ms = 0;
};
// By slice and the key's BinaryRowData bytes.
using MemoryRows = std::map<std::pair<int64_t, std::string>, MemoryRow>;

// Models the contract of KeyedTable on a std::map and checks what operators promise: rows are not
// touched behind ReleasePins (every row and string moves there, the old bytes are overwritten and
// freed), nor written after kRead or without MarkChanged, nor erased twice. Every second Resolve
// outside NameKeys can be made to answer kPending first, see set_pending.
class MemoryTable : public runtime::KeyedTable {
 public:
  explicit MemoryTable(runtime::StateSpec spec);
  ~MemoryTable() override;

  const runtime::StateSpec& spec() const override { return spec_; }
  const runtime::RowLayout& layout() const override { return layout_; }
  runtime::StateArena& arena() override;
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
  void ReleasePins() override;
  int64_t num_rows() const override { return static_cast<int64_t>(rows_.size()); }

  void SetTime(int64_t now_ms) { now_ms_ = now_ms; }
  // Resolve and Scan answer kPending once before each success while this is set.
  void set_pending(bool pending) { pending_ = pending; }
  bool has_pins() const { return !pinned_.empty(); }
  MemoryRows Snapshot() const;
  void Restore(const MemoryRows& rows);

 private:
  class Arena;
  struct Row {
    std::unique_ptr<uint8_t[]> slots;
    int64_t written_ms = 0;
  };
  using Key = std::pair<int64_t, std::string>;
  struct Pin {
    Key key;
    bool writable = false;
    MemoryRow before;
  };

  Row MakeRow() const;
  MemoryRow Copy(const Row& row) const;
  void Load(const MemoryRow& from, Row* row);
  void PinRow(const Key& key, Row& row, bool writable);
  bool AnswerPending();

  runtime::StateSpec spec_;
  runtime::RowLayout layout_;
  runtime::KeyEncoder encoder_;
  std::unique_ptr<Arena> arena_;
  std::map<Key, Row> rows_;
  std::map<const uint8_t*, Pin> pinned_;
  std::set<const uint8_t*> erased_;
  std::vector<Row> graveyard_;  // erased since the last ReleasePins: overwritten, not yet freed
  int64_t now_ms_ = 0;
  bool pending_ = false;
  bool answered_pending_ = false;
};

}  // namespace millrace::tests
