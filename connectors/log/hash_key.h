#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace millrace::connectors {

// A place on the ring of 2^128 hash keys among which the shards of a stream share the records.
using HashKey = unsigned __int128;

constexpr HashKey kHashKeyMax = ~HashKey{0};

// MD5 of the partition key's UTF-8 bytes as a big-endian number, as Kinesis has it.
HashKey HashOfPartitionKey(std::string_view partition_key);

// Decimal digits; nothing if it is no number or not below 2^128.
std::optional<HashKey> ParseHashKey(std::string_view text);
std::string FormatHashKey(HashKey key);

// The first key of part `index` of `count` equal ones: floor(2^128 / count) * index.
HashKey HashRangeStart(uint32_t index, uint32_t count);

}  // namespace millrace::connectors
