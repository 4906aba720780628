#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "connectors/filesystem/file_source.h"
#include "runtime/types/text/value_text.h"
#include "tests/connectors/filesystem_test_context.h"

namespace millrace::connectors {
namespace {

using runtime::LogicalType;
using runtime::Progress;
using runtime::ReadOutput;
using runtime::Split;
using runtime::Status;
using runtime::TableSpec;
using runtime::TypeKind;

TableSpec Table(const std::string& path, std::map<std::string, std::string> options = {}) {
  TableSpec table;
  table.identifier = "`c`.`d`.`t`";
  table.connector = "filesystem";
  table.physical = {{"id", LogicalType(TypeKind::kBigInt)}, {"name", LogicalType::VarChar()}};
  table.produced = table.physical;
  table.options = std::move(options);
  table.options.insert({{"connector", "filesystem"}, {"path", path}, {"format", "json"}});
  return table;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string Json(int64_t id, const std::string& name) {
  return "{\"id\":" + std::to_string(id) + ",\"name\":\"" + name + "\"}\n";
}

std::vector<Split> Discover(runtime::SplitEnumerator& enumerator) {
  auto splits = enumerator.Discover();
  REQUIRE(splits.status().ToString() == "OK");
  return *splits;
}

// Reads splits with one reader, up to `most` batches.
struct Read {
  std::vector<std::string> rows;
  std::vector<std::string> finished;
  std::vector<Split> left;
  Status status;
  int batches = 0;
  bool ended = false;

  Read(const TableSpec& table, const std::vector<Split>& splits, int32_t batch_rows = 1024,
       int most = INT32_MAX) {
    FakeContext context("run", nullptr);
    context.mutable_settings().batch_rows = batch_rows;
    auto source = MakeFileSource(table);
    REQUIRE(source.status().ToString() == "OK");
    auto reader = (*source)->MakeReader().value();
    REQUIRE(reader->Open(context).ok());
    status = reader->AddSplits(splits);
    reader->NoMoreSplits();
    while (status.ok() && batches < most) {
      ReadOutput out;
      auto progress = reader->Poll(&out);
      if (!progress.ok()) {
        status = progress.status();
        break;
      }
      if (out.batch != nullptr) {
        ++batches;
        for (int32_t row = 0; row < out.batch->num_rows(); ++row) {
          std::string text;
          runtime::PrintRow(table.produced, *out.batch, row, &text);
          rows.push_back(text);
        }
      }
      if (out.split_finished) finished.push_back(splits[static_cast<size_t>(out.split)].id);
      if (*progress == Progress::kFinished) {
        ended = true;
        break;
      }
      if (*progress == Progress::kBlocked) REQUIRE(context.RunPending());
    }
    if (status.ok()) left = reader->Snapshot().value();
  }
};

std::unique_ptr<runtime::SplitEnumerator> Enumerate(const TableSpec& table) {
  auto source = MakeFileSource(table);
  REQUIRE(source.status().ToString() == "OK");
  return (*source)->MakeEnumerator().value();
}

TEST_CASE("files are found recursively, hidden ones are not, each once") {
  TemporaryFolder folder;
  for (const char* name : {"b", "a/x", "a/y/z", ".part-1", "_SUCCESS", "_t/a", ".h/a", "c.json"}) {
    WriteFile(folder.path() + "/t/" + name, Json(1, name));
  }
  const TableSpec table = Table(folder.path() + "/t/");
  auto enumerator = Enumerate(table);
  const std::vector<Split> splits = Discover(*enumerator);
  std::vector<std::string> names;
  for (const Split& split : splits) names.push_back(split.id.substr(folder.path().size()));
  CHECK(names == std::vector<std::string>{"/t/a/x", "/t/a/y/z", "/t/b", "/t/c.json"});
  WriteFile(folder.path() + "/t/d", Json(2, "d"));
  CHECK(Discover(*enumerator).empty());
  CHECK(enumerator->done());
  auto restored = Enumerate(table);
  REQUIRE(restored->Restore(enumerator->Snapshot()).ok());
  CHECK(Discover(*restored).empty());
  CHECK(!restored->Restore("x").ok());

  const Read read(table, splits);
  CHECK(read.ended);
  CHECK(read.finished.size() == 4);
  CHECK(read.left.empty());
  CHECK(read.rows ==
        std::vector<std::string>{"+I[1, a/x]", "+I[1, a/y/z]", "+I[1, b]", "+I[1, c.json]"});
  // One file by its path.
  CHECK(Discover(*Enumerate(Table(folder.path() + "/t/b"))).size() == 1);
  CHECK(!Enumerate(Table(folder.path() + "/nope"))->Discover().ok());
  CHECK(Discover(*Enumerate(Table(folder.path() + "/t",
                                  {{"source.path.regex-pattern", ".*/[a-z](\\.json)?"}})))
            .size() == 5);
  CHECK(!MakeFileSource(Table(folder.path(), {{"source.path.regex-pattern", "("}})).ok());
}

TEST_CASE("a monitored folder gives new files, over a restart too") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path() + "/t", {{"source.monitor-interval", "1 s"}});
  auto source = MakeFileSource(table);
  CHECK(!(*source)->bounded());
  auto enumerator = Enumerate(table);
  CHECK(enumerator->discovery_interval_ms() == 1000);
  CHECK(Discover(*enumerator).empty());  // the folder may come later
  WriteFile(folder.path() + "/t/a", Json(1, "a"));
  CHECK(Discover(*enumerator).size() == 1);
  CHECK(Discover(*enumerator).empty());
  WriteFile(folder.path() + "/t/b", Json(1, "b"));
  auto restored = Enumerate(table);
  REQUIRE(restored->Restore(enumerator->Snapshot()).ok());
  CHECK(Discover(*restored).size() == 1);
}

TEST_CASE("reading goes on behind the last record given, wherever it stopped") {
  TemporaryFolder folder;
  std::string bytes;
  std::vector<std::string> expected;
  for (int64_t i = 0; i < 97; ++i) {
    const std::string name(static_cast<size_t>(i % 40), 'n');
    bytes += Json(i, name);
    if (i % 7 == 0) bytes.insert(bytes.size() - 1, "\r");
    if (i % 9 == 0) bytes += "\n";  // an empty line gives no row
    expected.push_back("+I[" + std::to_string(i) + ", " + name + "]");
  }
  bytes.pop_back();  // the last line without its end
  const TableSpec table = Table(folder.path());
  WriteFile(folder.path() + "/f", bytes);
  const std::vector<Split> splits = Discover(*Enumerate(table));
  CHECK(Read(table, splits).rows == expected);
  for (const int32_t batch_rows : {1, 3, 1024}) {
    std::vector<std::string> rows;
    std::vector<Split> left = splits;
    for (int stops = 0; !left.empty() && stops < 1000; ++stops) {
      const Read read(table, left, batch_rows, 1 + stops % 5);
      REQUIRE(read.status.ok());
      rows.insert(rows.end(), read.rows.begin(), read.rows.end());
      left = read.left;
    }
    CHECK(rows == expected);
  }
}

TEST_CASE("big files come in blocks, records may be longer than one") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path());
  std::string bytes;
  std::vector<std::string> expected;
  for (int64_t i = 0; i < 40'000; ++i) {
    const std::string name(i == 20'000 ? 3'000'000 : static_cast<size_t>(i % 100), 'x');
    bytes += Json(i, name);
    expected.push_back("+I[" + std::to_string(i) + ", " + name + "]");
  }
  WriteFile(folder.path() + "/f", bytes);
  const Read read(table, Discover(*Enumerate(table)));
  CHECK(read.status.ToString() == "OK");
  CHECK((read.rows == expected));
  CHECK(read.batches >= 40);
}

TEST_CASE("what was appended after a file was found is not read; a file that shrank ends early") {
  TemporaryFolder folder;
  const TableSpec table = Table(folder.path());
  WriteFile(folder.path() + "/f", Json(1, "a") + Json(2, "b"));
  const std::vector<Split> splits = Discover(*Enumerate(table));
  std::ofstream(folder.path() + "/f", std::ios::app) << Json(3, "c");
  CHECK(Read(table, splits).rows.size() == 2);
  WriteFile(folder.path() + "/f", Json(1, "a"));
  CHECK(Read(table, splits).rows.size() == 1);
  std::filesystem::remove(folder.path() + "/f");
  const Status status = Read(table, splits).status;
  CHECK(status.fault() == runtime::Fault::kExternal);
}

TEST_CASE("partition and metadata columns come from the path, in any projection") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path());
  table.physical = {{"day", LogicalType(TypeKind::kDate)},
                    {"id", LogicalType(TypeKind::kBigInt)},
                    {"at", LogicalType::Timestamp(3)},
                    {"origin", LogicalType::VarChar()}};
  table.produced = table.physical;
  table.partition_keys = {"day", "at", "origin"};
  const std::string file = "/day=2013-01-31/at=2013-01-31T05%3A15/origin=__DEFAULT_PARTITION__/f";
  WriteFile(folder.path() + file, "{\"id\":1,\"day\":\"ignored\"}\n{\"id\":2}\n");
  const std::vector<Split> splits = Discover(*Enumerate(table));
  CHECK(Read(table, splits).rows ==
        std::vector<std::string>{"+I[2013-01-31, 1, 2013-01-31T05:15, null]",
                                 "+I[2013-01-31, 2, 2013-01-31T05:15, null]"});
  table.projection = {{1}, {0}};
  table.metadata = {"file.path", "file.size", "file.name"};
  table.produced = {{"id", LogicalType(TypeKind::kBigInt)},
                    {"day", LogicalType(TypeKind::kDate)},
                    {"p", LogicalType::VarChar()},
                    {"s", LogicalType(TypeKind::kBigInt)},
                    {"n", LogicalType::VarChar()}};
  CHECK(Read(table, splits).rows[1] == "+I[2, 2013-01-31, " + folder.path() + file + ", 34, f]");
  table.projection = {{0}};
  table.metadata = {"file.modification-time"};
  table.produced = {{"day", LogicalType(TypeKind::kDate)}, {"m", LogicalType::TimestampLtz(3)}};
  const Read counted(table, splits);
  REQUIRE(counted.rows.size() == 2);
  CHECK(counted.rows[0].starts_with("+I[2013-01-31, 20"));
  table.metadata = {"file.owner"};
  CHECK(!MakeFileSource(table).ok());
  table.metadata.clear();
  table.produced.pop_back();
  WriteFile(folder.path() + "/day=yesterday/f", "{}\n");
  const Status status = Read(table, Discover(*Enumerate(table))).status;
  CHECK(status.message().find("'yesterday' is not a DATE") != std::string::npos);
}

TEST_CASE("a record that can't be read names its file and byte") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path());
  const std::string good = Json(1, "a");
  WriteFile(folder.path() + "/f", good + good + "{\"id\":\"x\"}\n" + good);
  const std::vector<Split> splits = Discover(*Enumerate(table));
  for (const int32_t batch_rows : {1, 1024}) {
    const Read read(table, splits, batch_rows);
    CHECK(read.status.fault() == runtime::Fault::kUser);
    CHECK(read.status.message().starts_with("file " + folder.path() + "/f, from byte " +
                                            std::to_string(2 * good.size()) +
                                            ": Failed to deserialize JSON '{\"id\":\"x\"}'."));
  }
  table.options["json.ignore-parse-errors"] = "true";
  CHECK(Read(table, splits).rows.size() == 4);
}

TEST_CASE("a CSV value with a line end within quotes is one record across blocks") {
  TemporaryFolder folder;
  TableSpec table = Table(folder.path(), {{"format", "csv"}});
  std::string bytes;
  std::vector<std::string> expected;
  for (int64_t i = 0; i < 30'000; ++i) {
    bytes += std::to_string(i) + ",\"line\n" + std::string(static_cast<size_t>(i % 50), 'y') + "\"\"\"\n";
    expected.push_back("+I[" + std::to_string(i) + ", line\n" +
                       std::string(static_cast<size_t>(i % 50), 'y') + "\"]");
  }
  WriteFile(folder.path() + "/f", bytes);
  const Read read(table, Discover(*Enumerate(table)));
  CHECK(read.status.ToString() == "OK");
  CHECK((read.rows == expected));
}

}  // namespace
}  // namespace millrace::connectors
