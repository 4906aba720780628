#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::state {

// Maps cold keys (bytes) to cold values or tombstones in memory: what waits to become a sorted run
// of RocksDB, what a read asks for, and what it found. Open addressing over records that are only
// appended; a key put again gets a new record. Filled by one thread; once nothing is put any more,
// any number of threads may search it.
class RunBuffer {
 public:
  enum class Found : uint8_t { kNothing, kRow, kTombstone };

  // Forgets everything and keeps the memory.
  void Clear();
  // `hash`: of the key, the same at every call for it.
  void Put(uint64_t hash, std::string_view key, std::string_view value) {
    Add(hash, key, value, false);
  }
  void PutTombstone(uint64_t hash, std::string_view key) { Add(hash, key, {}, true); }
  // *value stays valid until the next Put or Clear.
  Found Find(uint64_t hash, std::string_view key, std::string_view* value) const;

  uint32_t num_keys() const { return num_keys_; }
  bool empty() const { return num_keys_ == 0; }
  // Bytes of records and of the index that finds them, at its fullest.
  size_t used_bytes() const { return bytes_.size() + num_keys_ * sizeof(uint64_t) * 8 / 5; }
  size_t capacity_bytes() const { return bytes_.capacity() + slots_.capacity() * sizeof(uint64_t); }

  struct Record {
    std::string_view key;
    std::string_view value;
    bool tombstone;
  };
  // The newest record of each key, in unsigned byte order of the keys, as SstFileWriter wants them
  // (it tells a wrong order by a returned status only).
  std::vector<Record> Sorted() const;

 private:
  void Add(uint64_t hash, std::string_view key, std::string_view value, bool tombstone);
  void Grow();
  Record RecordAt(uint32_t offset) const;

  std::vector<char> bytes_;      // {u32 key bytes, u32 value bytes or kTombstone, key, value}
  std::vector<uint64_t> slots_;  // {tag << 32 | offset + 1}; 0: free
  uint32_t num_keys_ = 0;
};

}  // namespace millrace::state
