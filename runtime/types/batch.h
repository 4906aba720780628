#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/types/vector.h"

namespace millrace::runtime {

class Batch;
using BatchPtr = std::shared_ptr<const Batch>;

inline constexpr int32_t kDefaultBatchRows = 1024;

// Holds rows of an ordered changelog, column by column. Immutable and shared by many readers.
//
// Physical rows are positions in the columns, 0 .. physical_rows() - 1. The rows of the batch are
// 0 .. num_rows() - 1 and lie at PhysicalRow(i): all of them in order, or those of a selection
// (strictly ascending positions). Row kinds and key groups go by physical row.
class Batch {
 public:
  Batch(std::vector<VectorPtr> columns, int32_t physical_rows)
      : columns_(std::move(columns)), physical_rows_(physical_rows), num_rows_(physical_rows) {}

  int32_t num_rows() const { return num_rows_; }
  int32_t physical_rows() const { return physical_rows_; }
  int num_columns() const { return static_cast<int>(columns_.size()); }
  const Vector& column(int index) const { return *columns_[index]; }
  const VectorPtr& shared_column(int index) const { return columns_[index]; }
  const std::vector<VectorPtr>& columns() const { return columns_; }

  // Null: every physical row.
  const int32_t* selection() const { return selection_; }
  int32_t PhysicalRow(int32_t row) const { return selection_ == nullptr ? row : selection_[row]; }

  // Null: every row is +I.
  const RowKind* row_kinds() const { return row_kinds_; }
  RowKind KindAt(int32_t physical_row) const {
    return row_kinds_ == nullptr ? RowKind::kInsert : row_kinds_[physical_row];
  }
  // Key group of each physical row under the key of the last hash exchange; null: not known.
  const uint16_t* key_groups() const { return key_groups_; }

  // ---- Making one: set, then share as BatchPtr. ----
  // `rows` holds `count` ascending int32_t positions.
  void SetSelection(BufferPtr rows, int32_t count);
  void SetRowKinds(BufferPtr kinds);
  void SetKeyGroups(BufferPtr groups);
  const BufferPtr& selection_buffer() const { return selection_buffer_; }
  const BufferPtr& row_kinds_buffer() const { return row_kinds_buffer_; }
  const BufferPtr& key_groups_buffer() const { return key_groups_buffer_; }

  // Bytes of its own rows: fixed widths and strings. Channels are bounded by it (what it retains
  // also counts for other batches over the same heaps, so would depend on the fan-out).
  size_t live_bytes() const;
  // Bytes that the batch keeps alive, shared heaps counted whole.
  size_t retained_bytes() const;

 private:
  std::vector<VectorPtr> columns_;
  int32_t physical_rows_;
  int32_t num_rows_;
  const int32_t* selection_ = nullptr;
  const RowKind* row_kinds_ = nullptr;
  const uint16_t* key_groups_ = nullptr;
  BufferPtr selection_buffer_;
  BufferPtr row_kinds_buffer_;
  BufferPtr key_groups_buffer_;
};

// Returns the same rows with other columns (a projection); selection, kinds and key groups stay
// (key groups only if `keep_key_groups`).
BatchPtr WithColumns(const Batch& batch, std::vector<VectorPtr> columns, bool keep_key_groups);
// Returns rows [begin, begin + count) of the batch, sharing its columns by a selection.
BatchPtr SliceRows(MemoryPool& pool, const BatchPtr& batch, int32_t begin, int32_t count);
// Returns an equal batch without selection and with flat or constant columns.
BatchPtr Compact(MemoryPool& pool, const RowType& type, const BatchPtr& batch);

// Collects rows into batches. Not thread-safe.
class BatchBuilder {
 public:
  BatchBuilder(MemoryPool& pool, RowType type, int32_t capacity = kDefaultBatchRows);

  const RowType& type() const { return type_; }
  VectorBuilder& column(int index) { return columns_[index]; }
  int num_columns() const { return static_cast<int>(columns_.size()); }
  int32_t num_rows() const { return num_rows_; }
  int32_t capacity() const { return capacity_; }
  // String bytes copied plus fixed bytes: what the batch limit of 1 MiB counts.
  size_t size_bytes() const;

  // Says that one row was appended to every column.
  void EndRow(RowKind kind = RowKind::kInsert) {
    if (kind != RowKind::kInsert || !kinds_.empty()) SetKind(kind);
    ++num_rows_;
  }
  // Says that `count` rows were appended to every column; kinds null: all +I.
  void EndRows(int32_t count, const RowKind* kinds);
  // Appends rows of another batch of the same type, `rows` are physical.
  void AppendRows(const Batch& batch, const int32_t* rows, int32_t count,
                  VectorBuilder::Strings strings);

  // Gives the collected rows and leaves the builder empty. REQUIRES: num_rows() > 0.
  BatchPtr Finish();

 private:
  void SetKind(RowKind kind);

  MemoryPool* pool_;
  RowType type_;
  int32_t capacity_;
  std::vector<VectorBuilder> columns_;
  std::vector<RowKind> kinds_;  // empty: all +I so far
  int32_t num_rows_ = 0;
};

}  // namespace millrace::runtime
