#include "connectors/log/shard_index.h"
#include "runtime/types/crc32c.h"

#include <algorithm>


namespace millrace::connectors {

using runtime::Status;

void ShardIndex::DeclareShard(ShardNumber shard, int64_t retention_ms) {
  auto [entry, is_new] = shards_.try_emplace(shard);
  entry->second.retention_ms = retention_ms;
  const auto saved = saved_counters_.find(shard);
  if (saved != saved_counters_.end()) {
    entry->second.next_counter = std::max(entry->second.next_counter, saved->second);
    saved_counters_.erase(saved);
  }
}

void ShardIndex::DropShard(ShardNumber shard) {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return;
  for (const Extent& extent : found->second.extents) Release(extent);
  shards_.erase(found);
  for (auto& [id, record] : transactions_) {
    const auto part = record.extents.find(shard);
    if (part == record.extents.end()) continue;
    for (const Extent& extent : part->second) Release(extent);
    record.extents.erase(part);
  }
}

const ShardState* ShardIndex::Find(ShardNumber shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? nullptr : &found->second;
}

void ShardIndex::AddRecords(ShardNumber shard, const Extent& extent) {
  const auto found = shards_.find(shard);
  if (found == shards_.end()) return;
  ShardState& state = found->second;
  state.next_counter = std::max(state.next_counter, extent.end_counter());
  state.last_time_ms = std::max(state.last_time_ms, extent.last_time_ms);
  if (Covers(state.extents, extent.first_counter)) return;
  Retain(extent);
  Insert(extent, &state.extents);
}

void ShardIndex::Insert(const Extent& extent, std::deque<Extent>* extents) {
  if (extents->empty() || extents->back().first_counter < extent.first_counter) {
    extents->push_back(extent);  // always, but for recovery with clusters
    return;
  }
  const auto at = std::upper_bound(
      extents->begin(), extents->end(), extent.first_counter,
      [](RecordCounter counter, const Extent& other) { return counter < other.first_counter; });
  extents->insert(at, extent);
}

bool ShardIndex::Covers(const std::deque<Extent>& extents, RecordCounter counter) {
  if (extents.empty() || extents.back().end_counter() <= counter) return false;
  const auto after = std::upper_bound(
      extents.begin(), extents.end(), counter,
      [](RecordCounter counter, const Extent& other) { return counter < other.first_counter; });
  return after != extents.begin() && std::prev(after)->end_counter() > counter;
}

void ShardIndex::AddTransactionRecords(ShardNumber shard, uint64_t transaction,
                                       const Extent& extent) {
  const auto id = open_ids_.find(transaction);
  if (id == open_ids_.end() || !shards_.contains(shard)) return;
  TransactionRecord& record = transactions_.find(id->second)->second;
  Retain(extent);
  record.extents[shard].push_back(extent);
  record.info.records += extent.records;
  record.info.size_bytes += extent.bytes;
}

TransactionRecord& ShardIndex::Named(const TransactionNote& note) {
  TransactionRecord& record = transactions_[note.id];
  if (record.number != note.number) {
    ReleaseTransaction(&record);
    record = {};
    record.info.id = note.id;
    record.info.begun_ms = note.begun_ms;
    record.number = note.number;
    open_ids_[note.number] = note.id;
    last_transaction_ = std::max(last_transaction_, note.number);
  }
  return record;
}

void ShardIndex::ApplyPut(const TransactionNote& note) {
  TransactionRecord& record = Named(note);
  if (record.info.state != TransactionState::kOpen) {
    // Recovery: the saved state knows the end already, the segments tell the story again.
    ReleaseTransaction(&record);
    record.info = {.id = note.id, .begun_ms = note.begun_ms};
    open_ids_[note.number] = note.id;
  }
  record.info.last_batch = std::max(record.info.last_batch, note.last_batch);
}

void ShardIndex::ApplyCommit(const TransactionNote& note, int64_t time_ms) {
  TransactionRecord& record = Named(note);
  for (const CommittedShard& given : note.shards) {
    const auto found = shards_.find(given.shard);
    if (found == shards_.end()) continue;
    ShardState& state = found->second;
    const auto part = record.extents.find(given.shard);
    uint64_t present = 0;
    if (part != record.extents.end()) {
      for (const Extent& extent : part->second) present += extent.records;
    }
    // Segments are freed from the oldest on, so if records are gone, they are the first ones.
    RecordCounter counter =
        given.first_counter + (given.records - std::min(given.records, present));
    if (part != record.extents.end()) {
      for (Extent extent : part->second) {
        extent.first_counter = counter;
        extent.time_ms = extent.last_time_ms = time_ms;
        counter += extent.records;
        if (Covers(state.extents, extent.first_counter)) {
          Release(extent);
        } else {
          Insert(extent, &state.extents);  // already retained
        }
      }
      record.extents.erase(part);
    }
    state.next_counter = std::max(state.next_counter, given.first_counter + given.records);
    state.last_time_ms = std::max(state.last_time_ms, time_ms);
  }
  ReleaseTransaction(&record);
  record.info.state = TransactionState::kCommitted;
  record.info.ended_ms = time_ms;
}

void ShardIndex::ApplyAbort(const TransactionNote& note, int64_t time_ms) {
  TransactionRecord& record = Named(note);
  ReleaseTransaction(&record);
  record.info.state = TransactionState::kAborted;
  record.info.ended_ms = time_ms;
}

void ShardIndex::ReleaseTransaction(TransactionRecord* record) {
  for (const auto& [shard, extents] : record->extents) {
    for (const Extent& extent : extents) Release(extent);
  }
  record->extents.clear();
  open_ids_.erase(record->number);
}

TransactionRecord* ShardIndex::FindTransaction(const std::string& id) {
  const auto found = transactions_.find(id);
  return found == transactions_.end() ? nullptr : &found->second;
}

std::vector<TransactionInfo> ShardIndex::ListTransactions(std::string_view prefix) const {
  std::vector<TransactionInfo> found;
  for (auto at = transactions_.lower_bound(prefix); at != transactions_.end(); ++at) {
    if (!std::string_view(at->first).starts_with(prefix)) break;
    found.push_back(at->second.info);
  }
  return found;
}

std::vector<std::string> ShardIndex::OpenTransactionsBefore(int64_t begun_ms) const {
  std::vector<std::string> ids;
  for (const auto& [number, id] : open_ids_) {
    if (transactions_.find(id)->second.info.begun_ms < begun_ms) ids.push_back(id);
  }
  return ids;
}

void ShardIndex::Expire(int64_t now_ms, int64_t forget_before_ms) {
  for (auto& [number, state] : shards_) {
    while (!state.extents.empty() &&
           state.extents.front().last_time_ms < now_ms - state.retention_ms) {
      Release(state.extents.front());
      state.extents.pop_front();
    }
  }
  for (auto at = transactions_.begin(); at != transactions_.end();) {
    const TransactionInfo& info = at->second.info;
    const bool old = info.state != TransactionState::kOpen && info.ended_ms < forget_before_ms;
    at = old ? transactions_.erase(at) : std::next(at);
  }
}

ShardIndex::Live ShardIndex::LiveIn(uint64_t generation) const {
  const auto found = live_.find(generation);
  return found == live_.end() ? Live{} : found->second;
}

std::map<ShardNumber, std::vector<Extent>> ShardIndex::ExtentsOf(uint64_t generation) const {
  std::map<ShardNumber, std::vector<Extent>> found;
  for (const auto& [shard, state] : shards_) {
    for (const Extent& extent : state.extents) {
      if (extent.generation == generation) found[shard].push_back(extent);
    }
  }
  return found;
}

void ShardIndex::MoveExtents(ShardNumber shard, const std::vector<Extent>& from,
                             const std::vector<Extent>& to) {
  const auto found = shards_.find(shard);
  if (found == shards_.end() || found->second.extents.empty()) return;
  std::deque<Extent>& extents = found->second.extents;
  const RecordCounter first_live = extents.front().first_counter;
  std::deque<Extent> kept;
  size_t next_from = 0;
  for (const Extent& extent : extents) {
    while (next_from < from.size() && from[next_from].first_counter < extent.first_counter) {
      ++next_from;
    }
    if (next_from < from.size() && from[next_from].first_counter == extent.first_counter) {
      Release(extent);
    } else {
      kept.push_back(extent);
    }
  }
  std::deque<Extent> merged;
  auto at = kept.begin();
  for (const Extent& extent : to) {
    if (extent.end_counter() <= first_live) continue;
    Retain(extent);
    while (at != kept.end() && at->first_counter < extent.first_counter) merged.push_back(*at++);
    merged.push_back(extent);
  }
  merged.insert(merged.end(), at, kept.end());
  extents = std::move(merged);
}

std::string ShardIndex::EncodeState() const {
  ByteWriter writer;
  writer.U64(last_transaction_);
  writer.U32(static_cast<uint32_t>(shards_.size()));
  for (const auto& [shard, state] : shards_) {
    writer.U32(shard);
    writer.U64(state.next_counter);
  }
  uint32_t ended = 0;
  for (const auto& [id, record] : transactions_) {
    if (record.info.state != TransactionState::kOpen) ++ended;
  }
  writer.U32(ended);
  for (const auto& [id, record] : transactions_) {
    if (record.info.state == TransactionState::kOpen) continue;
    writer.Text(id);
    writer.U64(record.number);
    writer.U32(static_cast<uint32_t>(record.info.state));
    writer.U64(record.info.records);
    writer.U64(record.info.size_bytes);
    writer.U64(record.info.last_batch);
    writer.U64(static_cast<uint64_t>(record.info.begun_ms));
    writer.U64(static_cast<uint64_t>(record.info.ended_ms));
  }
  ByteWriter framed;
  framed.U32(kFormatVersion);
  framed.U32(runtime::Crc32c(writer.bytes().data(), writer.bytes().size()));
  return framed.bytes() + writer.bytes();
}

Status ShardIndex::DecodeState(std::string_view bytes) {
  if (bytes.empty()) return Status::Ok();
  ByteReader reader(bytes);
  const uint32_t version = reader.U32();
  const uint32_t crc = reader.U32();
  if (version != kFormatVersion) {
    return Status::User("format version is not known to this program: " + std::to_string(version));
  }
  if (!reader.ok() || crc != runtime::Crc32c(bytes.data() + 8, bytes.size() - 8)) {
    return Status::Internal("checksum is wrong");
  }
  last_transaction_ = reader.U64();
  const uint32_t shards = reader.U32();
  for (uint32_t i = 0; i < shards && reader.ok(); ++i) {
    const ShardNumber shard = reader.U32();
    saved_counters_[shard] = reader.U64();
  }
  const uint32_t ended = reader.U32();
  for (uint32_t i = 0; i < ended && reader.ok(); ++i) {
    TransactionRecord record;
    record.info.id = reader.Text();
    record.number = reader.U64();
    record.info.state = static_cast<TransactionState>(reader.U32());
    record.info.records = reader.U64();
    record.info.size_bytes = reader.U64();
    record.info.last_batch = reader.U64();
    record.info.begun_ms = static_cast<int64_t>(reader.U64());
    record.info.ended_ms = static_cast<int64_t>(reader.U64());
    const std::string id = record.info.id;
    transactions_[id] = std::move(record);
  }
  if (!reader.ok()) return Status::Internal("file is too short");
  return Status::Ok();
}

}  // namespace millrace::connectors
