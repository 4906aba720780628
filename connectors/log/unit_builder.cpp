#include "connectors/log/unit_builder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "runtime/types/check.h"

namespace millrace::connectors {

using runtime::Status;

namespace {
constexpr int32_t kNoSlot = -1;
constexpr int32_t kNotDeclared = -2;
BufferPool& Buffers() {
  static BufferPool* pool = new BufferPool(64 << 20);
  return *pool;
}
}  // namespace

struct BufferPool::State {
  std::mutex mutex;
  size_t kept_bytes_max;
  size_t kept_bytes = 0;
  std::multimap<size_t, std::unique_ptr<PageBuffer>> kept;  // by capacity
};

BufferPool::BufferPool(size_t kept_bytes_max) : state_(std::make_shared<State>()) {
  state_->kept_bytes_max = kept_bytes_max;
}
BufferPool::~BufferPool() = default;

std::shared_ptr<PageBuffer> BufferPool::Take(size_t length) {
  // A quarter of a power of two is the step, so that little is wasted in the tail cache.
  const size_t step = std::max(kSegmentPageBytes, std::bit_ceil(length) / 4);
  const size_t capacity = AlignTo(length, step);
  std::unique_ptr<PageBuffer> buffer;
  {
    std::lock_guard lock(state_->mutex);
    const auto found = state_->kept.find(capacity);
    if (found != state_->kept.end()) {
      buffer = std::move(found->second);
      state_->kept.erase(found);
      state_->kept_bytes -= capacity;
    }
  }
  if (buffer == nullptr) buffer = std::make_unique<PageBuffer>(capacity);
  return std::shared_ptr<PageBuffer>(buffer.release(), [state = state_](PageBuffer* raw) {
    std::unique_ptr<PageBuffer> owned(raw);
    std::lock_guard lock(state->mutex);
    if (state->kept_bytes + owned->capacity() > state->kept_bytes_max) return;
    state->kept_bytes += owned->capacity();
    state->kept.emplace(owned->capacity(), std::move(owned));
  });
}

int32_t UnitBuilder::SlotOf(ShardNumber shard, uint64_t transaction, const ShardIndex& index) {
  if (shard >= slot_of_shard_.size()) slot_of_shard_.resize(shard + 1, kNoSlot);
  if (transaction == 0 && slot_of_shard_[shard] != kNoSlot) return slot_of_shard_[shard];
  if (transaction != 0) {
    const auto found = transaction_slots_.find({shard, transaction});
    if (found != transaction_slots_.end()) return found->second;
  }
  const ShardState* state = index.Find(shard);
  int32_t slot = kNotDeclared;
  if (state != nullptr) {
    slot = static_cast<int32_t>(slots_.size());
    slots_.push_back({shard, transaction, 0, 0, nullptr, state->next_counter});
  }
  if (transaction == 0) {
    slot_of_shard_[shard] = slot;
    touched_.push_back(shard);
  } else {
    transaction_slots_[{shard, transaction}] = slot;
  }
  return slot;
}

bool UnitBuilder::AdmitTransaction(PendingCall* call, ShardIndex* index, int64_t time_ms,
                                   uint64_t* number) {
  const std::string& id = call->batch.transaction();
  auto open = open_.find(id);
  if (open == open_.end()) {
    const TransactionRecord* known = index->FindTransaction(id);
    if (known != nullptr && known->info.state != TransactionState::kOpen) {
      const bool committed = known->info.state == TransactionState::kCommitted;
      call->status = Status::User(
          std::string(committed ? kTransactionIsCommitted : kTransactionIsAborted) + ": " + id);
      return false;
    }
    OpenTransaction fresh{};
    if (known != nullptr) {
      fresh = {known->number, known->info.last_batch, known->info.begun_ms, false};
    } else {
      fresh = {index->NewTransactionNumber(), 0, time_ms, false};
    }
    open = open_.emplace(id, fresh).first;
  }
  const uint64_t batch = call->batch.transaction_batch();
  if (batch != 0 && batch <= open->second.last_batch) return false;  // stored before: OK as it is
  *number = open->second.number;
  open->second.last_batch = std::max(open->second.last_batch, batch);
  open->second.stored = true;
  return true;
}

void UnitBuilder::AdmitAppend(PendingCall* call, ShardIndex* index, int64_t time_ms) {
  const auto& entries = call->batch.entries();
  uint64_t transaction = 0;
  for (const auto& entry : entries) {
    const bool cached = entry.shard < slot_of_shard_.size() && slot_of_shard_[entry.shard] >= 0;
    if (!cached && index->Find(entry.shard) == nullptr) {
      call->status = Status::User("shard no longer exists: " + std::to_string(entry.shard));
      return;
    }
  }
  if (!call->batch.transaction().empty() && !AdmitTransaction(call, index, time_ms, &transaction)) {
    call->batch.Clear();
    return;
  }
  for (const auto& entry : entries) {
    const int32_t index_of_slot = SlotOf(entry.shard, transaction, *index);
    Slot& slot = slots_[index_of_slot];
    ++slot.records;
    slot.bytes += entry.length;
    entry_slots_.push_back(index_of_slot);
  }
}

void UnitBuilder::AddNote(RunKind kind, const TransactionNote& note,
                          std::vector<std::string>* notes, int64_t time_ms) {
  const std::string body = EncodeNote(note);
  RunHead head{};
  head.kind = kind;
  head.transaction = note.number;
  head.time_ms = time_ms;
  head.body_bytes = static_cast<uint32_t>(body.size());
  notes->push_back(std::string(reinterpret_cast<const char*>(&head), sizeof(head)) + body);
}

void UnitBuilder::AdmitEnd(PendingCall* call, ShardIndex* index, int64_t time_ms) {
  const auto ended = ended_.find(call->id);
  if (ended != ended_.end()) {
    const bool same = (ended->second == TransactionOutcome::kCommitted) == call->commit;
    call->outcome = same ? TransactionOutcome::kAlreadyDone : ended->second;
    return;
  }
  const TransactionRecord* known = index->FindTransaction(call->id);
  const auto open = open_.find(call->id);
  const bool open_now = open != open_.end() && open->second.stored;
  if (!open_now && known == nullptr) {
    call->outcome = TransactionOutcome::kUnknown;
    return;
  }
  if (!open_now && known->info.state != TransactionState::kOpen) {
    const bool committed = known->info.state == TransactionState::kCommitted;
    call->outcome = committed == call->commit ? TransactionOutcome::kAlreadyDone
                    : committed               ? TransactionOutcome::kCommitted
                                              : TransactionOutcome::kAborted;
    return;
  }
  TransactionNote note;
  note.id = call->id;
  note.number = open_now ? open->second.number : known->number;
  note.begun_ms = open_now ? open->second.begun_ms : known->info.begun_ms;
  if (call->commit) {
    std::map<ShardNumber, uint64_t> records;
    if (known != nullptr && known->number == note.number) {
      for (const auto& [shard, extents] : known->extents) {
        for (const Extent& extent : extents) records[shard] += extent.records;
      }
    }
    for (const Slot& slot : slots_) {
      if (slot.transaction == note.number) records[slot.shard] += slot.records;
    }
    for (const auto& [shard, count] : records) {
      // The visible slot of the shard, made if need be, knows the next counter of this unit.
      const int32_t index_of_slot = SlotOf(shard, 0, *index);
      if (index_of_slot < 0) continue;
      Slot& slot = slots_[index_of_slot];
      note.shards.push_back({shard, slot.next_counter, count});
      slot.next_counter += count;
    }
  }
  ended_[call->id] = call->commit ? TransactionOutcome::kCommitted : TransactionOutcome::kAborted;
  AddNote(call->commit ? RunKind::kTransactionCommit : RunKind::kTransactionAbort, note,
          &notes_after_, time_ms);
}

BuiltUnit UnitBuilder::Build(std::vector<PendingCall>* calls, ShardIndex* index, int64_t time_ms,
                             uint64_t sequence) {
  slots_.clear();
  for (const ShardNumber shard : touched_) slot_of_shard_[shard] = kNoSlot;
  touched_.clear();
  transaction_slots_.clear();
  entry_slots_.clear();
  open_.clear();
  ended_.clear();
  notes_before_.clear();
  notes_after_.clear();
  std::vector<std::pair<PendingCall*, size_t>> appends;  // with the first of entry_slots_
  for (PendingCall& call : *calls) {
    if (call.append_done == nullptr) continue;
    const size_t first = entry_slots_.size();
    AdmitAppend(&call, index, time_ms);
    if (entry_slots_.size() > first) appends.emplace_back(&call, first);
  }
  for (const auto& [id, open] : open_) {
    if (!open.stored) continue;
    AddNote(RunKind::kTransactionPut, {open.number, open.last_batch, open.begun_ms, id, {}},
            &notes_before_, time_ms);
  }

  BuiltUnit unit;
  // Copy the records first, then the commits: their counters follow those of the records.
  size_t used = sizeof(UnitHead);
  for (const std::string& note : notes_before_) used += AlignTo(note.size(), 8);
  const size_t records_at = used;
  for (const Slot& slot : slots_) used += AlignTo(sizeof(RunHead) + slot.bytes, 8);
  const size_t notes_at = used;
  const size_t record_slots = slots_.size();
  std::vector<RecordCounter> first_counters(record_slots);
  for (size_t i = 0; i < record_slots; ++i) {
    first_counters[i] = slots_[i].next_counter;
    if (slots_[i].transaction == 0) slots_[i].next_counter += slots_[i].records;
  }
  for (PendingCall& call : *calls) {
    if (call.end_done != nullptr) AdmitEnd(&call, index, time_ms);
  }
  for (const std::string& note : notes_after_) used += AlignTo(note.size(), 8);
  if (used == sizeof(UnitHead) && !calls->empty()) return unit;

  unit.length = AlignTo(used, kSegmentPageBytes);
  unit.buffer = Buffers().Take(kSegmentPageBytes + unit.length);
  char* const base = unit.unit();
  uint32_t runs = 0;
  const auto place_notes = [&](const std::vector<std::string>& notes, char* at) {
    for (const std::string& note : notes) {
      std::memcpy(at, note.data(), note.size());
      std::memset(at + note.size(), 0, AlignTo(note.size(), 8) - note.size());
      at += AlignTo(note.size(), 8);
      ++runs;
    }
  };
  place_notes(notes_before_, base + sizeof(UnitHead));
  char* at = base + records_at;
  for (size_t i = 0; i < record_slots; ++i) {
    Slot& slot = slots_[i];
    RunHead head{};
    head.shard = slot.shard;
    head.kind = slot.transaction == 0 ? RunKind::kRecords : RunKind::kTransactionRecords;
    head.first_counter = slot.transaction == 0 ? first_counters[i] : 0;
    head.transaction = slot.transaction;
    head.time_ms = time_ms;
    head.records = slot.records;
    head.body_bytes = slot.bytes;
    std::memcpy(at, &head, sizeof(head));
    slot.at = at + sizeof(head);
    slot.next_counter = first_counters[i];
    const size_t whole = AlignTo(sizeof(head) + slot.bytes, 8);
    std::memset(at + sizeof(head) + slot.bytes, 0, whole - sizeof(head) - slot.bytes);
    at += whole;
    unit.records += slot.records;
    ++runs;
  }
  for (const auto& [call, first] : appends) {
    const char* from = call->batch.bytes();
    const int32_t* slot_of_entry = entry_slots_.data() + first;
    for (auto& entry : call->batch.mutable_entries()) {
      Slot& slot = slots_[*slot_of_entry++];
      std::memcpy(slot.at, from + entry.offset, entry.length);
      slot.at += entry.length;
      if (slot.transaction == 0) entry.counter = slot.next_counter++;
    }
  }
  place_notes(notes_after_, base + notes_at);
  std::memset(base + used, 0, unit.length - used);
  UnitHead head{};
  head.sequence = sequence;
  head.time_ms = time_ms;
  head.length = static_cast<uint32_t>(unit.length);
  head.used = static_cast<uint32_t>(used);
  head.runs = runs;
  head.records = unit.records;
  std::memcpy(base, &head, sizeof(head));
  return unit;
}

void UnitBuilder::Seal(const BuiltUnit& unit, uint64_t generation) {
  char* const base = unit.unit();
  UnitHead head;
  std::memcpy(&head, base, sizeof(head));
  size_t at = sizeof(UnitHead);
  for (uint32_t i = 0; i < head.runs; ++i) {
    RunHead run;
    std::memcpy(&run, base + at, sizeof(run));
    SealRun(generation, base + at);
    at = AlignTo(at + sizeof(run) + run.body_bytes, 8);
  }
  head.generation = generation;
  SealUnitHead(&head);
  std::memcpy(base, &head, sizeof(head));
}

}  // namespace millrace::connectors
