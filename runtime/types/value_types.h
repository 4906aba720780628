#pragma once

#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::runtime {

using Int128 = __int128;

// A point in time above microsecond precision. nanos is within the millisecond: 0 to 999,999.
struct TimestampNanos {
  int64_t ms = 0;
  int32_t nanos = 0;
  auto operator<=>(const TimestampNanos&) const = default;
};

// Elements offset .. offset + length - 1 of a child vector.
struct ListRange {
  uint32_t offset = 0;
  uint32_t length = 0;
};

// Watermarks and event times: milliseconds since the epoch, as Flink's.
using Timestamp = int64_t;
inline constexpr Timestamp kMinTimestamp = INT64_MIN;
inline constexpr Timestamp kMaxTimestamp = INT64_MAX;

// Refers to bytes of a string: 16 bytes, those of up to 12 bytes inline, longer ones by prefix and
// pointer (the layout of Umbra, CIDR 2020). The bytes belong to a buffer that the vector or the
// state arena around it keeps alive; a StringRef alone keeps nothing.
class StringRef {
 public:
  static constexpr uint32_t kInlineBytes = 12;

  StringRef() : size_(0), bytes_{} {}
  StringRef(const char* bytes, uint32_t size) : size_(size), bytes_{} {
    if (size > kInlineBytes) {
      std::memcpy(bytes_, bytes, 4);
      std::memcpy(bytes_ + 4, &bytes, sizeof(bytes));
    } else if (size != 0) {
      std::memcpy(bytes_, bytes, size);
    }
  }
  explicit StringRef(std::string_view text)
      : StringRef(text.data(), static_cast<uint32_t>(text.size())) {}

  uint32_t size() const { return size_; }
  bool is_inline() const { return size_ <= kInlineBytes; }
  // Both valid only while *this lives if inline.
  const char* data() const { return is_inline() ? bytes_ : pointer(); }
  std::string_view view() const& { return {data(), size_}; }
  std::string_view view() && = delete;

  bool operator==(const StringRef& other) const {
    uint64_t a, b;
    std::memcpy(&a, this, 8);
    std::memcpy(&b, &other, 8);
    if (a != b) return false;
    if (is_inline()) {
      std::memcpy(&a, reinterpret_cast<const char*>(this) + 8, 8);
      std::memcpy(&b, reinterpret_cast<const char*>(&other) + 8, 8);
      return a == b;
    }
    return std::memcmp(pointer(), other.pointer(), size_) == 0;
  }
  // Compares unsigned bytes, as Flink's BinaryStringData and byte[] do.
  int Compare(const StringRef& other) const { return view().compare(other.view()); }

 private:
  const char* pointer() const {
    const char* pointer;
    std::memcpy(&pointer, bytes_ + 4, sizeof(pointer));
    return pointer;
  }

  alignas(8) uint32_t size_;
  char bytes_[kInlineBytes];  // the string, unused bytes zero; or its first 4 bytes and a pointer
};
static_assert(sizeof(StringRef) == 16);

// What a row of a changelog says. Values as Flink's RowKind.
enum class RowKind : uint8_t { kInsert = 0, kUpdateBefore = 1, kUpdateAfter = 2, kDelete = 3 };

inline bool IsRetraction(RowKind kind) {
  return kind == RowKind::kUpdateBefore || kind == RowKind::kDelete;
}
// "+I", "-U", "+U", "-D".
const char* ShortString(RowKind kind);

}  // namespace millrace::runtime
