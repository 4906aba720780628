// When a subtask evicts rows, and where copies of changed rows wait for their checkpoint.

#include <algorithm>

#include "runtime/types/check.h"
#include "state/hot_subtask_state.h"
#include "state/state_file.h"

namespace millrace::state {

using runtime::Status;

namespace {

constexpr int64_t kLeastRoomRows = 1024;
constexpr int64_t kMostRoomRows = 8192;

}  // namespace

int64_t HotSubtaskState::evicted_rows() const {
  if (cold_ == nullptr) return 0;
  int64_t rows = 0;
  for (const auto& table : tables_) rows += table->evicted_rows();
  return rows;
}

// From now on calls are the executor's.
void HotSubtaskState::EndBlocking() {
  if (running_ || cold_ == nullptr) return;
  running_ = true;
  cold_->SetBlocking(false);
}

int64_t HotSubtaskState::NoteHotBytes() {
  int64_t bytes = slots_.used_bytes();
  for (const auto& table : tables_) bytes += table->hot_bytes();
  cold_parts_.budget->NoteHot(bytes - noted_hot_bytes_);
  return noted_hot_bytes_ = bytes;
}

void HotSubtaskState::Evict(int64_t most) {
  (void)cold_->Poll().ok();  // the next Resolve returns it
  const StateBudget& budget = *cold_parts_.budget;
  int64_t bytes = NoteHotBytes();
  const int64_t share = budget.HotShare(bytes);
  if (bytes + share / 16 <= share) return;
  int64_t filter_bytes = 0;
  for (const auto& table : tables_) filter_bytes += table->filter_bytes();
  if (filter_bytes > budget.FilterBytes()) {
    for (const auto& table : tables_) table->DropFilter();
  }
  // Near the limit: room for the next rows within the pages that there are.
  for (const auto& table : tables_) {
    if (!table->can_evict()) continue;
    const int64_t wanted = std::clamp(table->hot_rows() / 16, kLeastRoomRows, kMostRoomRows);
    const int64_t missing = std::min(wanted - table->free_rows(), most);
    if (missing > 0) most -= table->EvictSome(static_cast<int32_t>(missing));
  }
  // Over it: whole pages go.
  while ((bytes = NoteHotBytes()) > share && most > 0 && cold_->can_put()) {
    HotTable* largest = nullptr;
    for (const auto& table : tables_) {
      if (!table->can_evict()) continue;
      if (largest == nullptr || table->hot_bytes() > largest->hot_bytes()) largest = table.get();
    }
    if (largest == nullptr) return;
    const int32_t rows = largest->EvictPage();
    if (rows < 0) return;
    most -= std::max(rows, 64);
  }
}

// ---- Loading ----

void HotSubtaskState::BeginLoading() {
  for (const auto& table : tables_) table->SetLoading(true);
}

void HotSubtaskState::KeyGroupLoaded(bool from_savepoint) {
  if (cold_ == nullptr) return;
  if (from_savepoint) {
    for (const auto& table : tables_) table->MarkLoaded();
  }
  int64_t before = 0;
  do {
    before = evicted_rows();
    Evict(INT64_MAX);
  } while (evicted_rows() != before);
}

void HotSubtaskState::EndLoading() {
  for (const auto& table : tables_) {
    table->MarkLoaded();
    table->SetLoading(false);
  }
}

// ---- Copies that wait ----

void HotSubtaskState::SpillComing() {
  uint64_t bytes = 0;
  for (const auto& table : tables_) bytes += table->coming_bytes();
  if (bytes <= cold_parts_.budget->DeltaBytes()) return;
  auto piece = std::make_shared<DeltaPart>();
  for (const auto& table : tables_) {
    piece->tables.push_back({table->identity(), table->record_shape(), table->TakeComing()});
  }
  piece->CountBytes();
  coming_pieces_.push_back(piece);
  Spill(piece);
}

void HotSubtaskState::SpillCopied() {
  uint64_t bytes = 0;
  for (const auto& table : tables_) bytes += table->copied_bytes();
  if (bytes <= cold_parts_.budget->DeltaBytes()) return;
  auto piece = std::make_shared<DeltaPart>();
  piece->full = frozen_->full;
  for (const auto& table : tables_) {
    piece->tables.push_back({table->identity(), table->record_shape(), table->TakeCopied()});
  }
  piece->CountBytes();
  frozen_pieces_.push_back(piece);
  Spill(piece);
}

void HotSubtaskState::Spill(const std::shared_ptr<DeltaPart>& part) {
  if (part->spilling.exchange(true)) return;
  cold_->RunIo([part, path = cold_parts_.new_path("delta"), files = cold_parts_.local_files,
                key_groups = options_.key_groups] {
    const std::lock_guard lock(part->mutex);
    if (part->written.load()) return;
    const auto write = [&]() -> Status {
      ASSIGN_OR_RETURN(auto file,
                       StateFileWriter::Create(*files, path, StateFileType::kCheckpoint));
      for (const TablePart& table : part->tables) {
        RETURN_IF_ERROR(file->AddTable(key_groups, table));
      }
      return file->FinishUnsynced();
    };
    auto spill = std::make_unique<SpillFile>(SpillFile{files, path});
    if (!write().ok())
      return;  // it stays in memory; the disk fails the job by other ways, or recovers
    part->spill = std::move(spill);
    for (TablePart& table : part->tables) table.rows.Clear();
  });
}

}  // namespace millrace::state
