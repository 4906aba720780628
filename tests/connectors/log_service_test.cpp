// clang-format off: before our headers, so that our CHECK yields to Catch's
#include <catch2/catch.hpp>
// clang-format on

#include "connectors/log/log_service.h"

#include <nlohmann/json.hpp>

#include "runtime/net/base64.h"
#include "runtime/net/http_client.h"
#include "runtime/net/sigv4.h"
#include "tests/connectors/log_test_folder.h"

namespace millrace::connectors::log_test {
namespace {

using nlohmann::json;

std::unique_ptr<LogService> StartService(const std::string& path, Faults* faults = nullptr,
                                         const std::string& credentials = "") {
  std::map<std::string, std::string> values = {
      {"directory", path}, {"port", "0"}, {"segment-size", "256 kb"}};
  if (!credentials.empty()) values["credentials"] = credentials;
  const auto options = runtime::Options::Parse(LogServiceOptions(), values).value();
  auto folder = OpenSegmentFolder(path).value();
  if (faults != nullptr) folder = std::make_unique<FaultyFolder>(std::move(folder), faults);
  auto service = LogService::Start(options, std::move(folder));
  REQUIRE(service.ok());
  return std::move(service).value();
}

struct Reply {
  int status;
  json body;
};

Reply Call(LogService* service, const std::string& target, const json& body,
           runtime::HttpHeaders headers = {}) {
  runtime::HttpClient client({"127.0.0.1", service->port()});
  runtime::HttpRequest request;
  request.method = "POST";
  request.headers = std::move(headers);
  request.headers.emplace_back("Content-Type", "application/x-amz-json-1.1");
  request.headers.emplace_back("X-Amz-Target", target);
  request.body = body.dump();
  const auto response = client.Send(request);
  REQUIRE(response.ok());
  return {response.value().status,
          response.value().body.empty() ? json() : json::parse(response.value().body)};
}

Reply Kinesis(LogService* service, const std::string& operation, const json& body) {
  return Call(service, "Kinesis_20131202." + operation, body);
}

json SomeRecords(int count, size_t size) {
  json records = json::array();
  for (int i = 0; i < count; ++i) {
    records.push_back({{"PartitionKey", std::to_string(i)},
                       {"Data", runtime::Base64Encode(std::string(size, 'd'))}});
  }
  return records;
}

size_t CountRecords(LogService* service, const std::string& stream) {
  const json iterator =
      Kinesis(service, "GetShardIterator",
              {{"StreamName", stream}, {"ShardId", "0"}, {"ShardIteratorType", "TRIM_HORIZON"}})
          .body;
  std::string token = iterator["ShardIterator"];
  size_t count = 0;
  while (true) {
    const Reply reply = Kinesis(service, "GetRecords", {{"ShardIterator", token}});
    REQUIRE(reply.status == 200);
    if (reply.body["Records"].empty()) return count;
    count += reply.body["Records"].size();
    token = reply.body["NextShardIterator"];
  }
}

TEST_CASE("Streams, records and iterators outlive a restart of the service") {
  TempFolder folder;
  auto service = StartService(folder.path());
  REQUIRE(Kinesis(service.get(), "CreateStream", {{"StreamName", "s"}, {"ShardCount", 1}}).status ==
          200);
  REQUIRE(
      Kinesis(service.get(), "PutRecords", {{"StreamName", "s"}, {"Records", SomeRecords(20, 100)}})
          .status == 200);
  const std::string token =
      Kinesis(service.get(), "GetShardIterator",
              {{"StreamName", "s"}, {"ShardId", "0"}, {"ShardIteratorType", "LATEST"}})
          .body["ShardIterator"];
  service->Stop();
  service = StartService(folder.path());
  CHECK(CountRecords(service.get(), "s") == 20);
  REQUIRE(
      Kinesis(service.get(), "PutRecords", {{"StreamName", "s"}, {"Records", SomeRecords(3, 10)}})
          .status == 200);
  CHECK(Kinesis(service.get(), "GetRecords", {{"ShardIterator", token}}).body["Records"].size() ==
        3);
}

TEST_CASE("A full disk is told to those who put; reads go on, and puts do once there is room") {
  TempFolder folder;
  Faults faults;
  auto service = StartService(folder.path(), &faults);
  REQUIRE(Kinesis(service.get(), "CreateStream", {{"StreamName", "s"}, {"ShardCount", 1}}).status ==
          200);
  const json put = {{"StreamName", "s"}, {"Records", SomeRecords(20, 1000)}};
  REQUIRE(Kinesis(service.get(), "PutRecords", put).status == 200);
  faults.full = true;
  const Reply refused = Kinesis(service.get(), "PutRecords", put);
  CHECK(refused.status == 500);
  CHECK(refused.body["__type"] == "InternalFailure");
  CHECK(refused.body["message"].get<std::string>().find("No space left") != std::string::npos);
  CHECK(Kinesis(service.get(), "CreateStream", {{"StreamName", "t"}, {"ShardCount", 1}}).status ==
        500);
  CHECK(CountRecords(service.get(), "s") == 20);
  faults.full = false;
  CHECK(Kinesis(service.get(), "PutRecords", put).status == 200);
  CHECK(CountRecords(service.get(), "s") == 40);
}

TEST_CASE("Our own client signs so that the service believes it") {
  TempFolder folder;
  auto service = StartService(folder.path(), nullptr, "AKIDX:secret,AKIDY:other");
  const auto send = [&](const std::string& secret) {
    runtime::HttpRequest request;
    request.method = "POST";
    request.headers = {{"Host", "127.0.0.1:" + std::to_string(service->port())},
                       {"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", "Kinesis_20131202.ListStreams"}};
    request.body = "{}";
    runtime::SignRequest({"AKIDX", secret, ""}, {"us-east-1", "kinesis"},
                         runtime::SystemClock().NowMs(), &request);
    runtime::HttpClient client({"127.0.0.1", service->port()});
    return client.Send(request).value();
  };
  CHECK(send("secret").status == 200);
  CHECK(send("wrong").status == 400);
  CHECK(send("wrong").body.find("InvalidSignatureException") != std::string::npos);
}

TEST_CASE("A record in escaped JSON and one named by ARN are read like any other") {
  TempFolder folder;
  auto service = StartService(folder.path());
  REQUIRE(Kinesis(service.get(), "CreateStream", {{"StreamName", "s"}, {"ShardCount", 1}}).status ==
          200);
  runtime::HttpClient client({"127.0.0.1", service->port()});
  runtime::HttpRequest request;
  request.method = "POST";
  request.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                     {"X-Amz-Target", "Kinesis_20131202.PutRecords"}};
  request.body =
      R"({"Records":[{"Data":"\/\/8=","PartitionKey":"a\u0062"}],)"
      R"("StreamARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","Other":[1,{"x":null}]})";
  CHECK(client.Send(request).value().status == 200);
  const std::string token =
      Kinesis(service.get(), "GetShardIterator",
              {{"StreamName", "s"}, {"ShardId", "0"}, {"ShardIteratorType", "TRIM_HORIZON"}})
          .body["ShardIterator"];
  const json record =
      Kinesis(service.get(), "GetRecords", {{"ShardIterator", token}}).body["Records"][0];
  CHECK(record["Data"] == "//8=");
  CHECK(record["PartitionKey"] == "ab");
}

TEST_CASE("Options that are wrong are refused with words") {
  TempFolder folder;
  const auto parse = [&](const std::map<std::string, std::string>& values) {
    return runtime::Options::Parse(LogServiceOptions(), values).status();
  };
  CHECK(!parse({}).ok());
  CHECK(!parse({{"directory", "x"}, {"durability", "never"}}).ok());
  auto options = runtime::Options::Parse(
      LogServiceOptions(),
      {{"directory", folder.path()}, {"port", "0"}, {"credentials", "nocolon"}});
  REQUIRE(options.ok());
  CHECK(LogService::Start(options.value()).status().fault() == runtime::Fault::kUser);
  CHECK(options.value().Masked().at("credentials") != "nocolon");
}

}  // namespace
}  // namespace millrace::connectors::log_test
