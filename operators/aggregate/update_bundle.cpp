#include "operators/aggregate/update_bundle.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "operators/aggregate/aggregate_function.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::RowKind;
using runtime::RowType;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

UpdateBundle::UpdateBundle(const std::vector<LogicalType>& key_types, const RowType& results,
                           RowType output, Rules rules)
    : output_(std::move(output)),
      rules_(rules),
      keys_(key_types),
      arena_(std::make_unique<OperatorArena>()) {
  for (const runtime::Field& result : results) {
    before_.emplace_back(result.type, arena_.get());
    after_.emplace_back(result.type, arena_.get());
  }
}

void UpdateBundle::Add(std::span<const Vector* const> keys, const RowRange& rows,
                       const uint8_t* actions, const std::vector<VectorPtr>& results) {
  const auto count = static_cast<size_t>(rows.count);
  ids_.resize(count);
  first_touch_.resize(count);
  while (before_rows_.size() < count) {
    before_rows_.push_back(static_cast<int32_t>(2 * before_rows_.size()));
    after_rows_.push_back(before_rows_.back() + 1);
  }
  const int32_t* physical = rows.batch->selection();
  if (physical != nullptr) {
    physical += rows.begin;
  } else if (rows.begin > 0) {
    physical_.resize(count);
    for (size_t i = 0; i < count; ++i) physical_[i] = rows.begin + static_cast<int32_t>(i);
    physical = physical_.data();
  }
  keys_.FindOrAdd(keys, physical, rows.count, nullptr, ids_.data());
  presence_.resize(static_cast<size_t>(keys_.size()), 0);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t action = actions == nullptr ? uint8_t{kPlain} : actions[i];
    uint8_t& presence = presence_[static_cast<size_t>(ids_[i])];
    first_touch_[i] = presence == 0;
    if (presence == 0)
      presence = (action & (kFirst | kIgnore)) == 0 ? kTouched | kExisted : kTouched;
    if ((action & kIgnore) != 0) continue;
    presence = static_cast<uint8_t>((presence & ~kExists) | ((action & kLast) != 0 ? 0 : kExists));
  }
  for (size_t c = 0; c < results.size(); ++c) {
    before_[c].Resize(keys_.size());
    after_[c].Resize(keys_.size());
    before_[c].Set(*results[c], before_rows_.data(), ids_.data(), rows.count, first_touch_.data());
    after_[c].Set(*results[c], after_rows_.data(), ids_.data(), rows.count, nullptr);
  }
  num_rows_ += rows.count;
}

BatchPtr UpdateBundle::Flush(runtime::MemoryPool& pool, int32_t most_groups) {
  const int32_t count = std::min(keys_.size() - flushed_, most_groups);
  std::vector<uint8_t> changed(static_cast<size_t>(count) + 1, rules_.emit_unchanged ? 1 : 0);
  for (size_t c = 0; c < before_.size() && !rules_.emit_unchanged; ++c) {
    before_[c].MarkChanges(after_[c], flushed_, count, changed.data());
  }
  // Which groups' results are emitted as what; 1: those before.
  std::vector<int32_t> ids(2 * static_cast<size_t>(count));
  std::vector<uint8_t> is_before(ids.size());
  runtime::BufferPtr kinds_buffer = pool.Allocate(ids.size() + Vector::kPaddingBytes);
  auto* kinds = reinterpret_cast<RowKind*>(kinds_buffer->data());
  int32_t emitted = 0;
  const auto emit = [&](int32_t id, bool before, RowKind kind) {
    ids[static_cast<size_t>(emitted)] = id;
    is_before[static_cast<size_t>(emitted)] = before;
    kinds[emitted++] = kind;
  };
  for (int32_t i = 0; i < count; ++i) {
    const int32_t id = flushed_ + i;
    switch (presence_[static_cast<size_t>(id)] & (kExisted | kExists)) {
      case kExists:
        emit(id, false, RowKind::kInsert);
        break;
      case kExisted:
        emit(id, true, RowKind::kDelete);
        break;
      case kExisted | kExists:
        if (changed[static_cast<size_t>(i)] == 0) break;
        if (rules_.update_before) emit(id, true, RowKind::kUpdateBefore);
        emit(id, false, RowKind::kUpdateAfter);
        break;
      default:
        break;
    }
  }
  BatchPtr batch;
  if (emitted > 0) {
    const size_t num_keys = output_.size() - after_.size();
    std::vector<VectorBuilder> builders;
    for (const runtime::Field& field : output_) builders.emplace_back(pool, field.type, emitted);
    std::vector<VectorBuilder*> keys;
    for (size_t c = 0; c < num_keys; ++c) keys.push_back(&builders[c]);
    keys_.AppendKeys(std::span(ids).first(static_cast<size_t>(emitted)), keys);
    std::vector<VectorPtr> columns;
    for (size_t c = 0; c < after_.size(); ++c) {
      after_[c].AppendTo(ids.data(), emitted, &before_[c], is_before.data(),
                         &builders[num_keys + c]);
    }
    for (VectorBuilder& builder : builders) columns.push_back(builder.Finish());
    auto made = std::make_shared<Batch>(std::move(columns), emitted);
    made->SetRowKinds(std::move(kinds_buffer));
    batch = std::move(made);
  }
  flushed_ += count;
  if (flushed_ == keys_.size()) {
    keys_.Clear();
    arena_->Clear();
    presence_.clear();
    flushed_ = 0;
    num_rows_ = 0;
  }
  return batch;
}

}  // namespace millrace::operators
