#pragma once

#include <memory>

#include "runtime/api/file_system.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace millrace::state {

// Makes an Env of RocksDB whose sorted files (*.sst) are written to and read from `files`, and
// which never syncs. Everything else goes to the machine's disk. `files` outlives it.
std::unique_ptr<rocksdb::Env> MakeColdEnv(runtime::FileSystem& files);

}  // namespace millrace::state
