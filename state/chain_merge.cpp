#include "state/chain_merge.h"

#include "runtime/api/crash_point.h"
#include "state/hot_subtask_state.h"
#include "state/state_file.h"
#include "state/state_loader.h"

namespace millrace::state {

using runtime::Status;

Status ForEachKeyGroup(runtime::FileSystem& files, const runtime::Clock& clock,
                       const MergeInput& input,
                       const std::function<Status(HotSubtaskState&)>& use) {
  ASSIGN_OR_RETURN(const auto loader, StateLoader::Open(files, input.segments, input.key_groups));
  ASSIGN_OR_RETURN(const auto later,
                   StateLoader::Open(files, input.later_segments, input.key_groups));
  const auto pool = runtime::MemoryPool::MakeRoot("merge", 0);
  for (int group = input.key_groups.first; group <= input.key_groups.last; ++group) {
    runtime::SubtaskStateOptions options;
    options.pool = pool;
    options.key_groups = {group, group};
    options.max_parallelism = input.max_parallelism;
    HotSubtaskState state(std::move(options), clock, {});
    RETURN_IF_ERROR(loader->MakeTables(&state));
    state.BeginLoading();
    RETURN_IF_ERROR(loader->LoadKeyGroup(group, &state, *pool));
    for (const auto& identity : input.declared) {
      RETURN_IF_ERROR(state.Open(identity->operator_uid, identity->spec).status());
    }
    RETURN_IF_ERROR(later->MakeTables(&state));
    RETURN_IF_ERROR(later->LoadKeyGroup(group, &state, *pool));
    state.EndLoading();
    RETURN_IF_ERROR(use(state));
  }
  return Status::Ok();
}

runtime::Result<ChainFile> MergeFiles(runtime::FileSystem& files, const runtime::Clock& clock,
                                      const std::string& path, const MergeInput& input) {
  ASSIGN_OR_RETURN(auto file, StateFileWriter::Create(files, path, StateFileType::kCheckpoint));
  int left = (input.key_groups.last - input.key_groups.first + 1) / 2;
  RETURN_IF_ERROR(ForEachKeyGroup(files, clock, input, [&](HotSubtaskState& state) -> Status {
    for (const auto& table : state.tables()) table->EraseAllExpired();
    state.Freeze(0, true);
    while (!state.CopySome(INT64_MAX / 2)) {
    }
    const auto delta = state.TakeDelta();
    const auto& part = *static_cast<const SubtaskDelta&>(*delta).parts.back();
    for (const TablePart& table : part.tables) {
      file->AddState(*table.identity);  // a base names empty states too
      RETURN_IF_ERROR(file->AddTable(input.key_groups, table));
    }
    if (left-- == 0 && input.compaction) runtime::CrashPoint("mid-compaction");
    return Status::Ok();
  }));
  RETURN_IF_ERROR(file->Finish());
  return ChainFile{path, file->size_bytes()};
}

}  // namespace millrace::state
