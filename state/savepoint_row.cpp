#include "state/savepoint_row.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "runtime/types/check.h"

namespace millrace::state {

using runtime::KeyEncoder;
using runtime::LogicalType;
using runtime::RowLayout;
using runtime::StringRef;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

constexpr int32_t kRowsAtATime = 1024;
constexpr size_t kBlockBytes = 64 * 1024;

std::vector<LogicalType> ValueTypes(const HotTable& table) {
  std::vector<LogicalType> types;
  for (const runtime::Field& field : table.spec().value) types.push_back(field.type);
  return types;
}

// Builders of some columns, and the vectors made of them.
class Columns {
 public:
  Columns(const std::vector<LogicalType>& types, runtime::MemoryPool& pool) {
    builders_.reserve(types.size());
    for (const LogicalType& type : types) builders_.emplace_back(pool, type, kRowsAtATime);
    for (VectorBuilder& builder : builders_) pointers_.push_back(&builder);
  }
  std::span<VectorBuilder* const> builders() { return pointers_; }
  std::span<const Vector* const> Finish() {
    vectors_.clear();
    views_.clear();
    for (VectorBuilder& builder : builders_) vectors_.push_back(builder.Finish());
    for (const VectorPtr& vector : vectors_) views_.push_back(vector.get());
    return views_;
  }

 private:
  std::vector<VectorBuilder> builders_;
  std::vector<VectorBuilder*> pointers_;
  std::vector<VectorPtr> vectors_;
  std::vector<const Vector*> views_;
};

void AppendValue(const uint8_t* row, const RowLayout::Slot& slot, bool is_null,
                 VectorBuilder* to) {
  const uint8_t* at = row + slot.offset;
  if (is_null) return to->AppendNull();
  switch (runtime::WidthOf(slot.physical)) {
    case 1: return to->Append(*at);
    case 2: return to->Append(*reinterpret_cast<const int16_t*>(at));
    case 4: return to->Append(*reinterpret_cast<const int32_t*>(at));
    case 8: return to->Append(*reinterpret_cast<const int64_t*>(at));
    default: break;
  }
  if (slot.physical == runtime::PhysicalType::kString) {
    const auto& text = *reinterpret_cast<const StringRef*>(at);
    return to->AppendString({text.data(), text.size()});
  }
  if (slot.physical == runtime::PhysicalType::kTimestamp) {
    return to->Append(*reinterpret_cast<const runtime::TimestampNanos*>(at));
  }
  runtime::Int128 value;
  std::memcpy(&value, at, sizeof(value));
  to->Append(value);
}

void SetValue(uint8_t* row, const RowLayout::Slot& slot, int field, const Vector& from,
              int32_t index, runtime::StateArena* arena) {
  const bool is_null = from.IsNull(index);
  RowLayout::SetNull(row, field, is_null);
  if (is_null) return;
  uint8_t* at = row + slot.offset;
  const auto position = static_cast<size_t>(from.PositionOf(index));
  if (slot.physical == runtime::PhysicalType::kString) {
    arena->Set(reinterpret_cast<StringRef*>(at), from.values<StringRef>()[position]);
    return;
  }
  const size_t width = runtime::WidthOf(slot.physical);
  std::memcpy(at, from.raw_values() + position * width, width);
}

// Gives all rows of a table, some at a time, to `use(rows, slice)`.
template <typename Use>
runtime::Status ForRows(HotTable* table, Use use) {
  std::vector<int64_t> slices = {0};
  if (table->spec().kind == runtime::StateKind::kSliced) slices = table->Slices();
  uint8_t* rows[kRowsAtATime];
  for (const int64_t slice : slices) {
    runtime::ScanCursor cursor;
    while (!cursor.done) {
      int32_t count = 0;
      ASSIGN_OR_RETURN(const auto readiness, table->Scan(&cursor, slice, rows, &count));
      CHECK_THAT_HOLDS(readiness == runtime::Readiness::kReady);
      if (count > 0) {
        RETURN_IF_ERROR(use(std::span<uint8_t* const>(rows, static_cast<size_t>(count)), slice));
      }
    }
  }
  return runtime::Status::Ok();
}

void ReadValues(const RowLayout& layout, std::span<uint8_t* const> rows, Columns* to) {
  for (size_t field = 0; field < layout.slots().size(); ++field) {
    VectorBuilder* builder = to->builders()[field];
    for (const uint8_t* row : rows) {
      AppendValue(row, layout.slots()[field], RowLayout::IsNull(row, static_cast<int>(field)),
                  builder);
    }
  }
}

uint8_t* RowOf(const HotTable& table, uint8_t* value) {
  return value - (table.record_shape()->row_bytes - table.layout().size_bytes());
}

template <typename T>
void Put(std::string* to, T value) {
  to->append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void PutRow(const KeyEncoder& encoder, std::span<const Vector* const> columns, int32_t row,
            std::string* to) {
  const size_t size_at = to->size();
  Put<uint32_t>(to, 0);
  encoder.Encode(columns, row, to);
  const auto size = static_cast<uint32_t>(to->size() - size_at - 4);
  std::memcpy(to->data() + size_at, &size, 4);
}

}  // namespace

runtime::Status WriteCanonicalRows(HotTable* table, runtime::MemoryPool& pool,
                                   StateFileWriter* file) {
  struct Block {
    std::string bytes;
    uint32_t records = 0;
  };
  const uint32_t state = file->AddState(*table->identity());
  const KeyEncoder key_encoder(table->spec().key_types);
  const KeyEncoder value_encoder(ValueTypes(*table));
  Columns keys(table->spec().key_types, pool);
  Columns values(ValueTypes(*table), pool);
  std::map<uint16_t, Block> blocks;
  const auto flush = [&](uint16_t key_group, Block* block) {
    auto status =
        file->AddBlock(state, key_group, BlockKind::kCanonical, block->records, block->bytes);
    *block = Block();
    return status;
  };
  const bool sliced = table->spec().kind == runtime::StateKind::kSliced;
  RETURN_IF_ERROR(ForRows(table, [&](std::span<uint8_t* const> rows, int64_t slice) -> runtime::Status {
    table->ReadKeys(rows, keys.builders());
    ReadValues(table->layout(), rows, &values);
    const auto key_vectors = keys.Finish();
    const auto value_vectors = values.Finish();
    for (size_t i = 0; i < rows.size(); ++i) {
      uint8_t* row = RowOf(*table, rows[i]);
      const uint16_t key_group = table->KeyGroupOf(row);
      Block& block = blocks[key_group];
      PutRow(key_encoder, key_vectors, static_cast<int32_t>(i), &block.bytes);
      PutRow(value_encoder, value_vectors, static_cast<int32_t>(i), &block.bytes);
      if (sliced) Put(&block.bytes, slice);
      if (table->spec().ttl_ms > 0) Put(&block.bytes, *table->WrittenAt(row));
      ++block.records;
      if (block.bytes.size() >= kBlockBytes) RETURN_IF_ERROR(flush(key_group, &block));
    }
    return runtime::Status::Ok();
  }));
  for (auto& [key_group, block] : blocks) {
    if (block.records > 0) RETURN_IF_ERROR(flush(key_group, &block));
  }
  return runtime::Status::Ok();
}

bool LoadCanonicalBlock(HotTable* table, std::string_view payload, uint32_t records,
                        runtime::MemoryPool& pool) {
  const KeyEncoder key_encoder(table->spec().key_types);
  const KeyEncoder value_encoder(ValueTypes(*table));
  Columns keys(table->spec().key_types, pool);
  Columns values(ValueTypes(*table), pool);
  std::vector<int64_t> slices;
  std::vector<int64_t> written_at;
  const bool sliced = table->spec().kind == runtime::StateKind::kSliced;
  const auto take = [&](void* to, size_t bytes) {
    if (payload.size() < bytes) return false;
    std::memcpy(to, payload.data(), bytes);
    payload.remove_prefix(bytes);
    return true;
  };
  const auto take_row = [&](const KeyEncoder& encoder, Columns* to) {
    uint32_t size;
    if (!take(&size, 4) || size > payload.size()) return false;
    encoder.Decode(payload.substr(0, size), to->builders());
    payload.remove_prefix(size);
    return true;
  };
  for (uint32_t i = 0; i < records; ++i) {
    if (!take_row(key_encoder, &keys) || !take_row(value_encoder, &values)) return false;
    if (sliced && !take(&slices.emplace_back(), 8)) return false;
    if (table->spec().ttl_ms > 0 && !take(&written_at.emplace_back(), 8)) return false;
  }
  const auto key_vectors = keys.Finish();
  const auto value_vectors = values.Finish();
  std::vector<uint8_t*> rows(records);
  runtime::KeyNames names;
  names.columns = key_vectors;
  names.count = static_cast<int32_t>(records);
  names.slices = sliced ? slices.data() : nullptr;
  if (!table->Resolve(names, runtime::Access::kUpsert, rows.data()).ok()) return false;
  const auto& slots = table->layout().slots();
  for (uint32_t i = 0; i < records; ++i) {
    for (size_t field = 0; field < slots.size(); ++field) {
      SetValue(rows[i], slots[field], static_cast<int>(field), *value_vectors[field],
               static_cast<int32_t>(i), &table->arena());
    }
    if (!written_at.empty()) *table->WrittenAt(RowOf(*table, rows[i])) = written_at[i];
  }
  table->ReleasePins();
  return true;
}

void CopyTable(HotTable* from, HotTable* to, runtime::MemoryPool& pool) {
  Columns keys(from->spec().key_types, pool);
  Columns values(ValueTypes(*from), pool);
  std::vector<uint8_t*> targets(kRowsAtATime);
  std::vector<int64_t> slices(kRowsAtATime);
  const bool sliced = from->spec().kind == runtime::StateKind::kSliced;
  const bool keeps_times = from->spec().ttl_ms > 0 && to->spec().ttl_ms > 0;
  const auto& slots = to->layout().slots();
  const auto status =
      ForRows(from, [&](std::span<uint8_t* const> rows, int64_t slice) -> runtime::Status {
        from->ReadKeys(rows, keys.builders());
        ReadValues(from->layout(), rows, &values);
        const auto key_vectors = keys.Finish();
        const auto value_vectors = values.Finish();
        std::fill(slices.begin(), slices.end(), slice);
        runtime::KeyNames names;
        names.columns = key_vectors;
        names.count = static_cast<int32_t>(rows.size());
        names.slices = sliced ? slices.data() : nullptr;
        ASSIGN_OR_RETURN(const auto readiness,
                         to->Resolve(names, runtime::Access::kUpsert, targets.data()));
        CHECK_THAT_HOLDS(readiness == runtime::Readiness::kReady);
        for (size_t i = 0; i < rows.size(); ++i) {
          for (size_t field = 0; field < slots.size(); ++field) {
            if (field < value_vectors.size()) {
              SetValue(targets[i], slots[field], static_cast<int>(field), *value_vectors[field],
                       static_cast<int32_t>(i), &to->arena());
            } else {
              RowLayout::SetNull(targets[i], static_cast<int>(field), true);
            }
          }
          if (keeps_times) {
            *to->WrittenAt(RowOf(*to, targets[i])) = *from->WrittenAt(RowOf(*from, rows[i]));
          }
        }
        return runtime::Status::Ok();
      });
  CHECK_THAT_HOLDS(status.ok());
  to->ReleasePins();
}

}  // namespace millrace::state
