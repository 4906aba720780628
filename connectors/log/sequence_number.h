#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::connectors {

// The parts of a Kinesis sequence number of version 2: 186 bits, 56 decimal digits, so that the
// numbers of a shard sort as integers and as texts. From the top, in hexadecimal digits:
//   1: "2" | 9: shard_created_s | 1: low digit of shard_index | 16: counter | 2: "00" | 9: time_s |
//   8: shard_index | 1: "2"
struct SequenceNumber {
  int64_t shard_created_s = 0;
  uint64_t counter = 0;  // 0: the start of the shard, before its first record
  int64_t time_s = 0;
  uint32_t shard_index = 0;
};

constexpr size_t kSequenceNumberDigits = 56;
constexpr uint64_t kEndOfShardCounter = 0x7fffffffffffffff;

// Writes exactly 56 digits.
void FormatSequenceNumber(const SequenceNumber& number, char* to);
std::string FormatSequenceNumber(const SequenceNumber& number);
// Nothing if it is not a number of this form.
std::optional<SequenceNumber> ParseSequenceNumber(std::string_view text);

// "shardId-000000000001".
std::string FormatShardId(uint32_t index);
// Also takes "1" and "x-1", as Kinesis does; nothing if there is no number of 0..2^31-1.
std::optional<uint32_t> ParseShardId(std::string_view text);

}  // namespace millrace::connectors
