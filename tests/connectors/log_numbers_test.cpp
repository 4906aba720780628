#include <catch2/catch.hpp>

#include "connectors/log/hash_key.h"
#include "connectors/log/log_format.h"
#include "connectors/log/sealed_token.h"
#include "connectors/log/sequence_number.h"
#include "runtime/types/crc32c.h"

namespace millrace::connectors {
namespace {

TEST_CASE("Sequence numbers have Kinesis's form") {
  // An example of version 2: 0x2 06b05f4ee 1 0000000000000004 00 06b05f4ef 00000001 2.
  const std::string example = "49680531846279227180940172674908827620533414406322651154";
  const auto number = ParseSequenceNumber(example);
  REQUIRE(number);
  CHECK(number->shard_created_s == 0x06b05f4ee);
  CHECK(number->counter == 4);
  CHECK(number->time_s == 0x06b05f4ef);
  CHECK(number->shard_index == 1);
  CHECK(FormatSequenceNumber(*number) == example);
  CHECK(!ParseSequenceNumber("0"));
  CHECK(!ParseSequenceNumber(""));
  CHECK(!ParseSequenceNumber(std::string(56, '9')));
  std::string broken = example;
  broken[55] = '5';
  CHECK(!ParseSequenceNumber(broken));
}

TEST_CASE("Sequence numbers sort as texts by counter, whatever the time") {
  std::string last;
  SequenceNumber number{1'795'552'494, 0, 1'795'552'494, 37};
  for (const uint64_t counter : std::initializer_list<uint64_t>{
           0, 1, 2, 9, 10, 1ull << 16, (1ull << 48) - 1, 1ull << 48, kEndOfShardCounter}) {
    number.counter = counter;
    number.time_s += counter % 2 == 0 ? 1000 : -500;
    const std::string text = FormatSequenceNumber(number);
    CHECK(text.size() == kSequenceNumberDigits);
    CHECK(text > last);
    last = text;
    const auto back = ParseSequenceNumber(text);
    REQUIRE(back);
    CHECK(back->counter == counter);
    CHECK(back->time_s == number.time_s);
    CHECK(back->shard_index == 37);
  }
}

TEST_CASE("Hash keys and ranges are Kinesis's") {
  CHECK(FormatHashKey(kHashKeyMax) == "340282366920938463463374607431768211455");
  CHECK(ParseHashKey("340282366920938463463374607431768211455") == kHashKeyMax);
  CHECK(!ParseHashKey("340282366920938463463374607431768211456"));
  CHECK(!ParseHashKey("1x"));
  CHECK(!ParseHashKey(""));
  CHECK(FormatHashKey(HashRangeStart(1, 3)) == "113427455640312821154458202477256070485");
  CHECK(FormatHashKey(HashRangeStart(2, 3)) == "226854911280625642308916404954512140970");
  CHECK(FormatHashKey(HashRangeStart(1, 2)) == "170141183460469231731687303715884105728");
  CHECK(HashRangeStart(0, 1) == 0);
  // MD5("") = d41d8cd98f00b204e9800998ecf8427e.
  CHECK(HashOfPartitionKey("") ==
        ((static_cast<HashKey>(0xd41d8cd98f00b204) << 64) | 0xe9800998ecf8427e));
}

TEST_CASE("Shard ids are read as Kinesis reads them") {
  CHECK(FormatShardId(12) == "shardId-000000000012");
  CHECK(ParseShardId("shardId-000000000012") == 12u);
  CHECK(ParseShardId("x-1") == 1u);
  CHECK(ParseShardId("1") == 1u);
  CHECK(ParseShardId("2147483647") == 2147483647u);
  CHECK(!ParseShardId("2147483648"));
  CHECK(!ParseShardId("shardId-"));
  CHECK(!ParseShardId("abc"));
}

TEST_CASE("Tokens are opaque, of Kinesis's shape, and can't be forged") {
  const TokenSealer sealer(std::string(32, 'k')), other(std::string(32, 'j'));
  const std::string token = sealer.Seal('I', {"1", "stream", "", "42"});
  CHECK(sealer.Open('I', token) == std::vector<std::string>{"1", "stream", "", "42"});
  CHECK(!sealer.Open('L', token));
  CHECK(!other.Open('I', token));
  CHECK(!sealer.Open('I', ""));
  CHECK(!sealer.Open('I', token.substr(0, token.size() - 4)));
  for (size_t i = 0; i < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    CHECK(!sealer.Open('I', forged));
  }
  CHECK(token.find("stream") == std::string::npos);
  CHECK(sealer.Seal('I', {std::string(128, 'n')}).size() <= 512);
}

TEST_CASE("The checksum is CRC-32C") {
  CHECK(runtime::Crc32c("123456789", 9) == 0xe3069283);
  CHECK(runtime::Crc32c("56789", 5, runtime::Crc32c("1234", 4)) == 0xe3069283);
}

TEST_CASE("Notes of transactions and names of files read back") {
  TransactionNote note{7, 3, 123, "job/sink/0/9", {{1, 10, 5}, {2, 1, 1}}};
  const auto back = DecodeNote(EncodeNote(note)).value();
  CHECK(back.number == 7);
  CHECK(back.last_batch == 3);
  CHECK(back.id == note.id);
  REQUIRE(back.shards.size() == 2);
  CHECK(back.shards[0].first_counter == 10);
  const std::string bytes = EncodeNote(note);
  for (size_t i = 0; i < bytes.size(); ++i) CHECK(!DecodeNote(bytes.substr(0, i)).ok());
  CHECK(ParseSegmentName(SegmentName(42)) == 42);
  CHECK(ParseSegmentName("00000000000000000042.spare") == 0);
  CHECK(ParseSegmentName("x") == 0);
}

}  // namespace
}  // namespace millrace::connectors
