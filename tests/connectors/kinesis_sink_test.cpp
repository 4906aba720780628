#include "connectors/kinesis/kinesis_sink.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "connectors/kinesis/kinesis_connector.h"
#include "tests/connectors/kinesis_test_parts.h"

namespace millrace::connectors {

using runtime::BatchPtr;
using runtime::Committable;
using runtime::Progress;
using runtime::Result;
using runtime::Status;
using runtime::TableSpec;

namespace {

constexpr char kColumns[] = "k VARCHAR(2147483647), n INT";

std::string Record(int n) {
  return "{\"k\":\"k" + std::to_string(n % 7) + "\",\"n\":" + std::to_string(n) + "}";
}
std::vector<std::string> Records(int begin, int end) {
  std::vector<std::string> records;
  for (int i = begin; i < end; ++i) records.push_back(Record(i));
  std::sort(records.begin(), records.end());
  return records;
}
std::vector<std::string> Sorted(std::vector<std::string> records) {
  std::sort(records.begin(), records.end());
  return records;
}

// One run of a sink: a committer and a writer, as the engine makes them.
class Run {
 public:
  // Commits `held`, aborts the rest, and opens a writer.
  Run(const TableSpec& table, const std::string& run_id, std::vector<Committable> held = {})
      : table_(table), context_(run_id), sink_(Need(MakeKinesisSink(table))) {
    committer_ = Need(sink_->MakeCommitter());
    Need(committer_->Commit(held));
    Need(committer_->AbortAfter(context_.run(), {}));
    writer_ = Need(sink_->MakeWriter());
    Need(writer_->Open(context_));
  }
  TestContext& context() { return context_; }
  runtime::SinkCommitter& committer() { return *committer_; }
  runtime::SinkWriter& writer() { return *writer_; }
  int blocked = 0;

  Status Write(int begin, int end, int batch_rows = 100) {
    for (int i = begin; i < end; i += batch_rows) {
      runtime::BatchBuilder rows(context_.pool(), table_.produced);
      for (int n = i; n < std::min(i + batch_rows, end); ++n) {
        rows.column(0).AppendString("k" + std::to_string(n % 7));
        rows.column(1).Append(static_cast<int32_t>(n));
        rows.EndRow();
      }
      const BatchPtr batch = rows.Finish();
      while (true) {
        Result<Progress> progress = writer_->Write(batch);
        if (!progress.ok()) return progress.status();
        if (*progress == Progress::kNeedInput) break;
        ++blocked;
        if (!context_.AwaitWake()) return Status::Internal("not woken");
      }
    }
    return Status::Ok();
  }
  Result<std::vector<Committable>> Prepare(int64_t checkpoint_id) {
    std::vector<std::string> bytes;
    while (true) {
      Result<Progress> progress = writer_->Prepare(checkpoint_id, false, &bytes);
      if (!progress.ok()) return progress.status();
      if (*progress == Progress::kNeedInput) break;
      if (!context_.AwaitWake()) return Status::Internal("not woken");
    }
    std::vector<Committable> committables;
    for (std::string& text : bytes) committables.push_back({checkpoint_id, 0, std::move(text)});
    return committables;
  }

 private:
  const TableSpec table_;
  TestContext context_;
  std::unique_ptr<runtime::Sink> sink_;
  std::unique_ptr<runtime::SinkCommitter> committer_;
  std::unique_ptr<runtime::SinkWriter> writer_;
};

}  // namespace

TEST_CASE("rows of a kinesis sink are seen once their checkpoint is committed", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 3);
  Run run(log.Table("s", kColumns), "run1");
  CHECK(Need(run.Prepare(1)).empty());  // an epoch without rows
  Need(run.Write(0, 1234));
  const auto first = Need(run.Prepare(2));
  REQUIRE(first.size() == 1);
  Need(run.Write(1234, 1300));
  CHECK(log.Read("s").empty());
  Need(run.committer().Commit(first));
  CHECK(Sorted(log.Read("s")) == Records(0, 1234));
  Need(run.committer().Commit(first));
  const auto second = Need(run.Prepare(3));
  std::vector<Committable> both = first;
  both.insert(both.end(), second.begin(), second.end());
  Need(run.committer().Commit(both));
  CHECK(Sorted(log.Read("s")) == Records(0, 1300));
}

TEST_CASE("a kinesis sink that restarts at any step writes each row once", "[kinesis]") {
  enum class Step { kWritten, kPrepared, kCompleted, kCommitted };
  const Step step = GENERATE(Step::kWritten, Step::kPrepared, Step::kCompleted, Step::kCommitted);
  const bool log_restarts = GENERATE(false, true);
  TestLog log;
  log.CreateStream("s", 3);
  const TableSpec table = log.Table("s", kColumns);
  std::vector<Committable> held;  // what the newest complete checkpoint holds
  int from = 0;                   // where its source position stands
  {
    Run run(table, "run1");
    Need(run.Write(0, 700));
    held = Need(run.Prepare(1));
    Need(run.committer().Commit(held));
    from = 700;
    Need(run.Write(700, 1500));
    if (step >= Step::kPrepared) {
      const auto prepared = Need(run.Prepare(2));
      if (step >= Step::kCompleted) {
        held.insert(held.end(), prepared.begin(), prepared.end());
        from = 1500;
      }
      if (step >= Step::kCommitted) Need(run.committer().Commit(prepared));
      Need(run.Write(1500, 1600));  // of the next epoch, always lost
    }
    CHECK(log.Read("s").size() == (step >= Step::kCommitted ? 1500u : 700u));
    if (log_restarts) log.Stop();  // the writer dies without it
  }
  if (log_restarts) log.Start();
  Run run(table, "run2", held);
  CHECK(Sorted(log.Read("s")) == Records(0, from));
  KinesisClient client(log.ClientOptions("s"));
  CHECK(Need(client.OpenTransactions("millrace/")).empty());
  Need(run.Write(from, 2000));
  const auto last = Need(run.Prepare(3));
  Need(run.committer().Commit(last));
  CHECK(Sorted(log.Read("s")) == Records(0, 2000));
}

TEST_CASE("a kinesis sink waits for a log that goes away and returns", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 2);
  Run run(log.Table("s", kColumns, {{"sink.batch.max-size", "50"}}), "run1");
  Need(run.Write(0, 500));
  std::jthread outage([&](const std::stop_token& enough) {
    for (int i = 0; i < 5 && !enough.stop_requested(); ++i) {
      log.Stop();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      log.Start();
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
  });
  int n = 500;
  for (int epoch = 1; epoch <= 20; ++epoch, n += 1000) {
    Need(run.Write(n, n + 1000));
    const auto prepared = Need(run.Prepare(epoch));
    Need(run.committer().Commit(prepared));
  }
  outage.request_stop();
  outage.join();
  CHECK(Sorted(log.Read("s")) == Records(0, n));
}

TEST_CASE("a kinesis sink holds its input back while much waits", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  Run run(log.Table("s", kColumns, {{"sink.requests.max-buffered", "300"}}), "run1");
  Need(run.Write(0, 5000));
  CHECK(run.blocked > 0);
  Need(run.committer().Commit(Need(run.Prepare(1))));
  CHECK(Sorted(log.Read("s")) == Records(0, 5000));
}

TEST_CASE("a kinesis sink under at-least-once shows rows once they are written", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 2);
  const auto table = log.Table(
      "s", kColumns,
      {{"sink.delivery-guarantee", "at-least-once"}, {"sink.flush-buffer.timeout", "20"}});
  Run run(table, "run1");
  Need(run.Write(0, 10));
  CHECK(run.context().timer_ms() != INT64_MAX);
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  Need(run.writer().OnTimer(run.context().now_ms()));
  for (int i = 0; i < 200 && log.Read("s").size() < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(log.Read("s").size() == 10);
  Need(run.Write(10, 2000));
  CHECK(Need(run.Prepare(1)).empty());
  CHECK(Sorted(log.Read("s")) == Records(0, 2000));
}

TEST_CASE("a kinesis sink gives up with the reason", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  const auto table = log.Table("s", kColumns, {{"aws.retry-timeout", "150 ms"}});
  Run run(table, "run1");
  Need(run.Write(0, 10));
  log.Stop();
  const Status away = run.Prepare(1).status();
  REQUIRE(!away.ok());
  CHECK(away.fault() == runtime::Fault::kExternal);
  CHECK(away.message().find("PutRecords of stream 's'") != std::string::npos);
  log.Start();

  const std::vector<Committable> foreign{
      {1, 0, PreparedTransaction{"gone", run.context().now_ms()}.ToText()}};
  const Status unknown = run.committer().Commit(foreign);
  REQUIRE(!unknown.ok());
  CHECK(unknown.fault() == runtime::Fault::kUser);
  CHECK(unknown.message().starts_with("checkpoint 1: rows that the checkpoint holds"));
  // Committed so long ago that the log forgot.
  const std::vector<Committable> old{{1, 0, PreparedTransaction{"gone", 1}.ToText()}};
  Need(run.committer().Commit(old));

  Run other(table, "run2");
  Need(other.Write(0, 10));
  const auto prepared = Need(other.Prepare(1));
  KinesisClient client(log.ClientOptions("s"));
  (void)Need(client.AbortTransaction(Need(PreparedTransaction::Parse(prepared[0].bytes)).id));
  CHECK(other.committer().Commit(prepared).message().find("dropped") != std::string::npos);

  auto missing = Need(MakeKinesisSink(log.Table("missing", kColumns)));
  CHECK(missing->MakeCommitter().status().message().find("Create the stream") != std::string::npos);
}

TEST_CASE("partition keys of a kinesis sink", "[kinesis]") {
  TestLog log;
  log.CreateStream("s", 1);
  auto table = log.Table("s", kColumns);
  const auto keys = [&] {
    Run run(table, "run" + std::to_string(std::rand()));
    Need(run.Write(0, 3));
    Need(run.committer().Commit(Need(run.Prepare(1))));
    KinesisClient client(log.ClientOptions("s"));
    bool expired = false;
    const FetchedRecords fetched = Need(
        client.GetRecords(Need(client.GetShardIterator("shardId-000000000000", {})), 10, &expired));
    std::vector<std::string> found;
    for (const KinesisRecord& record : fetched.records) found.emplace_back(record.partition_key);
    return found;
  };
  SECTION("columns") {
    table.partition_keys = {"k", "n"};
    CHECK(keys() == std::vector<std::string>{"k0|0", "k1|1", "k2|2"});
  }
  SECTION("with another delimiter") {
    table.partition_keys = {"n", "k"};
    table.options["sink.partitioner-field-delimiter"] = "";
    CHECK(keys() == std::vector<std::string>{"0k0", "1k1", "2k2"});
  }
  SECTION("fixed") {
    table.options["sink.partitioner"] = "fixed";
    CHECK(keys() == std::vector<std::string>{"0", "0", "0"});
  }
  SECTION("random") {
    const auto found = keys();
    REQUIRE(found.size() == 3);
    CHECK(found[0] != found[1]);
    CHECK(found[0].size() == 16);
  }
  SECTION("both") {
    table.options["sink.partitioner"] = "fixed";
    table.partition_keys = {"k"};
    CHECK(MakeKinesisSink(table).status().message().find("PARTITIONED BY") != std::string::npos);
  }
}

}  // namespace millrace::connectors
