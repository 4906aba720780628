#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>

#include "connectors/filesystem/file_committable.h"
#include "connectors/filesystem/file_sink.h"
#include "connectors/filesystem/file_system_connector.h"
#include "connectors/filesystem/partition_path.h"
#include "tests/connectors/filesystem_test_context.h"

namespace millrace::connectors {
namespace {

using runtime::BatchBuilder;
using runtime::BatchPtr;
using runtime::Committable;
using runtime::Progress;
using runtime::RowType;
using runtime::RunIdentity;
using runtime::Status;
using runtime::TableSpec;

TableSpec Table(const std::string& path, std::map<std::string, std::string> options = {}) {
  TableSpec table;
  table.identifier = "`c`.`d`.`t`";
  table.connector = "filesystem";
  table.physical = {{"day", runtime::LogicalType::VarChar()},
                    {"id", runtime::LogicalType(runtime::TypeKind::kBigInt)}};
  table.produced = table.physical;
  table.options = std::move(options);
  table.options.insert({{"connector", "filesystem"}, {"path", path}, {"format", "json"}});
  table.uid = "sink-1";
  return table;
}

BatchPtr Rows(const TableSpec& table, const std::vector<std::pair<std::string, int64_t>>& rows) {
  BatchBuilder builder(runtime::ProcessPool(), table.produced);
  for (const auto& [day, id] : rows) {
    if (day == "NULL") {
      builder.column(0).AppendNull();
    } else {
      builder.column(0).AppendString(day);
    }
    builder.column(1).Append(id);
    builder.EndRow();
  }
  return builder.Finish();
}

// One run of a sink with one subtask, its checkpoints and commits called as the engine does.
class SinkRun {
 public:
  SinkRun(const TableSpec& table, std::string run_id, const std::vector<Committable>& restored = {},
          const std::vector<std::string>& states = {}, runtime::FileSystem* files = nullptr)
      : context_(run_id, files) {
    FileSystemLookup lookup = [files](std::string_view uri) -> runtime::Result<runtime::FileSystem*> {
      if (files != nullptr) return files;
      return runtime::FileSystemOf(uri);
    };
    auto made = MakeFileSink(table, lookup);
    REQUIRE(made.status().ToString() == "OK");
    sink_ = std::move(*made);
    committer_ = sink_->MakeCommitter().value();
    REQUIRE(committer_->Commit(restored).ToString() == "OK");
    REQUIRE(committer_->AbortAfter(context_.run(), states).ToString() == "OK");
    writer_ = sink_->MakeWriter().value();
    REQUIRE(writer_->Open(context_).ToString() == "OK");
    REQUIRE(writer_->Restore(states).ToString() == "OK");
  }

  Status Write(const BatchPtr& batch) {
    while (true) {
      auto progress = writer_->Write(batch);
      if (!progress.ok()) return progress.status();
      if (*progress == Progress::kNeedInput) return Status::Ok();
      context_.RunPending();
    }
  }
  Status Prepare(int64_t id, std::vector<Committable>* committables, bool end = false) {
    std::vector<std::string> bytes;
    while (true) {
      auto progress = writer_->Prepare(id, end, &bytes);
      if (!progress.ok()) return progress.status();
      if (*progress == Progress::kNeedInput) break;
      REQUIRE(bytes.empty());
      if (!context_.RunPending()) return Status::Internal("blocked with nothing to wait for");
    }
    states_ = *writer_->Snapshot();
    for (const std::string& one : bytes) committables->push_back({id, 0, one});
    return Status::Ok();
  }
  Status Commit(const std::vector<Committable>& committables) {
    return committer_->Commit(committables);
  }

  FakeContext& context() { return context_; }
  runtime::SinkWriter& writer() { return *writer_; }
  const std::vector<std::string>& states() const { return states_; }

 private:
  FakeContext context_;
  std::unique_ptr<runtime::Sink> sink_;
  std::unique_ptr<runtime::SinkCommitter> committer_;
  std::unique_ptr<runtime::SinkWriter> writer_;
  std::vector<std::string> states_;
};

// Lines of all visible files by folder below `root`, sorted.
std::map<std::string, std::vector<std::string>> Visible(const std::string& root) {
  std::map<std::string, std::vector<std::string>> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name.starts_with('.') || name.starts_with('_')) continue;
    std::ifstream file(entry.path());
    const std::string folder = std::filesystem::relative(entry.path().parent_path(), root);
    for (std::string line; std::getline(file, line);) lines[folder].push_back(line);
  }
  for (auto& [folder, all] : lines) std::sort(all.begin(), all.end());
  return lines;
}

size_t CountHidden(const std::string& root) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    count += entry.is_regular_file() && entry.path().filename().string().starts_with('.');
  }
  return count;
}

using Folders = std::map<std::string, std::vector<std::string>>;

TEST_CASE("rows become visible by the commit of their checkpoint, not before") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path() + "/t");
  SinkRun run(table, "run-a");
  std::vector<Committable> first, second;
  REQUIRE(run.Write(Rows(table, {{"a", 1}, {"b", 2}})).ok());
  REQUIRE(run.Prepare(1, &first).ToString() == "OK");
  REQUIRE(first.size() == 1);
  REQUIRE(run.Write(Rows(table, {{"c", 3}})).ok());
  CHECK(Visible(folder.path()).empty());
  REQUIRE(run.Commit(first).ok());
  CHECK(Visible(folder.path()) ==
        Folders{{"t", {R"({"day":"a","id":1})", R"({"day":"b","id":2})"}}});
  REQUIRE(run.Prepare(2, &second, true).ok());
  REQUIRE(run.Commit(second).ok());
  REQUIRE(run.Commit(second).ok());  // again, as after a restore
  CHECK(Visible(folder.path())["t"].size() == 3);
  CHECK(CountHidden(folder.path()) == 0);
  std::vector<Committable> none;
  REQUIRE(run.Prepare(3, &none).ok());
  CHECK(none.empty());
  // part-<uuid>-<subtask>-<n>
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/t")) {
    const std::string name = entry.path().filename();
    CHECK(name.starts_with(PartPrefixOfRun(std::string(32, 'a'), "sink-1", "run-a") + "0-"));
    CHECK(name.size() == 5 + 36 + 1 + 1 + 1 + 1);
  }
}

TEST_CASE("partition columns name folders and are not written") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path());
  table.partition_keys = {"day"};
  SinkRun run(table, "run-a");
  std::vector<Committable> committables;
  REQUIRE(run.Write(Rows(table, {{"2013-01-01", 1}, {"a/b:c", 2}, {"2013-01-01", 3}, {"NULL", 4}, {"", 5}}))
              .ok());
  REQUIRE(run.Prepare(1, &committables).ok());
  REQUIRE(run.Commit(committables).ok());
  CHECK(Visible(folder.path()) == Folders{{"day=2013-01-01", {R"({"id":1})", R"({"id":3})"}},
                                          {"day=a%2Fb%3Ac", {R"({"id":2})"}},
                                          {"day=__DEFAULT_PARTITION__", {R"({"id":4})", R"({"id":5})"}}});
  CHECK(PartitionOf("/x/day=a%2Fb%3Ac/part-1") ==
        std::map<std::string, std::string>{{"day", "a/b:c"}});
}

TEST_CASE("a restart between Prepare and Commit commits once, and aborts what came after") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path());
  table.partition_keys = {"day"};
  std::vector<Committable> stored, lost;
  {
    SinkRun run(table, "run-a");
    REQUIRE(run.Write(Rows(table, {{"a", 1}})).ok());
    REQUIRE(run.Prepare(1, &stored).ok());
    REQUIRE(run.Write(Rows(table, {{"a", 2}, {"b", 2}})).ok());
    REQUIRE(run.Prepare(2, &lost).ok());  // its checkpoint never completes
    REQUIRE(run.Write(Rows(table, {{"c", 3}})).ok());
  }
  // Files that are not of this sink stay.
  std::ofstream(folder.path() + "/.part-0000-other") << "x";
  CHECK(CountHidden(folder.path()) == 4);
  SinkRun run(table, "run-b", stored);
  CHECK(Visible(folder.path()) == Folders{{"day=a", {R"({"id":1})"}}});
  CHECK(CountHidden(folder.path()) == 1);
  std::vector<Committable> replayed;
  REQUIRE(run.Write(Rows(table, {{"a", 2}, {"b", 2}, {"c", 3}})).ok());
  REQUIRE(run.Prepare(2, &replayed).ok());
  REQUIRE(run.Commit(replayed).ok());
  CHECK(Visible(folder.path()) == Folders{{"day=a", {R"({"id":1})", R"({"id":2})"}},
                                          {"day=b", {R"({"id":2})"}},
                                          {"day=c", {R"({"id":3})"}}});
  // A third run, restored from the same checkpoint 2, changes nothing; nor when files were moved on.
  SinkRun third(table, "run-c", replayed);
  CHECK(Visible(folder.path()).size() == 3);
  std::filesystem::remove_all(folder.path() + "/day=a");
  SinkRun fourth(table, "run-d", replayed);
  CHECK(Visible(folder.path()).size() == 2);
}

TEST_CASE("files roll by size and by time, also within a checkpoint") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path(), {{"sink.rolling-policy.file-size", "100 b"},
                                                {"sink.rolling-policy.rollover-interval", "10 s"}});
  SinkRun run(table, "run-a");
  for (int64_t i = 0; i < 10; ++i) REQUIRE(run.Write(Rows(table, {{"a", i}})).ok());
  run.context().set_now_ms(9'999);
  REQUIRE(run.writer().OnTimer(9'999).ok());
  REQUIRE(run.Write(Rows(table, {{"b", 1}})).ok());
  run.context().set_now_ms(20'000);
  REQUIRE(run.writer().OnTimer(20'000).ok());
  REQUIRE(run.Write(Rows(table, {{"c", 1}})).ok());
  std::vector<Committable> committables;
  REQUIRE(run.Prepare(1, &committables).ok());
  REQUIRE(run.Commit(committables).ok());
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    files += entry.is_regular_file();
  }
  CHECK(files == 3);  // 6 rows by size, 5 by time, 1 by the checkpoint
  CHECK(Visible(folder.path())["."].size() == 12);
  CHECK(run.context().timer_ms() == 80'000);
}

TEST_CASE("big batches go through the IO threads and block while these are behind") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path());
  SinkRun run(table, "run-a");
  const std::string long_text(100'000, 'x');
  const BatchPtr batch = Rows(table, {{long_text, 1}, {long_text, 2}, {long_text, 3}});
  bool blocked = false;
  int64_t written = 0;
  for (int i = 0; i < 200 && !blocked; ++i) {
    auto progress = run.writer().Write(batch);
    REQUIRE(progress.ok());
    blocked = *progress == Progress::kBlocked;
    written += blocked ? 0 : 3;
  }
  CHECK(blocked);
  CHECK(written > 150);
  REQUIRE(run.Write(batch).ok());
  CHECK(run.context().wakes() > 0);
  std::vector<Committable> committables;
  REQUIRE(run.Prepare(1, &committables).ok());
  REQUIRE(run.Commit(committables).ok());
  CHECK(Visible(folder.path())["."].size() == static_cast<size_t>(written) + 3);
}

TEST_CASE("a finished partition is marked, with the delay over a restart") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path(), {{"sink.partition-commit.policy.kind", "success-file"},
                                          {"sink.partition-commit.delay", "1 min"}});
  table.partition_keys = {"day"};
  std::vector<Committable> committables;
  std::vector<std::string> states;
  {
    SinkRun run(table, "run-a");
    REQUIRE(run.Write(Rows(table, {{"a", 1}})).ok());
    REQUIRE(run.Prepare(1, &committables).ok());
    states = run.states();
  }
  SinkRun run(table, "run-b", committables, states);
  CHECK(!std::filesystem::exists(folder.path() + "/day=a/_SUCCESS"));
  run.context().set_now_ms(60'000);
  committables.clear();
  REQUIRE(run.Prepare(2, &committables).ok());
  CHECK(run.states().empty());
  REQUIRE(run.Commit(committables).ok());
  CHECK(std::filesystem::exists(folder.path() + "/day=a/_SUCCESS"));
  REQUIRE(run.Write(Rows(table, {{"b", 1}})).ok());
  committables.clear();
  REQUIRE(run.Prepare(3, &committables, true).ok());
  REQUIRE(run.Commit(committables).ok());
  CHECK(std::filesystem::exists(folder.path() + "/day=b/_SUCCESS"));
}

TEST_CASE("a full disk is an external error with words, in Write or in Prepare") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path());
  FullDisk disk;
  SinkRun run(table, "run-a", {}, {}, &disk);
  REQUIRE(run.Write(Rows(table, {{"a", 1}})).ok());
  std::vector<Committable> committables;
  const Status status = run.Prepare(1, &committables);
  REQUIRE(!status.ok());
  CHECK(status.fault() == runtime::Fault::kExternal);
  CHECK(status.retry() == runtime::Retry::kBackoff);
  CHECK(status.error_number() == ENOSPC);
  CHECK(status.message().find("No space left on device") != std::string::npos);
  CHECK(status.message().find("the filesystem sink can't write") != std::string::npos);
  CHECK(!run.writer().Write(Rows(table, {{"a", 1}})).ok());
  CHECK(committables.empty());
}

TEST_CASE("a writer that dies with work queued leaves only hidden files") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path());
  {
    SinkRun run(table, "run-a");
    REQUIRE(run.Write(Rows(table, {{std::string(300'000, 'x'), 1}})).ok());
  }
  CHECK(Visible(folder.path()).empty());
}

TEST_CASE("updates, wrong options and types are refused") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path());
  SinkRun run(table, "run-a");
  BatchBuilder builder(runtime::ProcessPool(), table.produced);
  builder.column(0).AppendString("a");
  builder.column(1).Append(int64_t{1});
  builder.EndRow(runtime::RowKind::kDelete);
  const Status status = run.Write(builder.Finish());
  CHECK(status.message().find("update and delete changes") != std::string::npos);

  const auto refused = [&](std::map<std::string, std::string> options) {
    return MakeFileSink(Table(folder.path(), std::move(options))).status().message();
  };
  CHECK(refused({{"auto-compaction", "true"}}).find("not supported") != std::string::npos);
  CHECK(refused({{"sink.partition-commit.policy.kind", "metastore"}}).find("success-file") !=
        std::string::npos);
  CHECK(refused({{"sink.partition-commit.policy.kind", "success-file"},
                 {"sink.partition-commit.trigger", "partition-time"}})
            .find("process-time") != std::string::npos);
  CHECK(refused({{"sink.rolling-policy.file-sise", "1"}})
            .find("Did you mean 'sink.rolling-policy.file-size'?") != std::string::npos);
  CHECK(refused({{"json.x", "1"}}).find("Unsupported option found: 'x'") != std::string::npos);
  TableSpec missing = Table(folder.path());
  missing.options.erase("path");
  CHECK(MakeFileSink(missing).status().message().find("path") != std::string::npos);
  table.partition_keys = {"nope"};
  CHECK(!MakeFileSink(table).ok());
  table.partition_keys = {"day", "id"};
  CHECK(!MakeFileSink(table).ok());
  CHECK(MakeFileSystemConnector().make_sink(Table(folder.path())).ok());
}

TEST_CASE("committables and states that are damaged are refused") {
  FileCommittable committable;
  committable.files = {"a", std::string("\0\xff", 2)};
  committable.finished_partitions = {"p"};
  const std::string bytes = committable.Encode();
  CHECK(FileCommittable::Decode(bytes)->files == committable.files);
  for (size_t i = 0; i < bytes.size(); ++i) {
    CHECK(!FileCommittable::Decode(bytes.substr(0, i)).ok());
  }
  CHECK(!FileCommittable::Decode(bytes + "x").ok());
  CHECK(!PendingPartitions::Decode(bytes).ok());
}

}  // namespace
}  // namespace millrace::connectors
