#include "state/hot_subtask_state.h"

#include <algorithm>

#include "runtime/types/check.h"
#include "state/savepoint_row.h"
#include "state/state_identity.h"
#include "state/state_loader.h"

namespace millrace::state {

using runtime::Status;

namespace {
constexpr int64_t kMostEvicted = 4096;  // a call of Housekeep: about 0.3 ms
}

HotSubtaskState::HotSubtaskState(runtime::SubtaskStateOptions options, const runtime::Clock& clock,
                                 ColdParts cold)
    : options_(std::move(options)),
      pool_(options_.pool),
      cold_parts_(std::move(cold)),
      slots_(*pool_, cold_parts_.budget != nullptr && cold_parts_.budget->sparing()) {
  CHECK_THAT_HOLDS(pool_ != nullptr);
  surroundings_.key_groups = options_.key_groups;
  surroundings_.max_parallelism = options_.max_parallelism;
  surroundings_.pool = pool_.get();
  surroundings_.slots = &slots_;
  surroundings_.clock = &clock;
  surroundings_.now_ms = clock.NowMs();
  chain_ = std::make_shared<FileChain>(options_.key_groups, std::vector<ChainSegment>());
  if (cold_parts_.budget == nullptr) return;
  surroundings_.sparing = cold_parts_.budget->sparing();
  cold_parts_.budget->Join();
  cold_ = std::make_unique<ColdTier>(ColdTier::Options{
      cold_parts_.budget, cold_parts_.make_family, options_.run_io, options_.waker});
  surroundings_.cold = cold_.get();
}

HotSubtaskState::~HotSubtaskState() {
  if (cold_ != nullptr) cold_parts_.budget->Leave(noted_hot_bytes_);
}

HotTable* HotSubtaskState::Find(const std::string& operator_uid, const std::string& name) const {
  for (const auto& table : tables_) {
    if (table->identity()->operator_uid == operator_uid && table->spec().name == name) {
      return table.get();
    }
  }
  return nullptr;
}

// ---- Restoring ----

Status HotSubtaskState::Load(runtime::FileSystem& files) {
  if (options_.restore.empty()) return Status::Ok();
  std::vector<ChainSegment> segments;
  bool from_savepoint = false;
  for (const runtime::StateHandle& handle : options_.restore) {
    ASSIGN_OR_RETURN(HandleContents contents, HandleContents::Decode(handle));
    from_savepoint |= contents.savepoint;
    for (ChainSegment& segment : contents.segments) {
      segment.key_groups.first = std::max(segment.key_groups.first, options_.key_groups.first);
      segment.key_groups.last = std::min(segment.key_groups.last, options_.key_groups.last);
      if (segment.key_groups.first > segment.key_groups.last) continue;
      segments.push_back(std::move(segment));
    }
  }
  ASSIGN_OR_RETURN(const auto loader, StateLoader::Open(files, segments, options_.key_groups));
  RETURN_IF_ERROR(loader->MakeTables(this));
  BeginLoading();
  for (int group = options_.key_groups.first; group <= options_.key_groups.last; ++group) {
    RETURN_IF_ERROR(loader->LoadKeyGroup(group, this, *pool_));
    KeyGroupLoaded(from_savepoint);
  }
  EndLoading();
  // Key groups that no handle covers would be missing from the next handle.
  int64_t covered = 0;
  for (const ChainSegment& segment : segments) {
    covered += segment.key_groups.last - segment.key_groups.first + 1;
  }
  const bool whole = covered == options_.key_groups.last - options_.key_groups.first + 1;
  chain_ = std::make_shared<FileChain>(options_.key_groups, std::move(segments));
  // A savepoint belongs to the user: nothing later may depend on it.
  if (from_savepoint || !whole) chain_->RequireBase();
  return Status::Ok();
}

runtime::Result<HotTable*> HotSubtaskState::TableFor(const StateIdentity& stored,
                                                     const std::string& path) {
  HotTable* table = Find(stored.operator_uid, stored.spec.name);
  if (table == nullptr) {
    tables_.push_back(std::make_unique<HotTable>(std::make_shared<const StateIdentity>(stored),
                                                 surroundings_));
    claimed_.push_back(false);
    return tables_.back().get();
  }
  if (FitOf(stored.spec, table->spec()) != Fit::kSame) {
    return Status::External("state files of one checkpoint disagree about the types of a state: "
                            "operator " + stored.operator_uid + ", state " + stored.spec.name +
                            ", file " + path,
                            runtime::Retry::kNo);
  }
  return table;
}

runtime::Result<runtime::KeyedTable*> HotSubtaskState::Open(const std::string& operator_uid,
                                                            const runtime::StateSpec& spec) {
  if (spec.kind > runtime::StateKind::kOrdered) {
    return Status::Internal("state kind is not built yet: " + Describe(spec) + ", operator " +
                            operator_uid + ", state " + spec.name);
  }
  auto identity = std::make_shared<const StateIdentity>(StateIdentity{operator_uid, spec});
  for (size_t i = 0; i < tables_.size(); ++i) {
    HotTable& table = *tables_[i];
    if (table.identity()->operator_uid != operator_uid || table.spec().name != spec.name) continue;
    const Fit fit = FitOf(table.spec(), spec);
    if (claimed_[i]) {
      if (fit != Fit::kSame) {
        return Status::Internal("state is declared twice with different types: operator " +
                                operator_uid + ", state " + spec.name);
      }
      return &table;
    }
    if (fit == Fit::kDifferent) {
      return Status::User("state does not fit what the operator declares now: operator " +
                          operator_uid + ", state " + spec.name + "; stored: " +
                          Describe(table.spec()) + "; declared: " + Describe(spec));
    }
    claimed_[i] = true;
    if (fit == Fit::kConverts || !(table.spec().ttl_ms == spec.ttl_ms &&
                                   table.spec().value == spec.value)) {
      Convert(&tables_[i], identity);
    }
    return tables_[i].get();
  }
  tables_.push_back(std::make_unique<HotTable>(identity, surroundings_));
  claimed_.push_back(true);
  return tables_.back().get();
}

void HotSubtaskState::Convert(std::unique_ptr<HotTable>* table,
                              std::shared_ptr<const StateIdentity> to) {
  auto converted = std::make_unique<HotTable>(to, surroundings_);
  CopyTable(table->get(), converted.get(), *pool_);
  converted->MarkLoaded();
  *table = std::move(converted);
  chain_->RequireBase();  // the files hold the old layout
  if (cold_ != nullptr) Evict(INT64_MAX);
}

std::vector<std::string> HotSubtaskState::UnclaimedStates() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (!claimed_[i]) {
      names.push_back(tables_[i]->identity()->operator_uid + "/" + tables_[i]->spec().name);
    }
  }
  return names;
}

// ---- Running ----

void HotSubtaskState::SetTime(int64_t now_ms) {
  surroundings_.now_ms = now_ms;
  if (cold_ != nullptr) cold_->SetTime(now_ms);
}

void HotSubtaskState::Housekeep() {
  if (tables_.empty()) return;
  if (cold_ != nullptr) {
    EndBlocking();
    Evict(kMostEvicted);
    SpillComing();
  }
  // One table a call: each piece is bounded, and so is the call.
  next_house_ = next_house_ + 1 < tables_.size() ? next_house_ + 1 : 0;
  tables_[next_house_]->KeepHouse();
}

int64_t HotSubtaskState::used_bytes() const {
  int64_t bytes = slots_.used_bytes();
  for (const auto& table : tables_) bytes += table->used_bytes();
  return bytes;
}

void HotSubtaskState::NoteSlice(int64_t began_nanos) {
  longest_slice_nanos_ =
      std::max(longest_slice_nanos_, surroundings_.clock->MonotonicNanos() - began_nanos);
}

// ---- Checkpoints ----

void HotSubtaskState::Freeze(int64_t checkpoint_id, bool full) {
  CHECK_THAT_HOLDS(frozen_ == nullptr);
  const int64_t began = surroundings_.clock->MonotonicNanos();
  EndBlocking();
  std::erase_if(unwritten_, [](const auto& part) { return part->written.load(); });
  if (evicted_rows() > 0) {
    // Not all of it is in memory: a base is made of files, by Write or Compact. What failed checkpoints
    // left waits on disk.
    full = false;
    for (const auto& part : unwritten_) Spill(part);
  } else {
    uint64_t unwritten_bytes = 0;
    for (const auto& part : unwritten_) unwritten_bytes += part->size_bytes();
    // Failed checkpoints pile up: once they outweigh the state, all of it is the smaller delta.
    full = full || chain_->WantsBase() ||
           static_cast<int64_t>(unwritten_bytes) > std::max<int64_t>(used_bytes(), 1 << 20);
    for (const auto& part : unwritten_) full = full || part->full;
  }
  for (auto& piece : coming_pieces_) unwritten_.push_back(std::move(piece));
  coming_pieces_.clear();
  frozen_ = std::make_shared<DeltaPart>();
  frozen_id_ = checkpoint_id;
  frozen_->full = full;
  for (const auto& table : tables_) table->Freeze(full);
  next_copied_ = 0;
  NoteSlice(began);
}

bool HotSubtaskState::CopySome(int64_t budget_nanos) {
  CHECK_THAT_HOLDS(frozen_ != nullptr);
  const int64_t began = surroundings_.clock->MonotonicNanos();
  const int64_t deadline = began + budget_nanos;
  while (next_copied_ < tables_.size() && tables_[next_copied_]->CopySome(deadline)) {
    ++next_copied_;
  }
  if (cold_ != nullptr) SpillCopied();
  NoteSlice(began);
  return next_copied_ == tables_.size();
}

std::unique_ptr<runtime::StateDelta> HotSubtaskState::TakeDelta() {
  CHECK_THAT_HOLDS(frozen_ != nullptr && next_copied_ == tables_.size());
  for (const auto& table : tables_) {
    frozen_->tables.push_back({table->identity(), table->record_shape(), table->TakeDelta()});
  }
  frozen_->CountBytes();
  if (frozen_->full) unwritten_.clear();  // it holds all of them
  for (auto& piece : frozen_pieces_) unwritten_.push_back(std::move(piece));
  frozen_pieces_.clear();
  unwritten_.push_back(std::move(frozen_));
  auto delta = std::make_unique<SubtaskDelta>();
  delta->key_groups = options_.key_groups;
  delta->max_parallelism = options_.max_parallelism;
  delta->sequence = ++last_sequence_;
  delta->parts = unwritten_;
  delta->chain = chain_;
  return delta;
}

void HotSubtaskState::CheckpointEnded(int64_t id, std::unique_ptr<runtime::StateDelta> lost) {
  // A delta that was taken stands in unwritten_ until a file holds it, so `lost` needs no work: the
  // next delta carries its parts too.
  if (frozen_ == nullptr || frozen_id_ != id) return;  // a later one may be frozen by now
  for (const auto& table : tables_) {
    table->Thaw();
    frozen_->tables.push_back({table->identity(), table->record_shape(), table->TakeDelta()});
  }
  frozen_->CountBytes();
  // Half a base is a delta: what it copied, and the rest counts as changed again.
  for (auto& piece : frozen_pieces_) {
    piece->full = false;
    unwritten_.push_back(std::move(piece));
  }
  frozen_pieces_.clear();
  frozen_->full = false;
  unwritten_.push_back(std::move(frozen_));
}

}  // namespace millrace::state
