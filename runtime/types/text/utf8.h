#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Counts and steps through code points as Flink's BinaryStringData does: the length of each comes
// from its first byte alone.

// Bytes of the code point that starts with this byte.
inline uint32_t Utf8Width(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
bool IsAscii(std::string_view text);
int32_t CountCodePoints(std::string_view text);
// Byte position of code point `index`; text.size() if there are fewer.
size_t OffsetOfCodePoint(std::string_view text, int64_t index);
// The first `count` code points.
std::string_view TakeCodePoints(std::string_view text, int64_t count);
// Reads one code point and advances; malformed bytes give U+FFFD and advance by one.
uint32_t NextCodePoint(std::string_view text, size_t* at);
void AppendCodePoint(uint32_t code_point, std::string* to);
// Replaces malformed bytes by U+FFFD, as Java's new String(bytes, UTF_8).
void AppendWellFormed(std::string_view bytes, std::string* to);

}  // namespace millrace::runtime
