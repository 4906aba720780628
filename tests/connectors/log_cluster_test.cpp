#include <catch2/catch.hpp>
#include <thread>

#include "tests/connectors/log_test_folder.h"

namespace millrace::connectors::log_test {
namespace {

std::vector<std::string> Files(const std::string& path, const std::string& extension) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == extension) names.push_back(entry.path());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class StepClock : public runtime::Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t MonotonicNanos() const override { return now_ms * 1000000; }
  void SleepFor(std::chrono::nanoseconds) const override {}
  std::atomic<int64_t> now_ms{1'700'000'000'000};
};

EmbeddedLogOptions NoCache() {
  auto options = SmallOptions();
  options.cache_bytes = 0;
  return options;
}

// Fills several segments with small calls, among them transactions that span segments.
std::vector<std::vector<std::string>> Fill(EmbeddedLogStore* store) {
  std::vector<std::vector<std::string>> wanted(4);
  for (int i = 0; i < 400; ++i) {
    const auto shard = static_cast<ShardNumber>(1 + i % 3);
    const auto values = Numbers(i * 2, i * 2 + 2, 300);
    const bool in_transaction = i % 5 == 0;
    const std::string id = "t" + std::to_string(i / 100);
    REQUIRE(Put(store, shard, values, in_transaction ? id : "").ok());
    if (!in_transaction) {
      wanted[shard].insert(wanted[shard].end(), values.begin(), values.end());
    }
    if (i % 100 == 99) {
      REQUIRE(End(store, id).second == TransactionOutcome::kDone);
      for (int j = i - 99; j <= i; j += 5) {
        const auto part = Numbers(j * 2, j * 2 + 2, 300);
        auto& of_shard = wanted[1 + j % 3];
        of_shard.insert(of_shard.end(), part.begin(), part.end());
      }
    }
  }
  return wanted;
}

void CheckAll(EmbeddedLogStore* store, const std::vector<std::vector<std::string>>& wanted) {
  for (ShardNumber shard = 1; shard <= 3; ++shard) {
    CHECK(ReadAll(store, shard) == wanted[shard]);
    CHECK(ReadAll(store, shard, 5) == wanted[shard]);
  }
}

TEST_CASE("Re-clustering keeps every record, its order and its transactions") {
  TempFolder folder, crashed;
  auto store = Open(folder.path(), nullptr, NoCache());
  const auto wanted = Fill(store.get());
  store->WaitUntilClustered();
  REQUIRE(store->counts().clusters >= 4);
  CheckAll(store.get(), wanted);
  crashed.CopyFrom(folder.path());  // segments and clusters hold the same records
  for (int i = 0; i < 150 && store->counts().segments > 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(store->counts().segments <= 2);  // what is clustered was freed
  CheckAll(store.get(), wanted);
  store.reset();
  store = Open(folder.path(), nullptr, NoCache());
  CheckAll(store.get(), wanted);
  CHECK(End(store.get(), "t0").second == TransactionOutcome::kAlreadyDone);
  REQUIRE(Put(store.get(), 1, {"more"}).ok());
  CHECK(ReadAll(store.get(), 1).size() == wanted[1].size() + 1);

  auto recovered = Open(crashed.path(), nullptr, NoCache());
  CheckAll(recovered.get(), wanted);
  recovered->WaitUntilClustered();
  CheckAll(recovered.get(), wanted);
}

TEST_CASE("A reader of one shard reads little more than its own bytes") {
  TempFolder folder;
  auto store = Open(folder.path(), nullptr, NoCache());
  const auto wanted = Fill(store.get());
  store->WaitUntilClustered();
  const auto before = store->counts().bytes_read_from_disk;
  uint64_t own = 0;
  for (const std::string& value : ReadAll(store.get(), 2)) own += value.size();
  CHECK(store->counts().bytes_read_from_disk - before < own * 3 / 2);
}

TEST_CASE("Times are found inside clusters, and retention frees them") {
  TempFolder folder;
  StepClock clock;
  auto options = NoCache();
  options.clock = &clock;
  auto open = [&] {
    return TryOpen(folder.path(), nullptr, options, {{1, 3'600'000}, {2, 7'200'000}}).value();
  };
  auto store = open();
  const int64_t begin_ms = clock.now_ms;
  for (int i = 0; i < 300; ++i) {
    REQUIRE(Put(store.get(), 1 + i % 2, {std::string(200, 'a')}).ok());
    clock.now_ms += 10;
  }
  store->WaitUntilClustered();
  REQUIRE(store->counts().clusters >= 4);  // two retention periods, two of each segment
  for (const int i : {0, 7, 33, 149}) {
    CHECK(store->FindTime(1, begin_ms + i * 20).value() == static_cast<RecordCounter>(i + 1));
    CHECK(store->FindTime(1, begin_ms + i * 20 - 1).value() == static_cast<RecordCounter>(i + 1));
  }
  const auto read = store->Read(1, 34, 2, 1000).value();
  CHECK(read.records[0].time_ms == begin_ms + 33 * 20);
  store.reset();
  clock.now_ms += 3'700'000;
  store = open();
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));
  CHECK(ReadAll(store.get(), 1).empty());
  CHECK(ReadAll(store.get(), 2).size() == 150);
  const auto clusters = store->counts().clusters;
  CHECK(clusters >= 2);
  clock.now_ms += 3'700'000;
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));
  CHECK(store->counts().clusters == 0);
  CHECK(Files(folder.path(), ".cluster").empty());
}

TEST_CASE("A long retention does not hold the segments of others") {
  TempFolder folder;
  StepClock clock;
  auto options = SmallOptions();
  options.clock = &clock;
  auto store = TryOpen(folder.path(), nullptr, options, {{1, 60'000}, {2, 1'000'000'000}}).value();
  for (int i = 0; i < 60; ++i) {
    REQUIRE(Put(store.get(), 1, Numbers(0, 20, 1500)).ok());  // large runs: left where they are
    REQUIRE(Put(store.get(), 2, {std::string(20 << 10, 'k')}).ok());
  }
  const auto segments = store->counts().segments;
  REQUIRE(segments >= 8);
  clock.now_ms += 61'000;
  for (int i = 0; i < 150 && store->counts().segments > segments / 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(store->counts().segments < segments);
  CHECK(ReadAll(store.get(), 2).size() == 60);
}

TEST_CASE("Damage to a cluster is reported with file and offset") {
  TempFolder folder, damaged;
  {
    auto store = Open(folder.path(), nullptr, NoCache());
    Fill(store.get());
    store->WaitUntilClustered();
  }
  damaged.CopyFrom(folder.path());
  std::string name = Files(damaged.path(), ".cluster")[1];
  FlipByte(name, 20);
  auto store = TryOpen(damaged.path());
  REQUIRE(!store.ok());
  CHECK(store.status().message().find(name) != std::string::npos);

  damaged.CopyFrom(folder.path());
  FlipByte(name, kSegmentPageBytes + 100);
  auto opened = Open(damaged.path(), nullptr, NoCache());
  const auto values = ReadAll(opened.get(), 1);
  REQUIRE(!values.empty());
  CHECK(values[0].find("error: the log is damaged") == 0);
  CHECK(values[0].find(name) != std::string::npos);
}

TEST_CASE("A cluster that can't be written changes nothing") {
  TempFolder folder;
  Faults faults;
  auto store = Open(folder.path(), &faults, NoCache());
  std::vector<std::string> wanted;
  for (int i = 0; i < 60; ++i) {
    REQUIRE(Put(store.get(), 1, {std::string(500, 'a')}).ok());
    wanted.push_back(std::string(500, 'a'));
  }
  faults.full = true;
  for (int i = 0; i < 3; ++i) (void)Put(store.get(), 1, {"refused"}).ok();
  store->WaitUntilClustered();
  faults.full = false;
  CHECK(ReadAll(store.get(), 1) == wanted);
  store.reset();
  CHECK(ReadAll(Open(folder.path()).get(), 1) == wanted);
}

}  // namespace
}  // namespace millrace::connectors::log_test
