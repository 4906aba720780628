#include "operators/expression/kernel.h"

#include <cstring>
#if defined(__AVX2__) || defined(__BMI2__)
#include <immintrin.h>
#endif

namespace millrace::operators {

using runtime::BufferPtr;
using runtime::Encoding;
using runtime::LogicalType;
using runtime::MemoryPool;
using runtime::PhysicalType;
using runtime::Vector;
using runtime::VectorPtr;

BufferPtr CombineValidity(MemoryPool& pool, std::span<const VectorPtr> arguments, int32_t length) {
  const Vector* first = nullptr;
  BufferPtr combined;
  for (const VectorPtr& argument : arguments) {
    if (!argument->may_have_nulls() || argument->encoding() == Encoding::kConstant) continue;
    if (first == nullptr) {
      first = argument.get();
      continue;
    }
    if (argument->validity() == first->validity()) continue;
    if (!combined) {
      combined = runtime::AllocateValidity(pool, length);
      std::memcpy(combined->data(), first->validity(),
                  static_cast<size_t>(runtime::WordsFor(length)) * 8);
    }
    uint64_t* __restrict to = Words(combined);
    const uint64_t* __restrict other = argument->validity();
    for (int64_t i = 0; i < runtime::WordsFor(length); ++i) to[i] &= other[i];
  }
  if (combined || first == nullptr) return combined;
  return first->validity_buffer();
}

std::shared_ptr<Vector> MakeFlat(MemoryPool& pool, PhysicalType type, const RowSet& rows,
                                 BufferPtr validity) {
  auto vector = std::make_shared<Vector>(type, Encoding::kFlat, rows.length);
  BufferPtr values = runtime::AllocateValues(pool, type, rows.length);
  if (!rows.all()) {
    std::memset(values->data(), 0, runtime::WidthOf(type) * static_cast<size_t>(rows.length));
  }
  vector->SetValues(std::move(values));
  if (validity) vector->SetValidity(std::move(validity));
  return vector;
}

BufferPtr AllValid(MemoryPool& pool, int32_t length) {
  BufferPtr buffer = runtime::AllocateValidity(pool, length);
  std::memset(buffer->data(), 0xff, static_cast<size_t>(runtime::WordsFor(length)) * 8);
  return buffer;
}

void PackBits(const uint8_t* bytes, int32_t count, uint64_t* words) {
  for (int32_t word = 0; word * 64 < count; ++word) {
    const uint8_t* from = bytes + word * 64;
#ifdef __AVX2__
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32));
    // Bit 0 of each byte moves to bit 7, where movemask looks.
    const auto a = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(low, 7)));
    const auto b = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(high, 7)));
    words[word] = a | static_cast<uint64_t>(b) << 32;
#else
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) {
      uint64_t eight;
      std::memcpy(&eight, from + i * 8, 8);
      bits |= ((eight & 0x0101010101010101ULL) * 0x0102040810204080ULL >> 56) << (i * 8);
    }
    words[word] = bits;
#endif
  }
}

void UnpackBits(const uint64_t* words, int32_t count, uint8_t* bytes) {
  int32_t row = 0;
#ifdef __BMI2__
  for (; row + 8 <= count; row += 8) {
    const uint64_t eight =
        _pdep_u64(words[row >> 6] >> (row & 63) & 0xff, 0x0101010101010101ULL);
    std::memcpy(bytes + row, &eight, 8);
  }
#endif
  for (; row < count; ++row) bytes[row] = (words[row >> 6] >> (row & 63)) & 1;
}

#ifdef __AVX2__
namespace {
// For each byte of bits the positions of its 1 bits, 8 bytes each.
struct PositionTable {
  uint64_t positions[256];
  constexpr PositionTable() : positions{} {
    for (int byte = 0; byte < 256; ++byte) {
      uint64_t packed = 0;
      int found = 0;
      for (int bit = 0; bit < 8; ++bit) {
        if (byte >> bit & 1) packed |= static_cast<uint64_t>(bit) << (8 * found++);
      }
      positions[byte] = packed;
    }
  }
};
constexpr PositionTable kPositions;
}  // namespace

int32_t PositionsOfBits(const uint64_t* words, int32_t count, int32_t* rows) {
  int32_t found = 0;
  for (int32_t base = 0; base < count; base += 64) {
    uint64_t bits = words[base >> 6];
    if (count - base < 64) bits &= (uint64_t{1} << (count - base)) - 1;
    for (int32_t byte = 0; bits != 0; ++byte, bits >>= 8) {
      const auto eight = static_cast<uint32_t>(bits & 0xff);
      const __m256i positions = _mm256_cvtepu8_epi32(
          _mm_cvtsi64_si128(static_cast<long long>(kPositions.positions[eight])));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows + found),
                          _mm256_add_epi32(positions, _mm256_set1_epi32(base + byte * 8)));
      found += __builtin_popcount(eight);
    }
  }
  return found;
}
#else
int32_t PositionsOfBits(const uint64_t* words, int32_t count, int32_t* rows) {
  int32_t found = 0;
  for (int32_t base = 0; base < count; base += 64) {
    uint64_t bits = words[base >> 6];
    if (count - base < 64) bits &= (uint64_t{1} << (count - base)) - 1;
    for (; bits != 0; bits &= bits - 1) rows[found++] = base + __builtin_ctzll(bits);
  }
  return found;
}
#endif

VectorPtr ConstantFrom(const Vector& vector, int32_t row, int32_t length) {
  auto constant = std::make_shared<Vector>(vector.physical(), Encoding::kConstant, length);
  const size_t width = runtime::WidthOf(vector.physical());
  const int32_t position = vector.PositionOf(row);
  MemoryPool& pool = runtime::ProcessPool();
  if (width > 0) {
    BufferPtr value = pool.Allocate(width + Vector::kPaddingBytes);
    std::memcpy(value->data(), vector.raw_values() + static_cast<size_t>(position) * width, width);
    constant->SetValues(std::move(value));
  }
  if (vector.IsNull(row)) {
    BufferPtr validity = runtime::AllocateValidity(pool, 1);
    std::memset(validity->data(), 0, validity->capacity());
    constant->SetValidity(std::move(validity));
  }
  constant->AddHeapsOf(vector);
  for (const VectorPtr& child : vector.children()) {
    constant->AddChild(vector.physical() == PhysicalType::kRow ? ConstantFrom(*child, position, 1)
                                                               : child);
  }
  return constant;
}

VectorPtr Flatten(MemoryPool& pool, const LogicalType& type, const VectorPtr& vector) {
  if (vector->encoding() == Encoding::kFlat) return vector;
  runtime::VectorBuilder builder(pool, type, std::max(vector->length(), 1));
  builder.AppendRange(*vector, 0, vector->length(), runtime::VectorBuilder::Strings::kKeep);
  return builder.Finish();
}

}  // namespace millrace::operators
