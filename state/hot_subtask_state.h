#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "runtime/api/state.h"
#include "state/cold_tier.h"
#include "state/file_chain.h"
#include "state/hot_table.h"

namespace millrace::state {

class StateLoader;

// What a subtask needs to evict. No budget: nothing is evicted.
struct ColdParts {
  std::shared_ptr<StateBudget> budget;
  std::function<runtime::Result<std::shared_ptr<ColdFamily>>()> make_family;
  std::function<std::string(const std::string& what)> new_path;  // of a file in the local folder
  runtime::FileSystem* local_files = nullptr;
};

// Holds the tables of one subtask: hot rows, and a cold tier if there is a budget. One thread, the owner's,
// but for Load and Open, which a thread that may block calls before the first row is used.
class HotSubtaskState final : public runtime::SubtaskState {
 public:
  HotSubtaskState(runtime::SubtaskStateOptions options, const runtime::Clock& clock,
                  ColdParts cold);
  ~HotSubtaskState() override;

  // Loads what the handles hold of this subtask's key groups. Blocks.
  runtime::Status Load(runtime::FileSystem& files);

  // ---- SubtaskState ----
  runtime::Result<runtime::KeyedTable*> Open(const std::string& operator_uid,
                                             const runtime::StateSpec& spec) override;
  void SetTime(int64_t now_ms) override;
  void Housekeep() override;
  void Freeze(int64_t checkpoint_id, bool full) override;
  bool CopySome(int64_t budget_nanos) override;
  std::unique_ptr<runtime::StateDelta> TakeDelta() override;
  void CheckpointEnded(int64_t id, std::unique_ptr<runtime::StateDelta> lost) override;
  int64_t used_bytes() const override;
  int64_t longest_slice_nanos() const override { return longest_slice_nanos_; }
  std::vector<std::string> UnclaimedStates() const override;

  const std::shared_ptr<FileChain>& chain() const { return chain_; }
  const std::vector<std::unique_ptr<HotTable>>& tables() const { return tables_; }
  // The table of a state that a file names, made if it is new.
  runtime::Result<HotTable*> TableFor(const StateIdentity& stored, const std::string& path);
  // Rows are being loaded, those of one key group after another's; between them some may be evicted.
  void BeginLoading();
  void KeyGroupLoaded(bool from_savepoint);
  void EndLoading();
 private:
  HotTable* Find(const std::string& operator_uid, const std::string& name) const;
  // Makes the table of a declared spec from one whose stored spec it converts from.
  void Convert(std::unique_ptr<HotTable>* table, std::shared_ptr<const StateIdentity> to);
  void NoteSlice(int64_t began_nanos);

  // ---- Eviction (hot_subtask_cold.cpp) ----
  int64_t evicted_rows() const;
  void EndBlocking();
  // Evicts at most about `most` rows if the share of the budget is, or soon will be, used up.
  void Evict(int64_t most);
  int64_t NoteHotBytes();
  // Puts copies of changed rows to disk that memory has no room for until the checkpoint.
  void SpillComing();
  void SpillCopied();
  void Spill(const std::shared_ptr<DeltaPart>& part);

  const runtime::SubtaskStateOptions options_;
  std::shared_ptr<runtime::MemoryPool> pool_;
  const ColdParts cold_parts_;
  SlotPool slots_;
  std::unique_ptr<ColdTier> cold_;  // null: nothing is evicted
  TableSurroundings surroundings_;
  std::vector<std::unique_ptr<HotTable>> tables_;
  std::vector<bool> claimed_;  // by table: opened by an operator
  std::shared_ptr<FileChain> chain_;

  // The checkpoint being copied, pieces of it that were spilled, and what no file holds yet of those
  // before it. And pieces of the coming one.
  std::shared_ptr<DeltaPart> frozen_;
  int64_t frozen_id_ = 0;
  std::vector<std::shared_ptr<DeltaPart>> frozen_pieces_;
  std::vector<std::shared_ptr<DeltaPart>> unwritten_;
  std::vector<std::shared_ptr<DeltaPart>> coming_pieces_;
  int64_t noted_hot_bytes_ = 0;
  bool running_ = false;
  uint64_t last_sequence_ = 0;
  size_t next_copied_ = 0;
  size_t next_house_ = 0;
  int64_t longest_slice_nanos_ = 0;
};

}  // namespace millrace::state
