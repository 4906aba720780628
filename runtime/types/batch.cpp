#include "runtime/types/batch.h"

#include <cstring>

namespace millrace::runtime {

void Batch::SetSelection(BufferPtr rows, int32_t count) {
  selection_ = reinterpret_cast<const int32_t*>(rows->data());
  selection_buffer_ = std::move(rows);
  num_rows_ = count;
}

void Batch::SetRowKinds(BufferPtr kinds) {
  row_kinds_ = kinds ? reinterpret_cast<const RowKind*>(kinds->data()) : nullptr;
  row_kinds_buffer_ = std::move(kinds);
}

void Batch::SetKeyGroups(BufferPtr groups) {
  key_groups_ = groups ? reinterpret_cast<const uint16_t*>(groups->data()) : nullptr;
  key_groups_buffer_ = std::move(groups);
}

size_t Batch::live_bytes() const {
  size_t bytes = 0;
  for (const VectorPtr& column : columns_) {
    bytes += WidthOf(column->physical()) * static_cast<size_t>(num_rows_);
    if (column->physical() != PhysicalType::kString || column->heaps().empty()) continue;
    for (int32_t i = 0; i < num_rows_; ++i) {
      const uint32_t size = column->At<StringRef>(PhysicalRow(i)).size();
      bytes += size > StringRef::kInlineBytes ? size : 0;
    }
  }
  return bytes;
}

size_t Batch::retained_bytes() const {
  size_t bytes = 0;
  for (const VectorPtr& column : columns_) bytes += column->retained_bytes();
  if (selection_buffer_) bytes += selection_buffer_->capacity();
  if (row_kinds_buffer_) bytes += row_kinds_buffer_->capacity();
  if (key_groups_buffer_) bytes += key_groups_buffer_->capacity();
  return bytes;
}

BatchPtr WithColumns(const Batch& batch, std::vector<VectorPtr> columns, bool keep_key_groups) {
  auto result = std::make_shared<Batch>(std::move(columns), batch.physical_rows());
  if (batch.selection() != nullptr) {
    result->SetSelection(batch.selection_buffer(), batch.num_rows());
  }
  result->SetRowKinds(batch.row_kinds_buffer());
  if (keep_key_groups) result->SetKeyGroups(batch.key_groups_buffer());
  return result;
}

BatchPtr SliceRows(MemoryPool& pool, const BatchPtr& batch, int32_t begin, int32_t count) {
  if (begin == 0 && count == batch->num_rows()) return batch;
  BufferPtr rows = pool.Allocate(static_cast<size_t>(count) * sizeof(int32_t));
  auto* to = reinterpret_cast<int32_t*>(rows->data());
  for (int32_t i = 0; i < count; ++i) to[i] = batch->PhysicalRow(begin + i);
  auto result = std::make_shared<Batch>(*batch);
  result->SetSelection(std::move(rows), count);
  return result;
}

BatchPtr Compact(MemoryPool& pool, const RowType& type, const BatchPtr& batch) {
  bool plain = batch->selection() == nullptr;
  for (int c = 0; c < batch->num_columns(); ++c) {
    plain &= batch->column(c).encoding() != Encoding::kDictionary;
  }
  if (plain) return batch;
  std::vector<int32_t> all;
  const int32_t* rows = batch->selection();
  if (rows == nullptr) {
    all.resize(static_cast<size_t>(batch->num_rows()));
    for (int32_t i = 0; i < batch->num_rows(); ++i) all[i] = i;
    rows = all.data();
  }
  const int32_t count = batch->num_rows();
  std::vector<VectorPtr> columns;
  columns.reserve(static_cast<size_t>(batch->num_columns()));
  for (int c = 0; c < batch->num_columns(); ++c) {
    const Vector& column = batch->column(c);
    if (column.encoding() == Encoding::kConstant) {
      auto constant = std::make_shared<Vector>(column);
      constant->SetLength(count);
      columns.push_back(std::move(constant));
      continue;
    }
    VectorBuilder builder(pool, type[c].type, count);
    builder.AppendRows(column, rows, count, VectorBuilder::Strings::kKeep);
    columns.push_back(builder.Finish());
  }
  auto result = std::make_shared<Batch>(std::move(columns), count);
  if (batch->row_kinds() != nullptr) {
    BufferPtr kinds = pool.Allocate(static_cast<size_t>(count) + Vector::kPaddingBytes);
    auto* to = reinterpret_cast<RowKind*>(kinds->data());
    for (int32_t i = 0; i < count; ++i) to[i] = batch->row_kinds()[rows[i]];
    result->SetRowKinds(std::move(kinds));
  }
  if (batch->key_groups() != nullptr) {
    BufferPtr groups =
        pool.Allocate(static_cast<size_t>(count) * sizeof(uint16_t) + Vector::kPaddingBytes);
    auto* to = reinterpret_cast<uint16_t*>(groups->data());
    for (int32_t i = 0; i < count; ++i) to[i] = batch->key_groups()[rows[i]];
    result->SetKeyGroups(std::move(groups));
  }
  return result;
}

BatchBuilder::BatchBuilder(MemoryPool& pool, RowType type, int32_t capacity)
    : pool_(&pool), type_(std::move(type)), capacity_(capacity) {
  columns_.reserve(type_.size());
  for (const Field& field : type_) columns_.emplace_back(pool, field.type, capacity);
}

size_t BatchBuilder::size_bytes() const {
  size_t bytes = 0;
  for (size_t c = 0; c < columns_.size(); ++c) {
    bytes += columns_[c].heap_bytes() +
             static_cast<size_t>(num_rows_) * WidthOf(type_[c].type.physical());
  }
  return bytes;
}

void BatchBuilder::SetKind(RowKind kind) {
  kinds_.resize(static_cast<size_t>(num_rows_), RowKind::kInsert);
  kinds_.push_back(kind);
}

void BatchBuilder::EndRows(int32_t count, const RowKind* kinds) {
  if (kinds != nullptr) {
    kinds_.resize(static_cast<size_t>(num_rows_), RowKind::kInsert);
    kinds_.insert(kinds_.end(), kinds, kinds + count);
  } else if (!kinds_.empty()) {
    kinds_.resize(static_cast<size_t>(num_rows_ + count), RowKind::kInsert);
  }
  num_rows_ += count;
}

void BatchBuilder::AppendRows(const Batch& batch, const int32_t* rows, int32_t count,
                              VectorBuilder::Strings strings) {
  for (size_t c = 0; c < columns_.size(); ++c) {
    columns_[c].AppendRows(batch.column(static_cast<int>(c)), rows, count, strings);
  }
  if (batch.row_kinds() != nullptr) {
    kinds_.resize(static_cast<size_t>(num_rows_), RowKind::kInsert);
    for (int32_t i = 0; i < count; ++i) kinds_.push_back(batch.row_kinds()[rows[i]]);
    num_rows_ += count;
  } else {
    EndRows(count, nullptr);
  }
}

BatchPtr BatchBuilder::Finish() {
  CHECK_THAT_HOLDS(num_rows_ > 0);
  std::vector<VectorPtr> columns;
  columns.reserve(columns_.size());
  for (VectorBuilder& column : columns_) {
    CHECK_THAT_HOLDS(column.length() == num_rows_);
    columns.push_back(column.Finish());
  }
  auto batch = std::make_shared<Batch>(std::move(columns), num_rows_);
  if (!kinds_.empty()) {
    kinds_.resize(static_cast<size_t>(num_rows_), RowKind::kInsert);
    BufferPtr kinds = pool_->Allocate(kinds_.size() + Vector::kPaddingBytes);
    std::memcpy(kinds->data(), kinds_.data(), kinds_.size());
    batch->SetRowKinds(std::move(kinds));
    kinds_.clear();
  }
  num_rows_ = 0;
  return batch;
}

}  // namespace millrace::runtime
