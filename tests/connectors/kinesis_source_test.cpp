#include "connectors/kinesis/kinesis_source.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>

#include "connectors/kinesis/kinesis_connector.h"
#include "tests/connectors/kinesis_test_parts.h"

namespace millrace::connectors {

using runtime::Progress;
using runtime::ReadOutput;
using runtime::Result;
using runtime::Split;
using runtime::Status;
using runtime::TableSpec;

namespace {

const std::map<std::string, std::string> kFromStart = {{"source.init.position", "TRIM_HORIZON"}};

std::vector<std::string> Numbers(int begin, int end) {
  std::vector<std::string> records;
  for (int i = begin; i < end; ++i) records.push_back("{\"n\":" + std::to_string(i) + "}");
  return records;
}

// One reader with a context of its own.
class Reading {
 public:
  explicit Reading(const TableSpec& table, int32_t batch_rows = 1024) : table_(table) {
    context_.mutable_settings().batch_rows = batch_rows;
    source_ = Need(MakeKinesisSource(table));
    reader_ = Need(source_->MakeReader());
    Need(reader_->Open(context_));
  }
  runtime::Source& source() { return *source_; }
  runtime::SourceReader& reader() { return *reader_; }
  TestContext& context() { return context_; }
  std::vector<std::string> finished;

  // Reads until `enough` rows are there, or all is read, or nothing came for `patience_ms`.
  Status ReadRows(size_t enough, std::vector<std::string>* rows, int64_t patience_ms = 10000) {
    while (rows->size() < enough) {
      ReadOutput out;
      Result<Progress> progress = reader_->Poll(&out);
      if (!progress.ok()) return progress.status();
      if (out.batch != nullptr) {
        for (std::string& row : Rows(table_.produced, *out.batch)) rows->push_back(std::move(row));
      }
      if (out.split_finished) finished.push_back(std::to_string(out.split));
      if (*progress == Progress::kFinished) return Status::Ok();
      if (*progress == Progress::kBlocked && !context_.AwaitWake(patience_ms)) return Status::Ok();
    }
    return Status::Ok();
  }

 private:
  const TableSpec table_;
  TestContext context_;
  std::unique_ptr<runtime::Source> source_;
  std::unique_ptr<runtime::SourceReader> reader_;
};

std::vector<Split> Discover(const TableSpec& table) {
  return Need(Need(Need(MakeKinesisSource(table))->MakeEnumerator())->Discover());
}

std::vector<std::string> Sorted(std::vector<std::string> rows) {
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<std::string> Expected(int begin, int end) {
  std::vector<std::string> rows;
  for (int i = begin; i < end; ++i) rows.push_back("+I[" + std::to_string(i) + "]");
  return Sorted(rows);
}

}  // namespace

TEST_CASE("a kinesis source reads all shards, and goes on from any position", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 3);
  log.Put("s", Numbers(0, 3000));
  const TableSpec table = log.Table("s", "n INT", kFromStart);
  std::vector<Split> splits = Discover(table);
  REQUIRE(splits.size() == 3);
  std::vector<std::string> rows;
  // A new reader after every few batches.
  while (rows.size() < 3000) {
    Reading reading(table, 100);
    Need(reading.reader().AddSplits(splits));
    const size_t before = rows.size();
    Need(reading.ReadRows(before + 700, &rows));
    REQUIRE(rows.size() > before);
    splits = Need(reading.reader().Snapshot());
    REQUIRE(splits.size() == 3);
  }
  CHECK(Sorted(rows) == Expected(0, 3000));
}

TEST_CASE("a kinesis source gives metadata and projected columns", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  log.Put("s", {R"({"a":1,"b":"x","c":{"d":5}})"});
  TableSpec table = log.Table("s", "a INT, b VARCHAR(2147483647), c ROW<d INT>", kFromStart);
  table.projection = {{2, 0}, {1}};
  table.metadata = {"shard-id", "partition-key", "sequence-number", "timestamp"};
  const auto known = KinesisReadableMetadata();
  table.produced = {{"d", table.physical[2].type.children()[0].type},
                    table.physical[1],
                    {"s", known[1].type},
                    {"p", known[3].type},
                    {"q", known[2].type},
                    {"t", known[0].type}};
  Reading reading(table);
  Need(reading.reader().AddSplits(Discover(table)));
  std::vector<std::string> rows;
  Need(reading.ReadRows(1, &rows));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].starts_with("+I[5, x, shardId-000000000000, 0, 4"));
  char year[8];
  const std::time_t now = std::time(nullptr);
  std::strftime(year, sizeof(year), "%Y-", std::gmtime(&now));
  CHECK(rows[0].find(std::string(", ") + year) != std::string::npos);

  SECTION("no column at all") {
    table.projection.clear();
    table.metadata.clear();
    table.produced.clear();
    Reading counting(table);
    Need(counting.reader().AddSplits(Discover(table)));
    std::vector<std::string> none;
    Need(counting.ReadRows(1, &none));
    CHECK(none == std::vector<std::string>{"+I[]"});
  }
}

TEST_CASE("a bounded kinesis source ends at what was there when it started", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 4);
  log.Put("s", Numbers(0, 500));
  auto options = kFromStart;
  options["scan.bounded.mode"] = "latest-offset";
  const TableSpec table = log.Table("s", "n INT", options);
  Reading reading(table);
  CHECK(reading.source().bounded());
  auto enumerator = Need(reading.source().MakeEnumerator());
  CHECK(!enumerator->done());
  const std::vector<Split> splits = Need(enumerator->Discover());
  CHECK(enumerator->done());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  log.Put("s", Numbers(500, 600));
  Need(reading.reader().AddSplits(splits));
  reading.reader().NoMoreSplits();
  std::vector<std::string> rows;
  Need(reading.ReadRows(SIZE_MAX, &rows));
  CHECK(Sorted(rows) == Expected(0, 500));
  CHECK(reading.finished.size() == 4);
  CHECK(Need(reading.reader().Snapshot()).empty());
}

TEST_CASE("a kinesis source begins at the latest record, or at a time", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 2);
  log.Put("s", Numbers(0, 10));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const TableSpec latest = log.Table("s", "n INT");
  const std::vector<Split> splits = Discover(latest);  // the moment of the start
  const int64_t now_ms = runtime::SystemClock().NowMs();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  log.Put("s", Numbers(10, 20));
  Reading reading(latest);
  Need(reading.reader().AddSplits(splits));
  std::vector<std::string> rows;
  Need(reading.ReadRows(11, &rows, 600));
  CHECK(Sorted(rows) == Expected(10, 20));

  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.3f", static_cast<double>(now_ms) / 1000);
  const TableSpec at_time = log.Table(
      "s", "n INT", {{"source.init.position", "AT_TIMESTAMP"}, {"source.init.timestamp", seconds}});
  Reading later(at_time);
  Need(later.reader().AddSplits(Discover(at_time)));
  std::vector<std::string> later_rows;
  Need(later.ReadRows(11, &later_rows, 600));
  CHECK(Sorted(later_rows) == Expected(10, 20));
}

TEST_CASE("a kinesis source waits for a log that goes away and returns", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 2);
  log.Put("s", Numbers(0, 2000));
  const TableSpec table = log.Table("s", "n INT", kFromStart);
  Reading reading(table, 50);
  auto enumerator = Need(reading.source().MakeEnumerator());
  Need(reading.reader().AddSplits(Need(enumerator->Discover())));
  std::vector<std::string> rows;
  Need(reading.ReadRows(300, &rows));
  log.Stop();
  Need(reading.ReadRows(SIZE_MAX, &rows, 300));
  CHECK(Need(enumerator->Discover()).empty());
  CHECK(enumerator->discovery_interval_ms() < 1000);
  CHECK(!enumerator->done());
  log.Start();
  log.Put("s", Numbers(2000, 2500));
  Need(reading.ReadRows(2500, &rows));
  CHECK(Sorted(rows) == Expected(0, 2500));
  CHECK(Need(enumerator->Discover()).empty());
  CHECK(enumerator->discovery_interval_ms() == 10000);

  auto options = kFromStart;
  options["aws.retry-timeout"] = "200 ms";
  Reading impatient(log.Table("s", "n INT", options));
  Need(impatient.reader().AddSplits(Discover(table)));
  log.Stop();
  std::vector<std::string> none;
  Status status = impatient.ReadRows(SIZE_MAX, &none);
  REQUIRE(!status.ok());
  CHECK(status.fault() == runtime::Fault::kExternal);
  CHECK(status.message().find("stream 's': shard shardId-0") != std::string::npos);
  log.Start();
}

TEST_CASE("a record that can't be read fails with stream, shard and sequence number", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  auto records = Numbers(0, 5);
  records[3] = "{nonsense";
  log.Put("s", records);
  const TableSpec table = log.Table("s", "n INT", kFromStart);
  Reading reading(table);
  Need(reading.reader().AddSplits(Discover(table)));
  std::vector<std::string> rows;
  const Status status = reading.ReadRows(5, &rows);
  REQUIRE(!status.ok());
  CHECK(status.fault() == runtime::Fault::kUser);
  CHECK(status.message().starts_with("stream 's', shard shardId-000000000000, sequence number 4"));
  CHECK(rows == Expected(0, 3));
  // What was handed over is not read again; the bad one is.
  Reading again(table);
  Need(again.reader().AddSplits(Need(reading.reader().Snapshot())));
  std::vector<std::string> none;
  CHECK(!again.ReadRows(1, &none).ok());
  CHECK(none.empty());
}

TEST_CASE("an idle kinesis source costs next to nothing", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 4);
  const TableSpec table = log.Table("s", "n INT", kFromStart);
  Reading reading(table);
  Need(reading.reader().AddSplits(Discover(table)));
  std::vector<std::string> rows;
  Need(reading.ReadRows(1, &rows, 1500));  // the pauses have grown
  const auto cpu = [] {
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double begin = cpu();
  Need(reading.ReadRows(1, &rows, 2000));
  const double share = (cpu() - begin) / 2.0;  // of a core, the log's own work included
  INFO("share of a core: " << share);
  CHECK(share < 0.05);
  log.Put("s", Numbers(0, 1));
  Need(reading.ReadRows(1, &rows, 2000));
  CHECK(rows == Expected(0, 1));
}

TEST_CASE("options of a kinesis table are checked before anything starts", "[kinesis]") {
  TestLog log;
  const auto why = [&](std::map<std::string, std::string> options) {
    const Result<std::unique_ptr<runtime::Source>> source =
        MakeKinesisConnector().make_source(log.Table("s", "n INT", std::move(options)));
    return source.ok() ? std::string() : source.status().message();
  };
  CHECK(why({}).empty());
  CHECK(why({{"source.reader.type", "EFO"}}).find("enhanced fan-out") != std::string::npos);
  CHECK(why({{"source.init.positon", "LATEST"}}).find("'source.init.position'") !=
        std::string::npos);
  CHECK(why({{"stream.arn", "arn:aws:kinesis:us-east-1:0:stream/s"}}).find("exclude") !=
        std::string::npos);
  CHECK(why({{"source.init.position", "AT_TIMESTAMP"}}).find("source.init.timestamp") !=
        std::string::npos);
  CHECK(why({{"source.init.position", "at_timestamp"},
             {"source.init.timestamp", "2013-01-01T00:00:00.000-05:00"}})
            .empty());
  CHECK(why({{"source.init.position", "AT_TIMESTAMP"}, {"source.init.timestamp", "yesterday"}})
            .find("yesterday") != std::string::npos);
  CHECK(why({{"aws.credentials.provider", "BASIC"}}).find("secretkey") != std::string::npos);
  CHECK(why({{"json.ignore-parse-errors", "true"}}).empty());
  CHECK(why({{"format", "jsonn"}}).find("json") != std::string::npos);
  CHECK(why({{"aws.endpoint", "https://kinesis.us-east-1.amazonaws.com"}}).find("TLS") !=
        std::string::npos);
}

TEST_CASE("children of a shard are given out once their parents are read", "[kinesis]") {
  // The state machine alone, on a snapshot: a log that reshards comes later.
  TestLog log;
  log.CreateStream("s", 2);
  auto source = Need(MakeKinesisSource(log.Table("s", "n INT", kFromStart)));
  auto enumerator = Need(source->MakeEnumerator());
  REQUIRE(Need(enumerator->Discover()).size() == 2);
  enumerator->SplitFinished("shardId-000000000000");
  CHECK(Need(enumerator->Discover()).empty());
  auto restored = Need(source->MakeEnumerator());
  Need(restored->Restore(enumerator->Snapshot()));
  CHECK(Need(restored->Discover()).empty());
  CHECK(!restored->Restore(R"({"version":99})").ok());
}

}  // namespace millrace::connectors
