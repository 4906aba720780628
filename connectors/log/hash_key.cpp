#define OPENSSL_SUPPRESS_DEPRECATED  // MD5() of one short key costs a third of the EVP interface
#include "connectors/log/hash_key.h"

#include <openssl/md5.h>

#include <algorithm>

namespace millrace::connectors {

HashKey HashOfPartitionKey(std::string_view partition_key) {
  unsigned char digest[MD5_DIGEST_LENGTH];
  MD5(reinterpret_cast<const unsigned char*>(partition_key.data()), partition_key.size(), digest);
  HashKey key = 0;
  for (const unsigned char byte : digest) key = key << 8 | byte;
  return key;
}

std::optional<HashKey> ParseHashKey(std::string_view text) {
  if (text.empty() || text.size() > 39) return std::nullopt;
  HashKey key = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<HashKey>(c - '0');
    if (key > (kHashKeyMax - digit) / 10) return std::nullopt;
    key = key * 10 + digit;
  }
  return key;
}

std::string FormatHashKey(HashKey key) {
  std::string text;
  do {
    text.push_back(static_cast<char>('0' + static_cast<int>(key % 10)));
    key /= 10;
  } while (key != 0);
  std::reverse(text.begin(), text.end());
  return text;
}

HashKey HashRangeStart(uint32_t index, uint32_t count) {
  // floor(2^128 / count), where 2^128 itself has no room.
  const HashKey rest = kHashKeyMax % count + 1;
  const HashKey width = kHashKeyMax / count + (rest == count ? 1 : 0);
  return count == 1 ? 0 : width * index;
}

}  // namespace millrace::connectors
