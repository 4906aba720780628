#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "runtime/api/state.h"
#include "state/file_chain.h"
#include "state/hot_table.h"

namespace millrace::state {

// Holds the tables of one subtask in memory. One thread, the owner's, but for Load, which an IO thread
// calls before it hands the object over.
class HotSubtaskState final : public runtime::SubtaskState {
 public:
  HotSubtaskState(runtime::SubtaskStateOptions options, const runtime::Clock& clock);
  ~HotSubtaskState() override;

  // Loads what the handles hold of this subtask's key groups. Blocks.
  runtime::Status Load(runtime::FileSystem& files);

  // ---- SubtaskState ----
  runtime::Result<runtime::KeyedTable*> Open(const std::string& operator_uid,
                                             const runtime::StateSpec& spec) override;
  void SetTime(int64_t now_ms) override { surroundings_.now_ms = now_ms; }
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

 private:
  HotTable* Find(const std::string& operator_uid, const std::string& name) const;
  runtime::Status LoadHandle(runtime::FileSystem& files, const HandleContents& contents);
  runtime::Result<HotTable*> TableFor(const StateIdentity& stored, const std::string& path);
  // Makes the table of a declared spec from one whose stored spec it converts from.
  void Convert(std::unique_ptr<HotTable>* table, std::shared_ptr<const StateIdentity> to);
  void NoteSlice(int64_t began_nanos);

  const runtime::SubtaskStateOptions options_;
  std::shared_ptr<runtime::MemoryPool> pool_;
  SlotPool slots_;
  TableSurroundings surroundings_;
  std::vector<std::unique_ptr<HotTable>> tables_;
  std::vector<bool> claimed_;  // by table: opened by an operator
  std::shared_ptr<FileChain> chain_;

  // The checkpoint being copied, and those before it that no file holds yet.
  std::shared_ptr<DeltaPart> frozen_;
  int64_t frozen_id_ = 0;
  std::vector<std::shared_ptr<DeltaPart>> unwritten_;
  uint64_t last_sequence_ = 0;
  size_t next_copied_ = 0;
  size_t next_house_ = 0;
  int64_t longest_slice_nanos_ = 0;
};

}  // namespace millrace::state
