#include "connectors/log/sequence_number.h"

#include <cstdio>

namespace millrace::connectors {
namespace {

using Wide = unsigned __int128;
constexpr uint64_t kTenTo19 = 10000000000000000000ull;
constexpr int64_t kSecondsMax = 16025175000;  // where Kinesis stops to take them

// Divides the 192-bit number in `limbs` (low first) by 10^19 and returns the rest.
uint64_t DivideByTenTo19(uint64_t limbs[3]) {
  Wide rest = 0;
  for (int i = 2; i >= 0; --i) {
    const Wide part = rest << 64 | limbs[i];
    limbs[i] = static_cast<uint64_t>(part / kTenTo19);
    rest = part % kTenTo19;
  }
  return static_cast<uint64_t>(rest);
}

void WriteDigits(uint64_t value, int digits, char* to) {
  for (int i = digits - 1; i >= 0; --i) {
    to[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

}  // namespace

void FormatSequenceNumber(const SequenceNumber& number, char* to) {
  const auto time = static_cast<uint64_t>(number.time_s) & 0xfffffffffull;
  const auto created = static_cast<uint64_t>(number.shard_created_s) & 0xfffffffffull;
  uint64_t limbs[3];
  limbs[0] = 2 | static_cast<uint64_t>(number.shard_index) << 4 | time << 36;
  limbs[1] = time >> 28 | number.counter << 16;
  limbs[2] = number.counter >> 48 | static_cast<uint64_t>(number.shard_index & 15) << 16 |
             created << 20 | uint64_t{2} << 56;
  const uint64_t low = DivideByTenTo19(limbs);
  const uint64_t middle = DivideByTenTo19(limbs);
  WriteDigits(limbs[0], 18, to);
  WriteDigits(middle, 19, to + 18);
  WriteDigits(low, 19, to + 37);
}

std::string FormatSequenceNumber(const SequenceNumber& number) {
  std::string text(kSequenceNumberDigits, '0');
  FormatSequenceNumber(number, text.data());
  return text;
}

std::optional<SequenceNumber> ParseSequenceNumber(std::string_view text) {
  if (text.size() != kSequenceNumberDigits) return std::nullopt;
  uint64_t limbs[3] = {0, 0, 0};
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    Wide carry = static_cast<Wide>(c - '0');
    for (uint64_t& limb : limbs) {
      carry += static_cast<Wide>(limb) * 10;
      limb = static_cast<uint64_t>(carry);
      carry >>= 64;
    }
  }
  SequenceNumber number;
  number.shard_index = static_cast<uint32_t>(limbs[0] >> 4);
  number.time_s = static_cast<int64_t>(limbs[0] >> 36 | (limbs[1] & 0xff) << 28);
  number.counter = limbs[1] >> 16 | limbs[2] << 48;
  number.shard_created_s = static_cast<int64_t>(limbs[2] >> 20 & 0xfffffffffull);
  const bool frame = (limbs[0] & 15) == 2 && limbs[2] >> 56 == 2 && (limbs[1] >> 8 & 0xff) == 0 &&
                     (limbs[2] >> 16 & 15) == (number.shard_index & 15);
  if (!frame || number.counter > kEndOfShardCounter || number.time_s >= kSecondsMax ||
      number.shard_created_s >= kSecondsMax) {
    return std::nullopt;
  }
  return number;
}

std::string FormatShardId(uint32_t index) {
  char text[32];
  std::snprintf(text, sizeof(text), "shardId-%012u", index);
  return text;
}

std::optional<uint32_t> ParseShardId(std::string_view text) {
  const size_t dash = text.find('-');
  if (dash != std::string_view::npos) {
    std::string_view behind = text.substr(dash + 1);
    behind = behind.substr(0, behind.find('-'));
    if (!behind.empty()) text = behind;
  }
  if (text.empty()) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
    if (value > 0x7fffffff) return std::nullopt;
  }
  return static_cast<uint32_t>(value);
}

}  // namespace millrace::connectors
