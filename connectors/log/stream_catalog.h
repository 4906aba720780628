#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/log/hash_key.h"
#include "connectors/log/log_store.h"
#include "connectors/log/segment_file.h"

namespace millrace::connectors {

struct StreamShard {
  uint32_t index = 0;      // in the stream: shardId-00000000000<index>
  ShardNumber number = 0;  // in the store
  HashKey start = 0;
  HashKey end = 0;  // inclusive
  int64_t created_s = 0;
};

struct Stream {
  std::string name;
  int64_t created_ms = 0;
  int32_t retention_hours = 24;
  bool on_demand = false;
  std::vector<StreamShard> shards;  // by index, and by start

  int64_t retention_ms() const { return int64_t{retention_hours} * 3600 * 1000; }
  const StreamShard& ShardOf(HashKey key) const;
};

// Knows the streams and their shards, durably: every change is on disk (one small JSON file of the
// log's folder, replaced atomically) before it is seen. Thread-safe; streams are immutable
// snapshots. Changes block for a disk sync.
class StreamCatalog {
 public:
  // Errors: kInternal if the file can't be read or understood.
  static runtime::Result<std::unique_ptr<StreamCatalog>> Open(SegmentFolder* folder);

  // nullptr if there is none of that name.
  std::shared_ptr<const Stream> Find(std::string_view name) const;
  // By name, from after `after` on.
  std::vector<std::shared_ptr<const Stream>> List(std::string_view after, size_t count_max) const;
  size_t CountShards() const;

  // REQUIRES: no stream of that name (checked by the caller; a race gives kUser).
  runtime::Result<std::shared_ptr<const Stream>> Create(const std::string& name, uint32_t shards,
                                                        bool on_demand, int32_t retention_hours,
                                                        int64_t now_ms);
  // Returns the stream as it was; nullptr if there is none.
  runtime::Result<std::shared_ptr<const Stream>> Delete(const std::string& name);
  runtime::Result<std::shared_ptr<const Stream>> SetRetention(const std::string& name,
                                                              int32_t hours);
  // Random bytes that were made with the log, to seal iterators with.
  const std::string& secret() const { return secret_; }

 private:
  using Streams = std::map<std::string, std::shared_ptr<const Stream>, std::less<>>;

  explicit StreamCatalog(SegmentFolder* folder) : folder_(folder) {}
  runtime::Status Load();
  runtime::Status Save(const Streams& streams) const;

  SegmentFolder* const folder_;
  std::mutex change_mutex_;          // one change at a time
  mutable std::shared_mutex mutex_;  // guards streams_
  Streams streams_;
  ShardNumber next_number_ = 1;
  std::string secret_;
};

}  // namespace millrace::connectors
