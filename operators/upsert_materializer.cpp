#include "operators/upsert_materializer.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::Progress;
using runtime::Result;
using runtime::RowKind;
using runtime::RowLayout;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::Vector;

namespace {

constexpr int kRows = 0;  // the state

// An element of a key's list: {u32 bytes of key, u32 bytes of row, key, row}.
struct Element {
  size_t begin;
  size_t end;
  std::string_view key;
  std::string_view row;
};
constexpr size_t kHeadBytes = 2 * sizeof(uint32_t);

Element ElementAt(std::string_view list, size_t begin) {
  uint32_t sizes[2];
  std::memcpy(sizes, list.data() + begin, sizeof(sizes));
  const size_t row = begin + kHeadBytes + sizes[0];
  return {begin, row + sizes[1], list.substr(begin + kHeadBytes, sizes[0]),
          list.substr(row, sizes[1])};
}

std::string MakeElement(std::string_view key, std::string_view row) {
  const uint32_t sizes[2] = {static_cast<uint32_t>(key.size()), static_cast<uint32_t>(row.size())};
  std::string element(reinterpret_cast<const char*>(sizes), sizeof(sizes));
  return element.append(key).append(row);
}

}  // namespace

Result<std::unique_ptr<runtime::Operator>> UpsertMaterializer::Make(
    const runtime::OperatorSpec& spec, const runtime::JobSettings&) {
  const nlohmann::json node = nlohmann::json::parse(spec.config, nullptr, false);
  if (!node.is_object()) return Status::User("config of an upsert materializer is no JSON object");
  const std::string table = node.value("table", "");
  Config config;
  config.primary_key = node.value("primaryKey", std::vector<int>());
  if (const auto key = node.find("inputUpsertKey"); key != node.end() && key->is_array()) {
    config.upsert_key = key->get<std::vector<int>>();
  }
  config.ttl_ms = node.value("stateTtlMs", int64_t{0});
  if (config.primary_key.empty()) {
    return Status::User("a table without a primary key needs no upsert materializer: " + table);
  }
  for (const runtime::Field& field : spec.inputs.at(0)) {
    switch (field.type.kind()) {
      case TypeKind::kArray:
      case TypeKind::kMap:
      case TypeKind::kMultiset:
      case TypeKind::kRow:
        return Status::User("rows that are upserted by another key can't hold nested types yet: " +
                            field.name + " " + field.type.ToString() + ", table " + table);
      default:
        break;
    }
  }
  return std::unique_ptr<runtime::Operator>(new UpsertMaterializer(std::move(config), spec));
}

UpsertMaterializer::UpsertMaterializer(Config config, runtime::OperatorSpec spec)
    : config_(std::move(config)),
      spec_(std::move(spec)),
      row_encoder_([this] {
        std::vector<int> all(spec_.inputs[0].size());
        std::iota(all.begin(), all.end(), 0);
        return TypesOf(all);
      }()),
      key_encoder_(TypesOf(config_.upsert_key)) {}

std::vector<LogicalType> UpsertMaterializer::TypesOf(const std::vector<int>& columns) const {
  std::vector<LogicalType> types;
  for (int column : columns) types.push_back(spec_.inputs[0][static_cast<size_t>(column)].type);
  return types;
}

std::vector<runtime::StateSpec> UpsertMaterializer::States() const {
  runtime::StateSpec spec;
  spec.name = "sinkMaterializeState";
  spec.key_types = TypesOf(config_.primary_key);
  spec.value = {{"rows", LogicalType::VarBinary()}};
  spec.ttl_ms = config_.ttl_ms;
  return {spec};
}

Status UpsertMaterializer::Open(runtime::OperatorContext& context) {
  context_ = &context;
  return Status::Ok();
}

Status UpsertMaterializer::NameKeys(int, const Batch& batch, runtime::KeyRequests& requests) {
  std::vector<const Vector*> columns;
  for (int column : config_.primary_key) columns.push_back(&batch.column(column));
  runtime::KeyNames names;
  names.columns = columns;
  names.rows = batch.selection();
  names.count = batch.num_rows();
  names.key_groups = batch.key_groups();
  requests.Add(kRows, runtime::Access::kUpsert, names);
  next_row_ = 0;
  return Status::Ok();
}

void UpsertMaterializer::EncodeRow(const Batch& batch, int32_t physical) {
  const auto encode = [&](const runtime::KeyEncoder& encoder, const std::vector<int>* which,
                          std::string* to) {
    std::vector<const Vector*> columns;
    const size_t count = which == nullptr ? spec_.inputs[0].size() : which->size();
    for (size_t i = 0; i < count; ++i) {
      columns.push_back(&batch.column(which == nullptr ? static_cast<int>(i) : (*which)[i]));
    }
    to->clear();
    encoder.Encode(columns, physical, to);
  };
  encode(row_encoder_, nullptr, &row_bytes_);
  key_bytes_.clear();
  if (!config_.upsert_key.empty()) encode(key_encoder_, &config_.upsert_key, &key_bytes_);
}

std::optional<RowKind> UpsertMaterializer::Add(std::string* list, std::string_view* emitted) const {
  *emitted = row_bytes_;
  const bool first = list->empty();
  const std::string element = MakeElement(key_bytes_, row_bytes_);
  for (size_t at = 0; !config_.upsert_key.empty() && at < list->size();) {
    const Element have = ElementAt(*list, at);
    if (have.key == key_bytes_) {
      list->replace(have.begin, have.end - have.begin, element);
      return RowKind::kUpdateAfter;
    }
    at = have.end;
  }
  list->append(element);
  return first ? RowKind::kInsert : RowKind::kUpdateAfter;
}

std::optional<RowKind> UpsertMaterializer::TakeBack(std::string* list,
                                                    std::string_view* emitted) const {
  std::optional<Element> before;
  for (size_t at = 0; at < list->size();) {
    const Element have = ElementAt(*list, at);
    const bool same = config_.upsert_key.empty() ? have.row == row_bytes_ : have.key == key_bytes_;
    if (!same) {
      before = have;
      at = have.end;
      continue;
    }
    const bool last = have.end == list->size();
    list->erase(have.begin, have.end - have.begin);
    if (list->empty()) {
      *emitted = row_bytes_;
      return RowKind::kDelete;
    }
    if (!last) return std::nullopt;
    *emitted = ElementAt(*list, before->begin).row;
    return RowKind::kUpdateAfter;
  }
  return std::nullopt;  // its state has expired
}

Result<Progress> UpsertMaterializer::Process(int, const BatchPtr& batch, runtime::Output& out) {
  runtime::KeyedTable& table = context_->keyed(kRows);
  uint8_t* const* rows = context_->rows(kRows);
  const uint32_t offset = table.layout().OffsetOf(0);
  const int32_t most = context_->settings().batch_rows;
  runtime::BatchBuilder builder(context_->pool(), spec_.output, std::min(most, batch->num_rows()));
  std::vector<runtime::VectorBuilder*> columns;
  for (int c = 0; c < builder.num_columns(); ++c) columns.push_back(&builder.column(c));
  const RowKind* kinds = batch->row_kinds();
  for (; next_row_ < batch->num_rows() && builder.num_rows() < most &&
         builder.size_bytes() < context_->settings().batch_bytes;
       ++next_row_) {
    const int32_t physical = batch->PhysicalRow(next_row_);
    uint8_t* row = rows[next_row_];
    EncodeRow(*batch, physical);
    auto slot = RowLayout::Load<StringRef>(row, offset);
    list_ = slot.view();
    std::string_view emitted;
    const bool retract = kinds != nullptr && runtime::IsRetraction(kinds[physical]);
    const auto kind = retract ? TakeBack(&list_, &emitted) : Add(&list_, &emitted);
    table.arena().Set(&slot, StringRef(list_.data(), static_cast<uint32_t>(list_.size())));
    RowLayout::Store(row, offset, slot);
    if (!kind.has_value()) continue;
    row_encoder_.Decode(emitted, columns);
    builder.EndRow(*kind);
  }
  if (builder.num_rows() > 0) out.Emit(builder.Finish());
  if (next_row_ < batch->num_rows()) return Progress::kMore;
  // Keys without rows are forgotten, at the end of the call: they may come again within it.
  std::vector<uint8_t*> empty;
  for (int32_t i = 0; i < batch->num_rows(); ++i) {
    if (RowLayout::Load<StringRef>(rows[i], offset).size() == 0) empty.push_back(rows[i]);
  }
  std::sort(empty.begin(), empty.end());
  empty.erase(std::unique(empty.begin(), empty.end()), empty.end());
  table.Erase(empty);
  return Progress::kNeedInput;
}

}  // namespace millrace::operators
