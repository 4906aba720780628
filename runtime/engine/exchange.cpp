#include "runtime/engine/exchange.h"

#include <cstring>

namespace millrace::runtime {

ExchangeNode::ExchangeNode(const Edge& edge, int subtask, int receivers, int max_parallelism,
                           const JobSettings& settings, std::shared_ptr<MemoryPool> pool,
                           std::vector<std::shared_ptr<Channel>> channels, Counter* records_out)
    : uid_("exchange"),
      edge_(edge),
      max_parallelism_(max_parallelism),
      settings_(settings),
      pool_(std::move(pool)),
      channels_(std::move(channels)),
      records_out_(records_out),
      next_(static_cast<size_t>(subtask)) {
  if (edge_.kind != ExchangeKind::kHash) return;
  std::vector<LogicalType> types;
  for (int column : edge_.key_columns) types.push_back(edge_.type[column].type);
  encoder_ = std::make_unique<KeyEncoder>(std::move(types));
  for (int group = 0; group < max_parallelism; ++group) {
    subtask_of_group_.push_back(
        static_cast<uint16_t>(SubtaskOf(group, receivers, max_parallelism)));
  }
  destinations_.resize(channels_.size());
}
ExchangeNode::~ExchangeNode() = default;

bool ExchangeNode::HasRoom() const {
  if (edge_.kind == ExchangeKind::kRebalance) {
    return channels_[next_ % channels_.size()]->HasRoom();
  }
  for (const auto& channel : channels_) {
    if (!channel->HasRoom()) return false;
  }
  return true;
}

void ExchangeNode::OnRoom(const std::function<void()>& wake) {
  for (auto& channel : channels_) channel->OnRoom(wake);
}

void ExchangeNode::Send(int destination, BatchPtr batch) {
  channels_[static_cast<size_t>(destination)]->Push(Element::Of(std::move(batch)));
}

Result<bool> ExchangeNode::Work() {
  if (element_.kind != Element::Kind::kBatch) {
    if (element_.kind == Element::Kind::kTimer || element_.kind == Element::Kind::kWake) return true;
    if (ended_) return true;  // a final barrier after the end stays here
    ended_ = element_.kind == Element::Kind::kEnd;
    Flush();
    for (auto& channel : channels_) channel->Push(element_);
    return true;
  }
  if (!HasRoom()) return false;
  if (records_out_ != nullptr) records_out_->Add(element_.batch->num_rows());
  switch (edge_.kind) {
    case ExchangeKind::kForward:
    case ExchangeKind::kSingle: Send(0, element_.batch); break;
    case ExchangeKind::kRebalance:
      Send(static_cast<int>(next_ % channels_.size()), element_.batch);
      ++next_;
      break;
    case ExchangeKind::kBroadcast:
      for (size_t d = 0; d < channels_.size(); ++d) Send(static_cast<int>(d), element_.batch);
      break;
    case ExchangeKind::kHash: SendHash(element_.batch); break;
  }
  return true;
}

void ExchangeNode::SendHash(const BatchPtr& batch) {
  const int32_t physical = batch->physical_rows();
  const int32_t count = batch->num_rows();
  std::vector<const Vector*> columns;
  for (int column : edge_.key_columns) columns.push_back(&batch->column(column));
  BufferPtr groups_buffer = pool_->Allocate(static_cast<size_t>(physical) * 2 + Vector::kPaddingBytes);
  auto* groups = reinterpret_cast<uint16_t*>(groups_buffer->data());
  if (batch->selection() == nullptr) {
    encoder_->KeyGroups(columns, nullptr, count, max_parallelism_, groups);
  } else {
    std::vector<uint16_t> selected(static_cast<size_t>(count));
    encoder_->KeyGroups(columns, batch->selection(), count, max_parallelism_, selected.data());
    for (int32_t i = 0; i < count; ++i) groups[batch->selection()[i]] = selected[i];
  }
  if (channels_.size() == 1) {
    auto with_groups = std::make_shared<Batch>(*batch);
    with_groups->SetKeyGroups(std::move(groups_buffer));
    Send(0, std::move(with_groups));
    return;
  }
  if (channels_.size() == 2) {
    BufferPtr rows[2];
    int32_t* at[2];
    int32_t used[2] = {0, 0};
    for (int d = 0; d < 2; ++d) {
      rows[d] = pool_->Allocate(static_cast<size_t>(count) * 4 + Vector::kPaddingBytes);
      at[d] = reinterpret_cast<int32_t*>(rows[d]->data());
    }
    for (int32_t i = 0; i < count; ++i) {
      const int32_t row = batch->PhysicalRow(i);
      const int d = subtask_of_group_[groups[row]];
      // Both lists are written, one advances: no branch to mispredict.
      at[0][used[0]] = row;
      at[1][used[1]] = row;
      used[0] += d == 0;
      used[1] += d;
    }
    for (int d = 0; d < 2; ++d) {
      if (used[d] == 0) continue;
      auto part = std::make_shared<Batch>(*batch);
      part->SetKeyGroups(groups_buffer);
      if (used[d] < physical) part->SetSelection(std::move(rows[d]), used[d]);
      Send(d, std::move(part));
    }
    return;
  }
  for (Destination& destination : destinations_) destination.rows.clear();
  for (int32_t i = 0; i < count; ++i) {
    const int32_t row = batch->PhysicalRow(i);
    destinations_[subtask_of_group_[groups[row]]].rows.push_back(row);
  }
  for (size_t d = 0; d < destinations_.size(); ++d) {
    Destination& destination = destinations_[d];
    if (destination.rows.empty()) continue;
    if (destination.builder == nullptr) {
      destination.builder =
          std::make_unique<BatchBuilder>(*pool_, edge_.type, settings_.batch_rows * 2);
    }
    destination.builder->AppendRows(*batch, destination.rows.data(),
                                    static_cast<int32_t>(destination.rows.size()),
                                    VectorBuilder::Strings::kKeep);
    for (int32_t row : destination.rows) destination.key_groups.push_back(groups[row]);
    holds_rows_ = true;
    if (destination.builder->num_rows() >= settings_.batch_rows) SendBuilt(static_cast<int>(d));
  }
}

void ExchangeNode::SendBuilt(int index) {
  Destination& destination = destinations_[static_cast<size_t>(index)];
  BatchPtr built = destination.builder->Finish();
  auto batch = std::make_shared<Batch>(*built);
  BufferPtr groups = pool_->Allocate(destination.key_groups.size() * 2 + Vector::kPaddingBytes);
  std::memcpy(groups->data(), destination.key_groups.data(), destination.key_groups.size() * 2);
  batch->SetKeyGroups(std::move(groups));
  destination.key_groups.clear();
  Send(index, std::move(batch));
}

void ExchangeNode::Flush() {
  if (!holds_rows_) return;
  holds_rows_ = false;
  for (size_t d = 0; d < destinations_.size(); ++d) {
    if (destinations_[d].builder != nullptr && destinations_[d].builder->num_rows() > 0) {
      SendBuilt(static_cast<int>(d));
    }
  }
}

}  // namespace millrace::runtime
