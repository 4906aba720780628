#include "runtime/types/text/utf8.h"

#include <algorithm>
#include <cstring>

namespace millrace::runtime {

bool IsAscii(std::string_view text) {
  const char* at = text.data();
  size_t left = text.size();
  uint64_t all = 0;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    all |= word;
  }
  for (; left > 0; ++at, --left) all |= static_cast<unsigned char>(*at);
  return (all & 0x8080808080808080ULL) == 0;
}

int32_t CountCodePoints(std::string_view text) {
  int32_t count = 0;
  for (size_t i = 0; i < text.size(); i += Utf8Width(text[i])) ++count;
  return count;
}

size_t OffsetOfCodePoint(std::string_view text, int64_t index) {
  size_t at = 0;
  while (index > 0 && at < text.size()) {
    at += Utf8Width(text[at]);
    --index;
  }
  return std::min(at, text.size());
}

std::string_view TakeCodePoints(std::string_view text, int64_t count) {
  if (count >= static_cast<int64_t>(text.size())) return text;
  return text.substr(0, OffsetOfCodePoint(text, count));
}

uint32_t NextCodePoint(std::string_view text, size_t* at) {
  constexpr uint32_t kReplacement = 0xFFFD;
  const auto first = static_cast<unsigned char>(text[*at]);
  ++*at;
  if (first < 0x80) return first;
  const uint32_t width = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return kReplacement;
  uint32_t value = first & (0xFFu >> (width + 1));
  if (*at + width - 1 > text.size()) return kReplacement;
  for (uint32_t i = 0; i + 1 < width; ++i) {
    const auto byte = static_cast<unsigned char>(text[*at + i]);
    if ((byte & 0xC0) != 0x80) return kReplacement;
    value = value << 6 | (byte & 0x3Fu);
  }
  const bool overlong = (width == 3 && value < 0x800) || (width == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return kReplacement;
  *at += width - 1;
  return value;
}

void AppendCodePoint(uint32_t code_point, std::string* to) {
  if (code_point < 0x80) {
    to->push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    to->push_back(static_cast<char>(0xC0 | code_point >> 6));
    to->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else if (code_point < 0x10000) {
    to->push_back(static_cast<char>(0xE0 | code_point >> 12));
    to->push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else {
    to->push_back(static_cast<char>(0xF0 | code_point >> 18));
    to->push_back(static_cast<char>(0x80 | (code_point >> 12 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (code_point >> 6 & 0x3F)));
    to->push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

void AppendWellFormed(std::string_view bytes, std::string* to) {
  if (IsAscii(bytes)) {
    to->append(bytes);
    return;
  }
  size_t at = 0;
  while (at < bytes.size()) AppendCodePoint(NextCodePoint(bytes, &at), to);
}

}  // namespace millrace::runtime
