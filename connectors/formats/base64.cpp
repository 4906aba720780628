#include "connectors/formats/base64.h"

#include <array>
#include <cstdint>

namespace millrace::connectors {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint8_t kNone = 0xff;

constexpr std::array<uint8_t, 256> MakeValues() {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) value = kNone;
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(kAlphabet[i])] = i;
  return values;
}
constexpr std::array<uint8_t, 256> kValues = MakeValues();

}  // namespace

void AppendBase64(std::string_view bytes, std::string* to) {
  const auto at = [&](size_t i) -> uint32_t { return static_cast<uint8_t>(bytes[i]); };
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t group = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) to->push_back(kAlphabet[group >> shift & 63]);
  }
  const size_t left = bytes.size() - i;
  if (left == 0) return;
  const uint32_t group = at(i) << 16 | (left == 2 ? at(i + 1) << 8 : 0);
  to->push_back(kAlphabet[group >> 18 & 63]);
  to->push_back(kAlphabet[group >> 12 & 63]);
  to->push_back(left == 2 ? kAlphabet[group >> 6 & 63] : '=');
  to->push_back('=');
}

bool DecodeBase64(std::string_view text, std::string* to) {
  if (text.size() % 4 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const bool pads = k >= static_cast<size_t>(4 - padding);
      const uint8_t value = pads ? 0 : kValues[static_cast<uint8_t>(text[i + k])];
      if (value == kNone) return false;
      group = group << 6 | value;
    }
    to->push_back(static_cast<char>(group >> 16));
    if (padding < 2) to->push_back(static_cast<char>(group >> 8));
    if (padding < 1) to->push_back(static_cast<char>(group));
  }
  return true;
}

}  // namespace millrace::connectors
