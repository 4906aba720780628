#include "operators/aggregate/update_bundle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "operators/aggregate/aggregate_function.h"
#include "operators/aggregate/function_kernels.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::RowKind;
using runtime::RowLayout;
using runtime::RowType;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

// Fields of a group's row before its results.
constexpr int kTouched = 0;
constexpr int kExisted = 1;  // before the bundle
constexpr int kExists = 2;   // now
constexpr int kFirstResult = 3;

RowType BundleRow(const RowType& results) {
  const LogicalType flag(TypeKind::kBoolean, false);
  RowType row = {{"touched", flag}, {"existed", flag}, {"exists", flag}};
  for (const runtime::Field& result : results) row.push_back({"before", result.type.AsNullable()});
  for (const runtime::Field& result : results) row.push_back({"after", result.type.AsNullable()});
  return row;
}

template <typename Work>
void WithResultType(PhysicalType physical, Work work) {
  switch (physical) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8: return work(int8_t());
    case PhysicalType::kInt16: return work(int16_t());
    case PhysicalType::kInt32: return work(int32_t());
    case PhysicalType::kInt64: return work(int64_t());
    case PhysicalType::kInt128: return work(Int128());
    case PhysicalType::kFloat: return work(float());
    case PhysicalType::kDouble: return work(double());
    case PhysicalType::kString: return work(StringRef());
    case PhysicalType::kTimestamp: return work(runtime::TimestampNanos());
    default: CHECK_THAT_HOLDS(false);
  }
}

template <typename T>
void StoreResult(const FieldSlot& slot, uint8_t* row, const Vector& from, int32_t at,
                 StateArena& arena) {
  if (from.IsNull(at)) {
    slot.SetNull(row);
    return;
  }
  slot.SetValid(row);
  if constexpr (std::is_same_v<T, StringRef>) {
    auto text = slot.Load<StringRef>(row);
    arena.Set(&text, from.At<StringRef>(at));
    slot.Store(row, text);
  } else {
    slot.Store(row, from.At<T>(at));
  }
}

}  // namespace

UpdateBundle::UpdateBundle(std::vector<LogicalType> key_types, const RowType& results,
                           RowType output, Rules rules)
    : output_(std::move(output)), rules_(rules), groups_(std::move(key_types), BundleRow(results)) {
  const auto count = static_cast<int>(results.size());
  for (int i = 0; i < count; ++i) {
    columns_.push_back({results[static_cast<size_t>(i)].type.physical(), kFirstResult + i,
                        kFirstResult + count + i});
  }
}

void UpdateBundle::Add(std::span<const Vector* const> keys, const RowRange& rows,
                       const uint8_t* actions, const std::vector<VectorPtr>& results) {
  const auto count = static_cast<size_t>(rows.count);
  physical_.resize(count);
  for (int32_t i = 0; i < rows.count; ++i) physical_[static_cast<size_t>(i)] = rows.PhysicalRow(i);
  ids_.resize(count);
  groups_.FindOrAdd(keys, physical_.data(), rows.count, nullptr, ids_.data());
  const RowLayout& layout = groups_.layout();
  const uint32_t touched = layout.OffsetOf(kTouched);
  const uint32_t existed = layout.OffsetOf(kExisted);
  const uint32_t exists = layout.OffsetOf(kExists);
  first_touch_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    uint8_t* row = groups_.row(ids_[i]);
    const uint8_t action = actions == nullptr ? uint8_t{kPlain} : actions[i];
    first_touch_[i] = row[touched] == 0;
    if (first_touch_[i] != 0) row[existed] = (action & (kFirst | kIgnore)) == 0;
    row[touched] = 1;
    if ((action & kIgnore) == 0) row[exists] = (action & kLast) == 0;
  }
  for (size_t c = 0; c < columns_.size(); ++c) {
    const Vector& result = *results[c];
    const FieldSlot before(layout, columns_[c].before);
    const FieldSlot after(layout, columns_[c].after);
    WithResultType(columns_[c].physical, [&](auto type) {
      using T = decltype(type);
      for (size_t i = 0; i < count; ++i) {
        uint8_t* row = groups_.row(ids_[i]);
        const auto at = static_cast<int32_t>(2 * i);
        if (first_touch_[i] != 0) StoreResult<T>(before, row, result, at, groups_.arena());
        StoreResult<T>(after, row, result, at + 1, groups_.arena());
      }
    });
  }
  num_rows_ += rows.count;
}

bool UpdateBundle::Changed(const uint8_t* row) const {
  for (const Column& column : columns_) {
    const FieldSlot before(groups_.layout(), column.before);
    const FieldSlot after(groups_.layout(), column.after);
    bool changed = before.IsNull(row) != after.IsNull(row);
    if (!changed && !before.IsNull(row)) {
      WithResultType(column.physical, [&](auto type) {
        using T = decltype(type);
        changed = !(before.Load<T>(row) == after.Load<T>(row));
      });
    }
    if (changed) return true;
  }
  return false;
}

BatchPtr UpdateBundle::Flush(runtime::MemoryPool& pool, int32_t most_groups) {
  const int32_t begin = flushed_;
  const int32_t end = std::min(groups_.size(), begin + most_groups);
  const RowLayout& layout = groups_.layout();
  const uint32_t existed = layout.OffsetOf(kExisted);
  const uint32_t exists = layout.OffsetOf(kExists);
  // Row numbers, which of their two results, and as what they are emitted.
  std::vector<int32_t> ids;
  std::vector<RowKind> kinds;
  for (int32_t id = begin; id < end; ++id) {
    const uint8_t* row = groups_.row(id);
    if (row[existed] == 0 && row[exists] != 0) {
      ids.push_back(id);
      kinds.push_back(RowKind::kInsert);
    } else if (row[existed] != 0 && row[exists] == 0) {
      ids.push_back(id);
      kinds.push_back(RowKind::kDelete);
    } else if (row[existed] != 0 && (rules_.emit_unchanged || Changed(row))) {
      if (rules_.update_before) {
        ids.push_back(id);
        kinds.push_back(RowKind::kUpdateBefore);
      }
      ids.push_back(id);
      kinds.push_back(RowKind::kUpdateAfter);
    }
  }
  BatchPtr batch;
  if (!ids.empty()) {
    const auto count = static_cast<int32_t>(ids.size());
    const size_t num_keys = output_.size() - columns_.size();
    std::vector<VectorBuilder> builders;
    for (const runtime::Field& field : output_) builders.emplace_back(pool, field.type, count);
    std::vector<VectorBuilder*> keys;
    for (size_t c = 0; c < num_keys; ++c) keys.push_back(&builders[c]);
    groups_.AppendKeys(ids, keys);
    for (size_t c = 0; c < columns_.size(); ++c) {
      const FieldSlot before(layout, columns_[c].before);
      const FieldSlot after(layout, columns_[c].after);
      VectorBuilder& out = builders[num_keys + c];
      WithResultType(columns_[c].physical, [&](auto type) {
        using T = decltype(type);
        out.Reserve(count);
        T* to = out.tail<T>();
        for (size_t i = 0; i < ids.size(); ++i) {
          const uint8_t* row = groups_.row(ids[i]);
          const FieldSlot& slot = runtime::IsRetraction(kinds[i]) ? before : after;
          to[i] = slot.IsNull(row) ? T() : CopyOut(slot.Load<T>(row), &out);
          if (slot.IsNull(row)) out.MarkNull(static_cast<int32_t>(i));
        }
        out.Advance(count);
      });
    }
    std::vector<VectorPtr> columns;
    for (VectorBuilder& builder : builders) columns.push_back(builder.Finish());
    auto made = std::make_shared<Batch>(std::move(columns), count);
    runtime::BufferPtr buffer = pool.Allocate(ids.size() + Vector::kPaddingBytes);
    std::memcpy(buffer->data(), kinds.data(), kinds.size());
    made->SetRowKinds(std::move(buffer));
    batch = std::move(made);
  }
  flushed_ = end;
  if (flushed_ == groups_.size()) {
    groups_.Clear();
    flushed_ = 0;
    num_rows_ = 0;
  }
  return batch;
}

}  // namespace millrace::operators
