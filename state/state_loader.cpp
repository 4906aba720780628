#include "state/state_loader.h"

#include <cstring>

#include "state/hot_subtask_state.h"
#include "state/savepoint_row.h"

namespace millrace::state {

using runtime::Result;
using runtime::Status;

Result<std::unique_ptr<StateLoader>> StateLoader::Open(runtime::FileSystem& files,
                                                       const std::vector<ChainSegment>& segments,
                                                       runtime::KeyGroupRange key_groups) {
  std::unique_ptr<StateLoader> loader(new StateLoader());
  loader->first_group_ = key_groups.first;
  std::map<std::string, std::shared_ptr<File>> opened;
  for (const ChainSegment& segment : segments) {
    if (segment.key_groups.last < key_groups.first || segment.key_groups.first > key_groups.last) {
      continue;
    }
    Segment mine{segment.key_groups, {}};
    for (const ChainFile& file : segment.files) {
      std::shared_ptr<File>& entry = opened[file.path];
      if (entry == nullptr) {
        entry = std::make_shared<File>();
        ASSIGN_OR_RETURN(entry->reader, StateFileReader::Open(files, file.path));
        entry->by_group.resize(static_cast<size_t>(key_groups.last - key_groups.first + 1));
        for (size_t i = 0; i < entry->reader->entries().size(); ++i) {
          const BlockEntry& block = entry->reader->entries()[i];
          if (block.kind == BlockKind::kDropSlices) {
            for (auto& blocks : entry->by_group) blocks.push_back(static_cast<uint32_t>(i));
          } else if (key_groups.Contains(block.key_group)) {
            entry->by_group[static_cast<size_t>(block.key_group - key_groups.first)].push_back(
                static_cast<uint32_t>(i));
          }
        }
      }
      mine.files.push_back(entry);
    }
    loader->segments_.push_back(std::move(mine));
  }
  return loader;
}

Status StateLoader::MakeTables(HotSubtaskState* to) const {
  for (const Segment& segment : segments_) {
    for (const auto& file : segment.files) {
      for (const auto& identity : file->reader->states()) {
        RETURN_IF_ERROR(to->TableFor(*identity, file->reader->path()).status());
      }
    }
  }
  return Status::Ok();
}

Status StateLoader::LoadKeyGroup(int key_group, HotSubtaskState* to,
                                 runtime::MemoryPool& pool) const {
  std::string payload;
  for (const Segment& segment : segments_) {
    if (!segment.key_groups.Contains(key_group)) continue;
    for (const auto& file : segment.files) {
      const StateFileReader& reader = *file->reader;
      for (const uint32_t index : file->by_group[static_cast<size_t>(key_group - first_group_)]) {
        const StateIdentity& identity = *reader.states()[reader.entries()[index].state];
        ASSIGN_OR_RETURN(HotTable * table, to->TableFor(identity, reader.path()));
        RETURN_IF_ERROR(LoadBlock(reader, index, key_group, table, pool, &payload));
      }
    }
  }
  return Status::Ok();
}

Status StateLoader::LoadBlock(const StateFileReader& reader, size_t index, int key_group,
                              HotTable* table, runtime::MemoryPool& pool, std::string* payload) {
  const BlockEntry& entry = reader.entries()[index];
  RETURN_IF_ERROR(reader.ReadBlock(index, payload));
  if (entry.kind == BlockKind::kCanonical) {
    if (LoadCanonicalBlock(table, *payload, entry.records, pool)) return Status::Ok();
    return Status::External("savepoint block is malformed: " + reader.path());
  }
  const char* at = payload->data();
  const char* end = at + payload->size();
  for (uint32_t record = 0; record < entry.records; ++record) {
    const uint32_t bytes =
        table->record_shape()->RecordBytes(entry.kind, at, static_cast<uint64_t>(end - at));
    if (bytes == 0) return Status::External("state block is malformed: " + reader.path());
    if (entry.kind == BlockKind::kDropSlices) {
      int64_t slice;
      uint16_t first, last;
      std::memcpy(&slice, at, 8);
      std::memcpy(&first, at + 8, 2);
      std::memcpy(&last, at + 10, 2);
      if (first <= key_group && key_group <= last) table->LoadDrop(slice, {key_group, key_group});
    } else {
      table->Load(entry.kind, entry.key_group, at);
    }
    at += bytes;
  }
  return Status::Ok();
}

}  // namespace millrace::state
