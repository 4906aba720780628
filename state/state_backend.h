#pragma once

#include <memory>
#include <string>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"
#include "runtime/api/state.h"

namespace millrace::state {

enum class BackendType : uint8_t {
  kHashMap,  // everything in memory
  kRocksDb,  // what exceeds the budget in RocksDB
};

struct StateBackendOptions {
  BackendType type = BackendType::kRocksDb;
  // Where checkpoints lie; not owned. Null: the file system of each directory's URI.
  runtime::FileSystem* files = nullptr;
  const runtime::Clock* clock = nullptr;  // null: the machine's
  // kRocksDb: bytes of hot rows, run buffers, filters and RocksDB together, over all subtasks; 0: no
  // limit, so that nothing is evicted. Less than 64 KB is refused.
  int64_t budget_bytes = 0;
  // kRocksDb: a local folder, in which a folder "cold" is emptied at start. Must be given if there is a budget.
  std::string local_directory;
  // Where its sorted files and spilled deltas lie, under local_directory; not owned. Null: the machine's disk.
  runtime::FileSystem* local_files = nullptr;
};

// Reads "hashmap" or "rocksdb", the values of state.backend.type.
runtime::Result<BackendType> ParseBackendType(std::string_view text);

// Refuses a budget of state that is too small to work with; 0 is none.
runtime::Status CheckStateBudget(int64_t budget_bytes);

// Makes a backend. Thread-safe as StateBackend says; lives longer than every state it makes.
std::unique_ptr<runtime::StateBackend> MakeStateBackend(StateBackendOptions options);

}  // namespace millrace::state
