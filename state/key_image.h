#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/types/key_identity.h"
#include "runtime/types/vector.h"

namespace millrace::state {

// Lays keys out as hot tables compare them. Two keys have the same image exactly if their BinaryRowData
// bytes are the same: fixed fields by their bits (so -0.0 is not 0.0), strings by their bytes, NULL as
// a mark of its own over zeroed bytes.
//
// An image is, for one column, its value alone (widened to 8 bytes; 16 for DECIMAL(p > 18) and
// TIMESTAMP(p > 6); a StringRef for strings): whether it is NULL is told beside it, by tag 0, which
// no value has. For several columns: a word of NULL bits if any column is nullable, then the columns
// in order. A multiple of 8 bytes. Immutable but for scratch space: one thread.
class KeyImage {
 public:
  static constexpr uint32_t kNullTag = 0;
  // Which comparison is enough.
  enum class Shape : uint8_t { kWord, kTwoWords, kString, kMixed };
  struct Column {
    runtime::PhysicalType physical;
    uint32_t offset;
    bool nullable;
  };

  explicit KeyImage(const std::vector<runtime::LogicalType>& types);

  Shape shape() const { return shape_; }
  uint32_t size_bytes() const { return size_bytes_; }
  bool has_strings() const { return !string_offsets_.empty(); }
  const std::vector<uint32_t>& string_offsets() const { return string_offsets_; }
  const std::vector<Column>& columns() const { return columns_; }
  const std::vector<runtime::LogicalType>& types() const { return types_; }

  // Writes the images of `count` rows one behind the other, and their tags. Strings refer to the
  // columns' bytes. `rows` are physical; null: 0 .. count - 1.
  void Encode(std::span<const runtime::Vector* const> columns, const int32_t* rows, int32_t count,
              char* images, uint32_t* tags) const;
  // The tag of one image.
  uint32_t TagOf(const char* image) const;
  // 64 bits of the same hash, for filters of keys that are not in memory.
  uint64_t HashOf(const char* image) const;

  bool Equal(const char* a, const char* b) const;

  // The same for the first `count` columns of an image only.
  uint64_t HashOfColumns(const char* image, int count) const;
  bool EqualColumns(const char* a, const char* b, int count) const;
  // Only of images with NULL bits: a one-column key tells its NULL by its tag.
  bool IsNull(const char* image, size_t column) const {
    return null_words_ > 0 && ((image[column / 8] >> (column % 8)) & 1) != 0;
  }
  // Writes the first columns.size() columns of `count` images, the rest 0; no tags.
  void EncodeFirst(std::span<const runtime::Vector* const> columns, const int32_t* rows,
                   int32_t count, char* images) const;
  // Appends the columns of an image to one builder a column.
  void Append(const char* image, bool is_null,
              std::span<runtime::VectorBuilder* const> builders) const;

 private:
  void EncodeColumn(size_t index, const runtime::Vector& from, const int32_t* rows, int32_t count,
                    char* images) const;
  template <typename T>
  void EncodeFixed(const Column& column, const runtime::Vector& from, const int32_t* rows,
                   int32_t count, char* images) const;
  void EncodeNulls(size_t index, const runtime::Vector& from, const int32_t* rows, int32_t count,
                   char* images) const;

  std::vector<runtime::LogicalType> types_;
  std::vector<Column> columns_;
  std::vector<uint32_t> string_offsets_;
  uint32_t size_bytes_ = 0;
  uint32_t null_words_ = 0;
  Shape shape_ = Shape::kMixed;
};

// Equality of shapes, for kernels.
template <KeyImage::Shape shape>
inline bool SameKey(const KeyImage& key, const char* a, const char* b) {
  if constexpr (shape == KeyImage::Shape::kWord) {
    uint64_t x, y;
    __builtin_memcpy(&x, a, 8);
    __builtin_memcpy(&y, b, 8);
    return x == y;
  } else if constexpr (shape == KeyImage::Shape::kTwoWords) {
    uint64_t x[2], y[2];
    __builtin_memcpy(x, a, 16);
    __builtin_memcpy(y, b, 16);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  } else if constexpr (shape == KeyImage::Shape::kString) {
    runtime::StringRef x, y;
    __builtin_memcpy(static_cast<void*>(&x), a, 16);
    __builtin_memcpy(static_cast<void*>(&y), b, 16);
    return x == y;
  } else {
    return key.Equal(a, b);
  }
}

}  // namespace millrace::state
