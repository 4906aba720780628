#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/types/batch.h"

namespace millrace::runtime {

// What makes two keys the same, and where a key belongs: Flink's BinaryRowData bytes
// (org.apache.flink.table.data.binary.BinaryRowData), their hash, and the key group
// (org.apache.flink.runtime.state.KeyGroupRangeAssignment).

inline constexpr int kDefaultMaxParallelism = 128;

// MathUtils.murmurHash: never negative.
int32_t FlinkMurmur(int32_t hash);
// BinarySegmentUtils.hashByWords with seed 42. REQUIRES: bytes is a multiple of 4.
int32_t HashByWords(const char* data, size_t bytes);
inline uint16_t KeyGroupOf(int32_t binary_row_hash, int max_parallelism) {
  return static_cast<uint16_t>(FlinkMurmur(binary_row_hash) % max_parallelism);
}
// KeyGroupRangeAssignment.computeOperatorIndexForKeyGroup.
inline int SubtaskOf(int key_group, int parallelism, int max_parallelism) {
  return key_group * parallelism / max_parallelism;
}
// Flink's default: 1.5 times the parallelism, up to a power of two, within 128 .. 32768.
int DefaultMaxParallelism(int parallelism);

// Key groups first .. last (both included) of one subtask.
struct KeyGroupRange {
  int first = 0;
  int last = kDefaultMaxParallelism - 1;
  bool Contains(int key_group) const { return key_group >= first && key_group <= last; }
};
KeyGroupRange KeyGroupsOf(int subtask, int parallelism, int max_parallelism);

// Writes the BinaryRowData of the key columns of rows. Reusable; not thread-safe.
class KeyEncoder {
 public:
  // Types of the key columns in order. REQUIRES: no nested types.
  explicit KeyEncoder(std::vector<LogicalType> types);

  // Appends the bytes of one key to `to` (always a multiple of 8).
  void Encode(std::span<const Vector* const> columns, int32_t physical_row, std::string* to) const;
  // Computes the key group of each of `count` rows; `rows` are physical, null: 0 .. count - 1.
  // groups[i] belongs to rows[i]. About 1 ns a row for one BIGINT key.
  void KeyGroups(std::span<const Vector* const> columns, const int32_t* rows, int32_t count,
                 int max_parallelism, uint16_t* groups) const;
  // Computes BinaryRowData.hashCode() of one key.
  int32_t HashCode(std::span<const Vector* const> columns, int32_t physical_row) const;
  // Appends the values of an encoded key to one builder a column.
  void Decode(std::string_view bytes, std::span<VectorBuilder* const> columns) const;

  const std::vector<LogicalType>& types() const { return types_; }

 private:
  std::vector<LogicalType> types_;
  uint32_t null_bytes_ = 8;
  uint32_t fixed_bytes_ = 8;
  mutable std::string scratch_;
};

}  // namespace millrace::runtime
