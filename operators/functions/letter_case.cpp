#include "operators/functions/letter_case.h"

#include "runtime/types/text/utf8.h"

namespace millrace::operators {
namespace {

uint32_t UpperOf(uint32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c == 0xB5) return 0x39C;  // micro sign
  if (c == 0xFF) return 0x178;
  if (c >= 0xE0 && c <= 0xFE && c != 0xF7) return c - 32;
  if (c == 0x131) return 'I';
  if (c == 0x17F) return 'S';
  // Latin Extended-A: pairs, upper case even or odd by stretch.
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c & ~1u;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return (c & 1) == 0 ? c - 1 : c;
  if (c >= 0x3AD && c <= 0x3AF) return c - 37;
  if (c == 0x3AC) return 0x386;
  if (c == 0x3C2) return 0x3A3;
  if (c >= 0x3B1 && c <= 0x3CB) return c - 32;
  if (c == 0x3CC) return 0x38C;
  if (c == 0x3CD || c == 0x3CE) return c - 63;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  if ((c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F)) {
    return c & ~1u;
  }
  if (c >= 0x561 && c <= 0x586) return c - 48;
  if (c >= 0x1E00 && c <= 0x1E95) return c & ~1u;
  if (c >= 0x1EA0 && c <= 0x1EFF) return c & ~1u;
  return c;
}

uint32_t LowerOf(uint32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (c >= 0xC0 && c <= 0xDE && c != 0xD7) return c + 32;
  if (c == 0x178) return 0xFF;
  if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) return c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) return (c & 1) == 1 ? c + 1 : c;
  if (c == 0x386) return 0x3AC;
  if (c >= 0x388 && c <= 0x38A) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (c == 0x38E || c == 0x38F) return c + 63;
  if (c >= 0x391 && c <= 0x3AB && c != 0x3A2) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if ((c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F)) {
    return c | 1;
  }
  if (c >= 0x531 && c <= 0x556) return c + 48;
  if (c == 0x1E9E) return 0xDF;
  if (c >= 0x1E00 && c <= 0x1E95) return c | 1;
  if (c >= 0x1EA0 && c <= 0x1EFF) return c | 1;
  return c;
}

}  // namespace

void AppendUpper(std::string_view text, std::string* to) {
  if (runtime::IsAscii(text)) {
    const size_t start = to->size();
    to->append(text);
    for (size_t i = start; i < to->size(); ++i) {
      const char c = (*to)[i];
      (*to)[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    return;
  }
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = runtime::NextCodePoint(text, &at);
    if (c == 0xDF) {
      to->append("SS");
    } else {
      runtime::AppendCodePoint(UpperOf(c), to);
    }
  }
}

void AppendLower(std::string_view text, std::string* to) {
  if (runtime::IsAscii(text)) {
    const size_t start = to->size();
    to->append(text);
    for (size_t i = start; i < to->size(); ++i) {
      const char c = (*to)[i];
      (*to)[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    return;
  }
  for (size_t at = 0; at < text.size();) {
    const uint32_t c = runtime::NextCodePoint(text, &at);
    if (c == 0x130) {
      to->append("i\xCC\x87");  // i with a combining dot
    } else {
      runtime::AppendCodePoint(LowerOf(c), to);
    }
  }
}

}  // namespace millrace::operators
