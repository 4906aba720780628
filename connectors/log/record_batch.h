#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::connectors {

// Names one shard of one stream in a log store. Given out by the stream catalog, never reused, so
// that records of a deleted stream can't come back under a new one of the same name.
using ShardNumber = uint32_t;

// Numbers the records of one shard, from 1, without gaps. 0 is before the first.
using RecordCounter = uint64_t;

// Holds records on their way into the log, already in the form in which they are stored, so that
// the store copies each one once. Filled by one thread; a store hands it back with the counters
// set. Reusing a batch keeps its memory.
class RecordBatch {
 public:
  struct Entry {
    ShardNumber shard;
    uint32_t offset;        // in bytes()
    uint32_t length;        // head, key and data
    RecordCounter counter;  // set by the store; 0 while the record has none
  };
  // Stored before the key and the data of a record; little-endian.
  static constexpr uint32_t kHeadBytes = 6;

  // Adds a record and returns where its `data_length` bytes belong, valid until the next Add.
  // Up to 32 bytes after the record may be scribbled on until then.
  char* Add(ShardNumber shard, std::string_view key, uint32_t data_length) {
    const size_t offset = used_;
    const auto length = static_cast<uint32_t>(kHeadBytes + key.size() + data_length);
    if (bytes_.size() < offset + length + kSlackBytes) Grow(offset + length + kSlackBytes);
    char* at = bytes_.data() + offset;
    const auto key_length = static_cast<uint16_t>(key.size());
    std::memcpy(at, &data_length, 4);
    std::memcpy(at + 4, &key_length, 2);
    std::memcpy(at + kHeadBytes, key.data(), key.size());
    entries_.push_back({shard, static_cast<uint32_t>(offset), length, 0});
    used_ = offset + length;
    return at + kHeadBytes + key.size();
  }
  void Add(ShardNumber shard, std::string_view key, std::string_view data) {
    std::memcpy(Add(shard, key, static_cast<uint32_t>(data.size())), data.data(), data.size());
  }
  void Clear() {
    used_ = 0;
    entries_.clear();
    transaction_.clear();
    transaction_batch_ = 0;
  }

  const std::vector<Entry>& entries() const { return entries_; }
  std::vector<Entry>& mutable_entries() { return entries_; }
  const char* bytes() const { return bytes_.data(); }
  size_t size_bytes() const { return used_; }
  bool empty() const { return entries_.empty(); }

  // The transaction under which the records are stored, or none: they are visible at once.
  const std::string& transaction() const { return transaction_; }
  void set_transaction(std::string id) { transaction_ = std::move(id); }
  // Numbers the batches of a transaction from 1, so that one sent twice is stored once; 0: not
  // numbered.
  uint64_t transaction_batch() const { return transaction_batch_; }
  void set_transaction_batch(uint64_t number) { transaction_batch_ = number; }

 private:
  static constexpr size_t kSlackBytes = 64;
  void Grow(size_t wanted);

  std::string bytes_;  // its size is what has been made usable; used_ is what is filled
  size_t used_ = 0;
  std::vector<Entry> entries_;
  std::string transaction_;
  uint64_t transaction_batch_ = 0;
};

// One record as it is read back. The views belong to the ReadBatch that holds it.
struct LogRecord {
  RecordCounter counter;
  int64_t time_ms;  // approximate arrival; for a transaction: its commit
  std::string_view key;
  std::string_view data;
};

}  // namespace millrace::connectors
