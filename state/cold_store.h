#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/file_system.h"
#include "runtime/types/status.h"
#include "state/run_buffer.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
}  // namespace rocksdb

namespace millrace::state {

class ColdFamily;

// Says which keys of a family are still looked for: the rest goes when files are merged. Keys begin
// with {uint16 table, uint32 incarnation if sliced}, big-endian; values of tables with a ttl with
// the int64 time of the last write.
struct LiveKeys {
  struct Table {
    bool sliced = false;
    uint32_t lowest_incarnation = 0;
    int64_t ttl_ms = 0;
  };
  std::mutex mutex;
  std::vector<Table> tables;
  std::atomic<int64_t> now_ms{INT64_MIN};
};

// Holds one RocksDB in a folder of its own: a mere overflow of memory, never read again by a later
// process, so nothing is synced, there is no log, and the folder goes with it. Its sorted files lie
// on `files`, by that contract; what RocksDB keeps beside them lies on the machine's disk.
// Thread-safe; every call blocks. Held by its families.
class ColdStore : public std::enable_shared_from_this<ColdStore> {
 public:
  // Creates `directory`, which must not exist, and a store in it. `files` outlives the store. Files
  // that are merged are cut at about `file_bytes`: while one is written the hashes of all its keys
  // are in memory.
  static runtime::Result<std::shared_ptr<ColdStore>> Open(const std::string& directory,
                                                          runtime::FileSystem& files,
                                                          uint64_t file_bytes);
  ~ColdStore();
  ColdStore(const ColdStore&) = delete;
  ColdStore& operator=(const ColdStore&) = delete;

  // Makes a space of keys of its own, for one subtask.
  runtime::Result<std::shared_ptr<ColdFamily>> MakeFamily();
  // Something in it failed: it must not be used for more.
  bool failed() const { return failed_.load(); }

 private:
  friend class ColdFamily;
  ColdStore(std::string directory, runtime::FileSystem& files, uint64_t file_bytes);
  runtime::Status Note(runtime::Status status);

  const std::string directory_;
  runtime::FileSystem& files_;
  const uint64_t file_bytes_;
  std::unique_ptr<rocksdb::Env> env_;
  rocksdb::DB* db_ = nullptr;
  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> next_{0};
};

// The keys of one subtask in a store. Thread-safe; every call blocks.
class ColdFamily {
 public:
  ~ColdFamily();

  // Before the first run.
  void SetLive(std::shared_ptr<LiveKeys> live);
  // Adds a sorted run: its records are newer than all before.
  runtime::Status Ingest(const RunBuffer& run);
  // Looks up the keys of `wanted`, whose values are the 8 bytes of their hashes, and puts those
  // that are there to `found`, the others as tombstones.
  runtime::Status Read(const RunBuffer& wanted, RunBuffer* found);
  // Reads up to `most` keys that begin with `prefix`, from `from` on (inclusive), in order.
  // *next: where to go on; empty: that was all.
  runtime::Status Scan(std::string_view prefix, std::string_view from, size_t most,
                       const std::function<void(std::string_view key, std::string_view value)>& use,
                       std::string* next);

 private:
  friend class ColdStore;
  class Filters;
  ColdFamily(std::shared_ptr<ColdStore> store, std::shared_ptr<Filters> filters,
             rocksdb::ColumnFamilyHandle* handle);

  const std::shared_ptr<ColdStore> store_;
  const std::shared_ptr<Filters> filters_;
  rocksdb::ColumnFamilyHandle* const handle_;
};

}  // namespace millrace::state
