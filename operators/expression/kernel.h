#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/types/vector.h"

namespace millrace::operators {

// The rows that something is computed for: positions in vectors of `length` rows.
struct RowSet {
  int32_t length = 0;
  const int32_t* rows = nullptr;   // ascending; null: all of 0 .. length - 1
  int32_t count = 0;               // how many
  const RowSet* parent = nullptr;  // the set that this one was narrowed from

  static RowSet All(int32_t length) { return {length, nullptr, length, nullptr}; }
  bool all() const { return rows == nullptr; }
};

// What kernels know about the batch they work on.
struct EvaluationContext {
  runtime::MemoryPool* pool = &runtime::ProcessPool();
  int64_t now_ms = 0;                                     // of CURRENT_TIMESTAMP, PROCTIME
  runtime::Timestamp watermark = runtime::kMinTimestamp;  // of CURRENT_WATERMARK
};

// Computes one call for a batch. Made for one expression of one operator; called by one thread.
class Kernel {
 public:
  virtual ~Kernel() = default;
  // Returns a vector of rows.length rows whose values are right for the rows of the set; under the
  // others and under NULLs lies any valid value. Arguments are right for the same rows and flat or
  // constant (or dictionary, if it accepts these); not all are constant unless there are none.
  virtual runtime::Result<runtime::VectorPtr> Evaluate(
      const EvaluationContext& context, const RowSet& rows,
      std::span<const runtime::VectorPtr> arguments) = 0;
  virtual bool accepts_dictionary() const { return false; }
};

// An operand of a call that is to be bound.
struct OperandShape {
  runtime::LogicalType type;
  runtime::VectorPtr constant;  // its value (one row), if it is known
  std::string symbol;           // of a symbol literal: "YEAR", "LEADING"; else empty
  std::shared_ptr<const struct SearchRanges> ranges;  // of a SEARCH argument
};

// A call whose function is to be found.
struct CallShape {
  std::string name;  // "UPPER": without $ and version
  runtime::LogicalType type;
  std::vector<OperandShape> operands;
  std::string text;  // for messages: "CAST(b AS INT)"
  const runtime::JobSettings* settings = nullptr;
};

// How a call is evaluated.
enum class Control : uint8_t {
  kKernel,  // operands first, then the kernel
  kAnd,     // left to right, as far as needed
  kOr,
  kCase,      // condition, value, condition, value, ..., else
  kCoalesce,  // the first that is not NULL
};

// A function bound to a call.
struct BoundCall {
  std::unique_ptr<Kernel> kernel;  // null with kKernel: the function does not take these operands
  Control control = Control::kKernel;
  bool strict = true;     // NULL if any operand is NULL, and the kernel need not look at them
  bool can_fail = false;  // some values are errors: never computed for rows that are not asked for
  bool costly = false;    // worth skipping rows that are not asked for
  bool deterministic = true;  // may be folded and shared
  bool per_batch = false;     // depends on the context: shared within a batch, not folded
  // Types that operands are cast to first; empty: as they are.
  std::vector<runtime::LogicalType> operand_types;
  // What the kernel computes, cast to the type of the call; unset (kNull): that type itself.
  runtime::LogicalType computed_type;
  // The call is just this operand, in another type that lies in vectors the same way; -1: no.
  int same_as_operand = -1;
  // The operand cast to the type of the call; -1: no.
  int cast_of_operand = -1;
};

// ---- Pieces of kernels ----

// Returns the validity of a strict function's result: rows where all arguments have values. No
// buffer if none has NULLs; the buffer of the only one that has, shared. Constants are not NULL
// here.
runtime::BufferPtr CombineValidity(runtime::MemoryPool& pool,
                                   std::span<const runtime::VectorPtr> arguments, int32_t length);
// Makes a flat vector of uninitialised values, or zeroed unless `rows` is all; sets `validity`.
std::shared_ptr<runtime::Vector> MakeFlat(runtime::MemoryPool& pool, runtime::PhysicalType type,
                                          const RowSet& rows, runtime::BufferPtr validity);
template <typename T>
T* MutableValues(runtime::Vector& vector) {
  return static_cast<T*>(static_cast<void*>(vector.values_buffer()->data()));
}
// A writable bitmap of `length` bits, all 1.
runtime::BufferPtr AllValid(runtime::MemoryPool& pool, int32_t length);
inline uint64_t* Words(const runtime::BufferPtr& buffer) {
  return static_cast<uint64_t*>(static_cast<void*>(buffer->data()));
}
inline void ClearBit(uint64_t* words, int32_t row) {
  words[row >> 6] &= ~(uint64_t{1} << (row & 63));
}
inline bool TestBit(const uint64_t* words, int32_t row) {
  return (words[row >> 6] >> (row & 63)) & 1;
}

// Packs bytes of 0 and 1 into bits; writes whole words (bytes behind `count` must be readable).
void PackBits(const uint8_t* bytes, int32_t count, uint64_t* words);
void UnpackBits(const uint64_t* words, int32_t count, uint8_t* bytes);
// Writes the positions of 1 bits among the first `count`; returns how many. `rows` needs room for
// count + 8.
int32_t PositionsOfBits(const uint64_t* words, int32_t count, int32_t* rows);

// Calls body(row) for each row of the set that is not NULL by `validity` (null: no NULLs).
template <typename Body>
inline void ForEachRow(const RowSet& rows, const uint64_t* validity, Body body) {
  if (rows.all()) {
    if (validity == nullptr) {
      for (int32_t row = 0; row < rows.length; ++row) body(row);
      return;
    }
    for (int32_t word = 0; word * 64 < rows.length; ++word) {
      uint64_t bits = validity[word];
      const int32_t left = rows.length - word * 64;
      if (left < 64) bits &= (uint64_t{1} << left) - 1;
      for (; bits != 0; bits &= bits - 1) body(word * 64 + __builtin_ctzll(bits));
    }
    return;
  }
  for (int32_t i = 0; i < rows.count; ++i) {
    const int32_t row = rows.rows[i];
    if (validity == nullptr || TestBit(validity, row)) body(row);
  }
}

// Makes a constant vector of `length` rows from row `row` of a vector.
runtime::VectorPtr ConstantFrom(const runtime::Vector& vector, int32_t row, int32_t length);
// Returns the vector itself if it is flat, else a flat copy of it.
runtime::VectorPtr Flatten(runtime::MemoryPool& pool, const runtime::LogicalType& type,
                           const runtime::VectorPtr& vector);

}  // namespace millrace::operators
