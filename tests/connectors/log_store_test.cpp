#include <catch2/catch.hpp>
#include <thread>

#include "tests/connectors/log_test_folder.h"

namespace millrace::connectors::log_test {
namespace {

// A clock that a test sets.
class TestClock : public runtime::Clock {
 public:
  int64_t NowMs() const override { return now_ms; }
  int64_t MonotonicNanos() const override { return now_ms * 1000000; }
  void SleepFor(std::chrono::nanoseconds) const override {}
  std::atomic<int64_t> now_ms{1'700'000'000'000};
};

std::vector<std::string> Concat(std::vector<std::string> a, const std::vector<std::string>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_CASE("Records come back in order, from memory, from disk and after a restart") {
  TempFolder folder;
  auto store = Open(folder.path());
  for (int i = 0; i < 200; ++i) {
    RecordBatch batch;
    for (int j = 0; j < 10; ++j) {
      const std::string value = std::to_string(i * 10 + j) + std::string(j * 100, 'x');
      batch.Add(1 + j % 3, "key", std::string_view(value));
    }
    REQUIRE(AppendBatch(store.get(), std::move(batch)).ok());
  }
  REQUIRE(store->counts().segments + store->counts().clusters > 3);
  std::vector<std::vector<std::string>> seen;
  for (ShardNumber shard = 1; shard <= 3; ++shard) seen.push_back(ReadAll(store.get(), shard, 7));
  CHECK(seen[0].size() == 800);
  CHECK(seen[1].size() == 600);
  CHECK(seen[1][0] == "1" + std::string(100, 'x'));
  CHECK(seen[1][599] == "1997" + std::string(700, 'x'));
  CHECK(store->counts().bytes_read_from_disk > 0);
  store.reset();
  store = Open(folder.path());
  for (ShardNumber shard = 1; shard <= 3; ++shard) {
    CHECK(ReadAll(store.get(), shard) == seen[shard - 1]);
  }
  REQUIRE(Put(store.get(), 1, {"after"}).ok());
  CHECK(store->Ends(1).value().next_counter == 802);
}

TEST_CASE("Concurrent callers keep their own order and lose nothing") {
  TempFolder folder;
  auto store = Open(folder.path());
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 4; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < 100; ++i) {
        const runtime::Status status =
            Put(store.get(), 1, {std::to_string(writer) + ":" + std::to_string(i)});
        if (!status.ok()) std::abort();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::vector<int> next(4, 0);
  for (const std::string& value : ReadAll(store.get(), 1)) {
    const int writer = value[0] - '0';
    REQUIRE(value.substr(2) == std::to_string(next[writer]));
    ++next[writer];
  }
  CHECK(next == std::vector<int>{100, 100, 100, 100});
}

TEST_CASE("A record larger than a segment gets a segment of its own") {
  TempFolder folder;
  auto store = Open(folder.path());
  const std::string large(900 << 10, 'y');
  REQUIRE(Put(store.get(), 1, {"a", large, "b"}).ok());
  CHECK(ReadAll(store.get(), 1) == std::vector<std::string>{"a", large, "b"});
  store.reset();
  CHECK(ReadAll(Open(folder.path()).get(), 1).size() == 3);
}

TEST_CASE("Reading respects its limits and finds times") {
  TempFolder folder;
  TestClock clock;
  auto options = SmallOptions();
  options.clock = &clock;
  auto store = Open(folder.path(), nullptr, options);
  const int64_t begin_ms = clock.now_ms;
  for (int i = 0; i < 5; ++i) {
    REQUIRE(Put(store.get(), 1, Numbers(i * 10, i * 10 + 10, 100)).ok());
    clock.now_ms += 1000;
  }
  auto batch = store->Read(1, 0, 15, 1 << 20).value();
  CHECK(batch.records.size() == 15);
  CHECK(batch.next_counter == 16);
  CHECK(batch.behind_ms == 4000);  // record 16 arrived a second after the first ten
  batch = store->Read(1, 16, 1000, 350).value();
  CHECK(batch.records.size() == 3);
  batch = store->Read(1, 1, 1000, 1).value();
  CHECK(batch.records.size() == 1);  // one always fits
  batch = store->Read(1, 51, 1000, 1000).value();
  CHECK(batch.records.empty());
  CHECK(batch.next_counter == 51);
  CHECK(batch.behind_ms == 0);
  CHECK(store->FindTime(1, begin_ms).value() == 1);
  CHECK(store->FindTime(1, begin_ms + 1).value() == 11);
  CHECK(store->FindTime(1, begin_ms + 4000).value() == 41);
  CHECK(store->FindTime(1, begin_ms + 4001).value() == 51);
  CHECK(store->Read(9, 1, 10, 10).status().fault() == runtime::Fault::kUser);
}

TEST_CASE("Retention drops records, frees segments and keeps the counters") {
  TempFolder folder;
  TestClock clock;
  auto options = SmallOptions();
  options.clock = &clock;
  auto open = [&] {
    return TryOpen(folder.path(), nullptr, options, {{1, 60'000}, {2, 60'000}}).value();
  };
  auto store = open();
  for (int i = 0; i < 100; ++i) REQUIRE(Put(store.get(), 1, Numbers(0, 20, 1000)).ok());
  REQUIRE(Put(store.get(), 2, {"two"}).ok());
  const auto segments = store->counts().segments;
  REQUIRE(segments > 5);
  clock.now_ms += 61'000;
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  REQUIRE(Put(store.get(), 1, {"fresh"}).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  CHECK(store->counts().segments <= 2);
  CHECK(ReadAll(store.get(), 1) == std::vector<std::string>{"fresh"});
  CHECK(store->Ends(1).value().first_counter == 2001);
  CHECK(store->Ends(2).value().next_counter == 2);
  store.reset();
  store = open();
  CHECK(ReadAll(store.get(), 1) == std::vector<std::string>{"fresh"});
  REQUIRE(Put(store.get(), 2, {"more"}).ok());
  CHECK(store->Read(2, 1, 10, 1000).value().records.at(0).counter == 2);
}

TEST_CASE("A second process on the same folder gets a clear error") {
  TempFolder folder;
  auto store = Open(folder.path());
  const auto second = TryOpen(folder.path());
  REQUIRE(!second.ok());
  CHECK(second.status().fault() == runtime::Fault::kUser);
  CHECK(second.status().message().find("in use by another process") != std::string::npos);
  CHECK(second.status().message().find(folder.path()) != std::string::npos);
}

TEST_CASE("Dropped shards refuse records and free their room") {
  TempFolder folder;
  auto store = Open(folder.path());
  REQUIRE(Put(store.get(), 2, {"x"}).ok());
  store->DropShards({2});
  CHECK(Put(store.get(), 2, {"x"}).fault() == runtime::Fault::kUser);
  CHECK(!store->Read(2, 1, 10, 10).ok());
  store->DeclareShard(4, 1000000);
  CHECK(ReadAll(store.get(), 4).empty());
}

TEST_CASE("A transaction is invisible until it commits, then all of it is there in order") {
  TempFolder folder;
  auto store = Open(folder.path());
  REQUIRE(Put(store.get(), 1, {"a"}).ok());
  REQUIRE(Put(store.get(), 1, Numbers(0, 50), "t1").ok());
  REQUIRE(Put(store.get(), 2, Numbers(50, 60), "t1").ok());
  REQUIRE(Put(store.get(), 1, {"b"}).ok());
  REQUIRE(Put(store.get(), 1, {"other"}, "t2").ok());
  CHECK(ReadAll(store.get(), 1) == std::vector<std::string>{"a", "b"});
  CHECK(ReadAll(store.get(), 2).empty());

  auto [status, outcome] = End(store.get(), "t1");
  REQUIRE(status.ok());
  CHECK(outcome == TransactionOutcome::kDone);
  REQUIRE(Put(store.get(), 1, {"c"}).ok());
  const auto wanted = Concat(Concat({"a", "b"}, Numbers(0, 50)), {"c"});
  CHECK(ReadAll(store.get(), 1) == wanted);
  CHECK(ReadAll(store.get(), 2) == Numbers(50, 60));

  CHECK(End(store.get(), "t1").second == TransactionOutcome::kAlreadyDone);
  CHECK(End(store.get(), "t1", false).second == TransactionOutcome::kCommitted);
  CHECK(End(store.get(), "none").second == TransactionOutcome::kUnknown);
  CHECK(Put(store.get(), 1, {"late"}, "t1").fault() == runtime::Fault::kUser);
  CHECK(End(store.get(), "t2", false).second == TransactionOutcome::kDone);
  CHECK(End(store.get(), "t2", false).second == TransactionOutcome::kAlreadyDone);
  CHECK(End(store.get(), "t2").second == TransactionOutcome::kAborted);
  CHECK(ReadAll(store.get(), 1) == wanted);

  // An aborted id takes no more records, also after a restart.
  for (int restart = 0; restart < 2; ++restart) {
    const runtime::Status refused = Put(store.get(), 1, {"again"}, "t2");
    REQUIRE(!refused.ok());
    CHECK(refused.fault() == runtime::Fault::kUser);
    CHECK(refused.message() ==
          "transaction is aborted and takes no more records, begin one under another id: t2");
    CHECK(End(store.get(), "t2").second == TransactionOutcome::kAborted);
    store.reset();
    store = Open(folder.path());
    CHECK(ReadAll(store.get(), 1) == wanted);
  }
  CHECK(End(store.get(), "t1").second == TransactionOutcome::kAlreadyDone);
}

TEST_CASE("Open transactions survive restarts, and numbered batches are stored once") {
  TempFolder folder;
  auto store = Open(folder.path());
  REQUIRE(Put(store.get(), 1, Numbers(0, 5), "job/1", 1).ok());
  REQUIRE(Put(store.get(), 1, Numbers(5, 9), "job/1", 2).ok());
  REQUIRE(Put(store.get(), 2, {"x"}, "job/2").ok());
  for (int restart = 0; restart < 3; ++restart) {
    store.reset();
    store = Open(folder.path());
    REQUIRE(Put(store.get(), 1, Numbers(5, 9), "job/1", 2).ok());
    REQUIRE(Put(store.get(), 1, Numbers(0, 5), "job/1", 1).ok());
  }
  const auto open = store->ListTransactions("job/");
  REQUIRE(open.size() == 2);
  CHECK(open[0].id == "job/1");
  CHECK(open[0].records == 9);
  CHECK(open[0].last_batch == 2);
  CHECK(open[0].state == TransactionState::kOpen);
  CHECK(store->ListTransactions("job/2").size() == 1);
  CHECK(End(store.get(), "job/1").second == TransactionOutcome::kDone);
  CHECK(ReadAll(store.get(), 1) == Numbers(0, 9));
  CHECK(ReadAll(store.get(), 2).empty());
  store.reset();
  store = Open(folder.path());
  CHECK(ReadAll(store.get(), 1) == Numbers(0, 9));
}

TEST_CASE("Transactions time out, and ended ones are forgotten, also over freed segments") {
  TempFolder folder;
  TestClock clock;
  auto options = SmallOptions();
  options.clock = &clock;
  options.transaction_timeout_ms = 10'000;
  options.transaction_memory_ms = 100'000;
  auto open = [&] { return TryOpen(folder.path(), nullptr, options, {{1, 50'000}}).value(); };
  auto store = open();
  REQUIRE(Put(store.get(), 1, {"x"}, "left").ok());
  REQUIRE(Put(store.get(), 1, {"y"}, "done").ok());
  CHECK(End(store.get(), "done").second == TransactionOutcome::kDone);
  for (int i = 0; i < 50; ++i) REQUIRE(Put(store.get(), 1, Numbers(0, 20, 1000)).ok());
  clock.now_ms += 60'000;
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  CHECK(End(store.get(), "left").second == TransactionOutcome::kAborted);
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  CHECK(store->counts().segments <= 1);
  store.reset();
  store = open();
  CHECK(End(store.get(), "done").second == TransactionOutcome::kAlreadyDone);
  CHECK(ReadAll(store.get(), 1).empty());
  clock.now_ms += 200'000;
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  CHECK(End(store.get(), "done").second == TransactionOutcome::kUnknown);
}

TEST_CASE("Records that wait beyond the limit are refused, not kept") {
  TempFolder folder;
  auto options = SmallOptions();
  options.pending_bytes_max = 100 << 10;
  Faults faults;
  std::promise<void> go_on;
  auto gate = go_on.get_future().share();
  faults.before_write = [gate] { gate.wait(); };
  auto store = Open(folder.path(), &faults, options);
  std::atomic<int> refused{0}, stored{0};
  std::vector<std::future<void>> waiting;
  for (int i = 0; i < 20; ++i) {
    RecordBatch batch;
    batch.Add(1, "key", std::string_view(std::string(10 << 10, 'z')));
    auto done = std::make_shared<std::promise<void>>();
    waiting.push_back(done->get_future());
    store->Append(std::move(batch), [&, done](runtime::Status status, RecordBatch, int64_t) {
      ++(status.ok() ? stored : refused);
      done->set_value();
    });
  }
  CHECK(refused > 5);
  go_on.set_value();
  for (auto& one : waiting) one.wait();
  CHECK(stored + refused == 20);
  CHECK(ReadAll(store.get(), 1).size() == static_cast<size_t>(stored));
}

}  // namespace
}  // namespace millrace::connectors::log_test
