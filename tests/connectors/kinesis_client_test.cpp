#include <catch2/catch.hpp>

#include "tests/connectors/kinesis_test_parts.h"

namespace millrace::connectors {

using runtime::Fault;
using runtime::Retry;
using runtime::Status;

TEST_CASE("a kinesis client reads back what it put, whatever the bytes", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  KinesisClient client(log.ClientOptions("s"));
  Need(client.DescribeStreamSummary());
  std::vector<std::string> data, keys;
  PutRequest request(client);
  for (int i = 0; i < 300; ++i) {
    std::string bytes;
    for (int j = 0; j < i; ++j) bytes.push_back(static_cast<char>(j * 31 + i));
    data.push_back(bytes);
    keys.push_back("key \"\\\n\x01 \xc3\xa9 " + std::to_string(i));
    request.Add(data.back(), keys.back());
  }
  std::vector<size_t> failed;
  Need(client.PutRecords(request.Close(), request.records(), "", 0, &failed));
  CHECK(failed.empty());
  const std::string iterator = Need(client.GetShardIterator("shardId-000000000000", {}));
  bool expired = false;
  const FetchedRecords fetched = Need(client.GetRecords(iterator, 1000, &expired));
  REQUIRE(fetched.records.size() == 300);
  for (size_t i = 0; i < 300; ++i) {
    CHECK(fetched.records[i].data == data[i]);
    CHECK(fetched.records[i].partition_key == keys[i]);
    CHECK(fetched.records[i].sequence_number.size() == 56);
    CHECK(std::abs(fetched.records[i].arrival_ms - runtime::SystemClock().NowMs()) < 60000);
  }
  // Behind the 100th.
  ShardStart start{ShardStart::Kind::kAfterSequenceNumber,
                   std::string(fetched.records[99].sequence_number), 0};
  const FetchedRecords rest = Need(client.GetRecords(
      Need(client.GetShardIterator("shardId-000000000000", start)), 10, &expired));
  REQUIRE(rest.records.size() == 10);
  CHECK(rest.records[0].data == data[100]);
  CHECK(rest.behind_ms > 0);
}

TEST_CASE("errors of a kinesis client say whose they are", "[kinesis]") {
  TestLog log;
  KinesisClient client(log.ClientOptions("missing"));
  const Status missing = client.DescribeStreamSummary();
  CHECK(missing.fault() == Fault::kUser);
  CHECK(missing.message().find("ResourceNotFoundException") != std::string::npos);
  CHECK(missing.message().find("Create the stream") != std::string::npos);
  bool expired = false;
  CHECK(!client.GetRecords("bm9uc2Vuc2U=", 10, &expired).ok());
  CHECK(expired);
  CHECK(Need(client.HasTransactions()));
  CHECK(Need(client.CommitTransaction("never")) == TransactionEnd::kUnknown);
  log.Stop();
  const Status away = client.DescribeStreamSummary();
  CHECK(away.fault() == Fault::kExternal);
  CHECK(away.retry() == Retry::kBackoff);
}

TEST_CASE("a put under a transaction that is sent twice is stored once", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  KinesisClientOptions options = log.ClientOptions("s");
  options.request_timeout_ms = 3000;
  KinesisClient client(options);
  PutRequest request(client);
  request.Add("a", "k");
  std::vector<size_t> failed;
  Need(client.PutRecords(request.Close(), 1, "t", 1, &failed));
  Need(client.PutRecords(request.Close(), 1, "t", 1, &failed));
  log.Stop();
  log.Start();
  Need(client.PutRecords(request.Close(), 1, "t", 1, &failed));
  Need(client.PutRecords(request.Close(), 1, "t", 2, &failed));
  CHECK(Need(client.CommitTransaction("t")) == TransactionEnd::kDone);
  CHECK(log.Read("s") == std::vector<std::string>{"a", "a"});
}

TEST_CASE("a put request keeps some of its records", "[kinesis]") {
  KinesisClientOptions options;
  options.stream = "s";
  KinesisClient client(options);
  PutRequest request(client);
  for (const char* data : {"a", "b", "c", "d"}) request.Add(data, data);
  request.Close();
  request.Keep({1, 3});
  const auto body = nlohmann::json::parse(request.Close());
  REQUIRE(body["Records"].size() == 2);
  CHECK(body["Records"][0]["PartitionKey"] == "b");
  CHECK(body["Records"][1]["Data"] == "ZA==");
  request.Keep({0});
  CHECK(nlohmann::json::parse(request.Close())["Records"][0]["PartitionKey"] == "b");
}

}  // namespace millrace::connectors
