#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/types/logical_type.h"
#include "runtime/types/memory_pool.h"
#include "runtime/types/value_types.h"

namespace millrace::runtime {

class Vector;
using VectorPtr = std::shared_ptr<const Vector>;

// Says how a vector holds its values.
enum class Encoding : uint8_t {
  kFlat,        // value of row i at values[i]
  kConstant,    // value of every row at values[0]; validity bit 0 counts for every row
  kDictionary,  // strings only: value of row i at values[indices[i]]; validity bit i
};

// Holds the values of one column for the rows of a batch. Immutable once shared. The physical type
// is known here, the logical one by whoever reads it. Bits of `validity` are 1 for values and 0 for
// NULL, bit i of word i / 64; no bitmap: no NULL. What lies under a NULL is any valid value of the
// type (never uninitialised for strings and lists: size 0), so dense kernels may compute on it.
// Bits and values beyond length() are undefined; buffers are padded so that whole words and 32-byte
// lanes can be read there.
class Vector {
 public:
  static constexpr size_t kPaddingBytes = 64;

  Vector(PhysicalType physical, Encoding encoding, int32_t length)
      : physical_(physical), encoding_(encoding), length_(length) {}

  PhysicalType physical() const { return physical_; }
  Encoding encoding() const { return encoding_; }
  // Rows; for kConstant the rows it stands for.
  int32_t length() const { return length_; }

  template <typename T>
  const T* values() const {
    return static_cast<const T*>(static_cast<const void*>(values_));
  }
  const char* raw_values() const { return values_; }
  const uint64_t* validity() const { return validity_; }
  const int32_t* indices() const { return indices_; }
  bool may_have_nulls() const { return validity_ != nullptr; }
  // Position of row i's value in values().
  int32_t PositionOf(int32_t row) const {
    return encoding_ == Encoding::kFlat ? row
           : encoding_ == Encoding::kConstant ? 0 : indices_[row];
  }
  bool IsNull(int32_t row) const {
    if (validity_ == nullptr) return false;
    const int32_t bit = encoding_ == Encoding::kConstant ? 0 : row;
    return ((validity_[bit >> 6] >> (bit & 63)) & 1) == 0;
  }
  template <typename T>
  const T& At(int32_t row) const {
    return values<T>()[PositionOf(row)];
  }

  // Element of ARRAY; keys and values of MAP; fields of ROW, which have the row's positions (those of
  // a constant row have one value, at 0).
  const std::vector<VectorPtr>& children() const { return children_; }
  // Buffers that hold the bytes of strings longer than StringRef::kInlineBytes.
  const std::vector<BufferPtr>& heaps() const { return heaps_; }
  const BufferPtr& values_buffer() const { return values_buffer_; }
  const BufferPtr& validity_buffer() const { return validity_buffer_; }
  // Bytes that this vector keeps alive; heaps count whole, once each.
  size_t retained_bytes() const;

  // ---- Making one: fill, then share as VectorPtr. ----
  void SetValues(BufferPtr buffer) {
    values_ = buffer->data();
    values_buffer_ = std::move(buffer);
  }
  void SetValidity(BufferPtr buffer) {
    validity_ = buffer ? static_cast<const uint64_t*>(static_cast<const void*>(buffer->data()))
                       : nullptr;
    validity_buffer_ = std::move(buffer);
  }
  void SetIndices(BufferPtr buffer) {
    indices_ = static_cast<const int32_t*>(static_cast<const void*>(buffer->data()));
    indices_buffer_ = std::move(buffer);
  }
  void AddHeap(BufferPtr buffer);
  void AddHeapsOf(const Vector& other);
  void AddChild(VectorPtr child) { children_.push_back(std::move(child)); }
  void SetLength(int32_t length) { length_ = length; }

 private:
  PhysicalType physical_;
  Encoding encoding_;
  int32_t length_;
  const char* values_ = nullptr;
  const uint64_t* validity_ = nullptr;
  const int32_t* indices_ = nullptr;
  BufferPtr values_buffer_;
  BufferPtr validity_buffer_;
  BufferPtr indices_buffer_;
  std::vector<BufferPtr> heaps_;
  std::vector<VectorPtr> children_;
};

inline int64_t WordsFor(int64_t bits) { return (bits + 63) / 64; }

// Allocates what a flat vector of `length` rows needs, padding included.
BufferPtr AllocateValues(MemoryPool& pool, PhysicalType physical, int32_t length);
BufferPtr AllocateValidity(MemoryPool& pool, int32_t length);

// Makes a vector of NULLs of this type.
VectorPtr MakeNulls(MemoryPool& pool, const LogicalType& type, int32_t length);

// Collects values of one column from anywhere. Not thread-safe. Grows as needed; Finish gives the
// vector and leaves the builder empty for the next one.
class VectorBuilder {
 public:
  // Strings longer than inline: kCopy puts their bytes into a heap of this builder, kKeep refers to
  // the source's heaps, which are then kept alive whole.
  enum class Strings : uint8_t { kCopy, kKeep };

  VectorBuilder(MemoryPool& pool, LogicalType type, int32_t capacity = 1024);
  ~VectorBuilder();
  VectorBuilder(VectorBuilder&&) noexcept;
  VectorBuilder& operator=(VectorBuilder&&) noexcept;

  const LogicalType& type() const { return type_; }
  int32_t length() const { return length_; }
  // Bytes of string heaps copied so far.
  size_t heap_bytes() const { return heap_used_total_; }

  // Makes room for `more` rows; the unchecked calls below need it.
  void Reserve(int32_t more);
  template <typename T>
  void Append(const T& value) {
    CHECK_THAT_HOLDS(sizeof(T) == width_);  // Append(0) on a BIGINT column would shift all behind it
    if (length_ == capacity_) Reserve(1);
    reinterpret_cast<T*>(values_)[length_] = value;
    ++length_;
  }
  void AppendNull();
  void AppendNulls(int32_t count);
  // Copies the bytes.
  void AppendString(std::string_view text);
  // Appends row `row` of `source`, nested types too.
  void AppendFrom(const Vector& source, int32_t row, Strings strings = Strings::kCopy);
  // Appends rows[0 .. count) of `source`, column at a time: the exchange's and join's inner loop.
  void AppendRows(const Vector& source, const int32_t* rows, int32_t count, Strings strings);
  void AppendRange(const Vector& source, int32_t begin, int32_t count, Strings strings);

  // Keeps the first `length` rows; the others were never appended.
  void Truncate(int32_t length);
  // For ARRAY, MAP, ROW: append to the children, then close the list (ARRAY, MAP) or the row.
  VectorBuilder& child(int index) { return children_[index]; }
  void AppendList(uint32_t length);
  void AppendRow();

  // Raw slots for kernels that fill values themselves: call after Reserve, then Advance.
  template <typename T>
  T* tail() {
    return reinterpret_cast<T*>(values_) + length_;
  }
  void Advance(int32_t rows) { length_ += rows; }
  // Turns rows [begin, begin + count) into NULL where bit i of `valid` (from bit 0) is 0.
  void MarkNulls(int32_t begin, const uint64_t* valid, int32_t count);
  void MarkNull(int32_t row);
  // Gives room for `bytes` of a string that the caller writes and then appends by AppendRef.
  char* AllocateHeap(size_t bytes);
  void AppendRef(StringRef ref) { Append(ref); }
  void KeepHeapsOf(const Vector& source);

  VectorPtr Finish();

 private:
  void Grow(int32_t capacity);
  void EnsureValidity();

  MemoryPool* pool_;
  LogicalType type_;
  PhysicalType physical_;
  uint32_t width_;
  int32_t length_ = 0;
  int32_t capacity_ = 0;
  int32_t first_capacity_;
  char* values_ = nullptr;
  uint64_t* validity_ = nullptr;
  BufferPtr values_buffer_;
  BufferPtr validity_buffer_;
  std::vector<BufferPtr> heaps_;
  char* heap_next_ = nullptr;
  size_t heap_left_ = 0;
  size_t heap_used_total_ = 0;
  std::vector<VectorBuilder> children_;
};

}  // namespace millrace::runtime
