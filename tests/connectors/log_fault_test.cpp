#include <catch2/catch.hpp>
#include <cstring>

#include "connectors/log/log_format.h"
#include "tests/connectors/log_test_folder.h"

namespace millrace::connectors::log_test {
namespace {

// Where the units of a segment stand, as far as their heads check.
std::vector<uint64_t> UnitOffsets(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  SegmentHead segment;
  std::memcpy(&segment, bytes.data(), sizeof(segment));
  std::vector<uint64_t> offsets;
  for (uint64_t at = kSegmentPageBytes; at + kSegmentPageBytes <= bytes.size();) {
    UnitHead head;
    std::memcpy(&head, bytes.data() + at, sizeof(head));
    if (!CheckUnitHead(head, segment.generation)) break;
    offsets.push_back(at);
    at += head.length;
  }
  return offsets;
}

void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_CASE("A crash at any moment loses nothing acknowledged") {
  TempFolder folder, crashed;
  Faults faults;
  auto store = Open(folder.path(), &faults);
  std::vector<std::string> acknowledged;
  int crashes = 0;
  for (int i = 0; i < 60; ++i) {
    if (i % 7 == 3) {
      std::lock_guard lock(faults.mutex);
      faults.before_write = [&] { crashed.CopyFrom(folder.path()); };
    }
    const auto values = Numbers(i * 10, i * 10 + 10, 500);
    REQUIRE(Put(store.get(), 1, values).ok());
    if (i % 7 == 3) {
      {
        std::lock_guard lock(faults.mutex);
        faults.before_write = nullptr;
      }
      auto recovered = Open(crashed.path());
      CHECK(ReadAll(recovered.get(), 1) == acknowledged);
      ++crashes;
    }
    acknowledged.insert(acknowledged.end(), values.begin(), values.end());
  }
  CHECK(crashes > 5);
}

TEST_CASE("A torn tail is dropped, wherever it is torn") {
  TempFolder folder, crashed;
  std::vector<std::string> before, last = Numbers(100, 120, 2000);
  {
    auto store = Open(folder.path());
    before = Numbers(0, 20, 2000);
    REQUIRE(Put(store.get(), 1, before).ok());
    REQUIRE(Put(store.get(), 1, last).ok());
    crashed.CopyFrom(folder.path());  // without the unit that a clean end adds
  }
  const std::string name = Segments(crashed.path()).back();
  const auto units = UnitOffsets(name);
  REQUIRE(units.size() == 2);
  TempFolder torn;
  // Pages of the last unit that never reached the disk hold zeros, or what the file held before.
  for (const uint64_t page : {0, 1, 5, 9}) {
    for (const char filling : {'\0', 'G'}) {
      torn.CopyFrom(crashed.path());
      Overwrite(Segments(torn.path()).back(), units[1] + page * kSegmentPageBytes,
                std::string(kSegmentPageBytes, filling));
      auto store = Open(torn.path());
      CHECK(ReadAll(store.get(), 1) == before);
      REQUIRE(Put(store.get(), 1, {"next"}).ok());
      store.reset();
      store = Open(torn.path());
      CHECK(ReadAll(store.get(), 1).size() == before.size() + 1);
    }
  }
}

TEST_CASE("A flipped byte is reported with file and offset, never dropped") {
  TempFolder folder;
  {
    auto store = Open(folder.path());
    for (int i = 0; i < 40; ++i) {
      REQUIRE(Put(store.get(), 1, Numbers(i * 10, i * 10 + 10, 2000)).ok());
    }
  }
  const auto segments = Segments(folder.path());
  REQUIRE(segments.size() >= 3);
  TempFolder damaged;
  for (const size_t segment : {size_t{0}, segments.size() - 1}) {
    const auto units = UnitOffsets(segments[segment]);
    // In the segment's head, in a unit's head, in a run's head, in a record, in the last unit.
    for (const uint64_t offset : {uint64_t{20}, units[0] + 9, units[0] + 60, units[1] + 5000,
                                  units[units.size() - 2] + 4000}) {
      damaged.CopyFrom(folder.path());
      const std::string name = Segments(damaged.path())[segment];
      FlipByte(name, offset);
      const auto store = TryOpen(damaged.path());
      INFO("segment " << segment << ", offset " << offset);
      REQUIRE(!store.ok());
      CHECK(store.status().fault() == runtime::Fault::kInternal);
      CHECK(store.status().message().find("the log is damaged") != std::string::npos);
      CHECK(store.status().message().find(name) != std::string::npos);
      CHECK(store.status().message().find("offset ") != std::string::npos);
      FlipByte(name, offset);  // repaired
      CHECK(ReadAll(Open(damaged.path()).get(), 1).size() == 400);
    }
  }
}

TEST_CASE("A byte that flips while the log runs fails the read, and only that") {
  TempFolder folder;
  auto options = SmallOptions();
  options.cache_bytes = 0;
  auto store = Open(folder.path(), nullptr, options);
  REQUIRE(Put(store.get(), 1, Numbers(0, 10, 1000)).ok());
  REQUIRE(Put(store.get(), 2, Numbers(0, 10, 1000)).ok());
  const std::string name = Segments(folder.path())[0];
  FlipByte(name, kSegmentPageBytes + 3000);
  const auto read = store->Read(1, 1, 100, 1 << 20);
  REQUIRE(!read.ok());
  CHECK(read.status().message().find(name) != std::string::npos);
  CHECK(ReadAll(store.get(), 2) == Numbers(0, 10, 1000));
  CHECK(Put(store.get(), 1, {"x"}).ok());
}

TEST_CASE("Missing and cut segments are reported") {
  TempFolder folder, damaged;
  {
    auto store = Open(folder.path());
    for (int i = 0; i < 40; ++i) REQUIRE(Put(store.get(), 1, Numbers(0, 10, 2000)).ok());
  }
  damaged.CopyFrom(folder.path());
  fs::remove(Segments(damaged.path())[1]);
  CHECK(!TryOpen(damaged.path()).ok());
  damaged.CopyFrom(folder.path());
  fs::resize_file(Segments(damaged.path()).back(), 64 << 10);
  CHECK(!TryOpen(damaged.path()).ok());
}

TEST_CASE("A unit of a recycled segment's former life is not taken for the log's next") {
  TempFolder folder;
  {
    auto store = Open(folder.path());
    for (int i = 0; i < 3; ++i) REQUIRE(Put(store.get(), 1, Numbers(i, i + 1, 3000)).ok());
  }
  // The file as it would be if the segment had been recycled when the log stood just there: the
  // head of the new life, one unit of it, and behind it the old units, which continue the sequence.
  const std::string name = Segments(folder.path())[0];
  const auto units = UnitOffsets(name);
  REQUIRE(units.size() == 4);
  std::ifstream file(name, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  file.close();
  constexpr uint64_t kNewGeneration = 9;
  SegmentHead segment;
  std::memcpy(&segment, bytes.data(), sizeof(segment));
  segment.generation = kNewGeneration;
  SealSegmentHead(&segment);
  std::memcpy(bytes.data(), &segment, sizeof(segment));
  UnitHead unit;
  std::memcpy(&unit, bytes.data() + units[0], sizeof(unit));
  unit.generation = kNewGeneration;
  SealUnitHead(&unit);
  std::memcpy(bytes.data() + units[0], &unit, sizeof(unit));
  SealRun(kNewGeneration, bytes.data() + units[0] + sizeof(unit));
  fs::remove(name);
  std::ofstream(folder.path() + "/" + SegmentName(kNewGeneration), std::ios::binary) << bytes;
  auto store = Open(folder.path());
  CHECK(ReadAll(store.get(), 1) == Numbers(0, 1, 3000));
  REQUIRE(Put(store.get(), 1, {"new"}).ok());
  store.reset();
  store = Open(folder.path());
  CHECK(ReadAll(store.get(), 1).size() == 2);
}

TEST_CASE("A full disk stops writes with words, keeps reads, and goes on when there is room") {
  for (const bool by_short_write : {false, true}) {
    TempFolder folder, crashed;
    Faults faults;
    auto store = Open(folder.path(), &faults);
    REQUIRE(Put(store.get(), 1, Numbers(0, 20, 2000)).ok());
    REQUIRE(Put(store.get(), 1, {"in"}, "t").ok());
    (by_short_write ? faults.short_write : faults.full) = true;
    for (int i = 0; i < 20; ++i) {
      const runtime::Status status = Put(store.get(), 1, Numbers(100, 120, 2000));
      REQUIRE(!status.ok());
      CHECK(status.fault() == runtime::Fault::kExternal);
      CHECK(status.error_number() == ENOSPC);
      CHECK(status.message().find("No space left") != std::string::npos);
    }
    CHECK(!End(store.get(), "t").first.ok());
    CHECK(ReadAll(store.get(), 1) == Numbers(0, 20, 2000));
    crashed.CopyFrom(folder.path());
    CHECK(ReadAll(Open(crashed.path()).get(), 1).size() >= 20);
    faults.full = faults.short_write = false;
    REQUIRE(Put(store.get(), 1, {"after"}).ok());
    CHECK(End(store.get(), "t").second == TransactionOutcome::kDone);
    auto wanted = Numbers(0, 20, 2000);
    wanted.push_back("after");
    wanted.push_back("in");
    CHECK(ReadAll(store.get(), 1) == wanted);
    store.reset();
    CHECK(ReadAll(Open(folder.path()).get(), 1) == wanted);
  }
}

TEST_CASE("A failed sync acknowledges nothing, and what it leaves on disk does not count") {
  TempFolder folder;
  Faults faults;
  auto store = Open(folder.path(), &faults);
  REQUIRE(Put(store.get(), 1, {"one"}).ok());
  faults.sync_fails = true;
  CHECK(!Put(store.get(), 1, {"lost"}).ok());
  faults.sync_fails = false;
  REQUIRE(Put(store.get(), 1, {"two"}).ok());
  CHECK(ReadAll(store.get(), 1) == std::vector<std::string>{"one", "two"});
  store.reset();
  CHECK(ReadAll(Open(folder.path()).get(), 1) == std::vector<std::string>{"one", "two"});
}

TEST_CASE("A crash around a commit leaves all of a transaction or none of it") {
  TempFolder folder, before, after;
  Faults faults;
  auto store = Open(folder.path(), &faults);
  REQUIRE(Put(store.get(), 1, {"a"}).ok());
  REQUIRE(Put(store.get(), 1, Numbers(0, 30), "t").ok());
  REQUIRE(Put(store.get(), 2, Numbers(30, 60), "t").ok());
  {
    std::lock_guard lock(faults.mutex);
    faults.before_write = [&] { before.CopyFrom(folder.path()); };
    faults.after_sync = [&] { after.CopyFrom(folder.path()); };  // on disk, not acknowledged
  }
  CHECK(End(store.get(), "t").second == TransactionOutcome::kDone);
  {
    std::lock_guard lock(faults.mutex);
    faults.before_write = faults.after_sync = nullptr;
  }
  auto early = Open(before.path());
  CHECK(ReadAll(early.get(), 1) == std::vector<std::string>{"a"});
  CHECK(ReadAll(early.get(), 2).empty());
  CHECK(End(early.get(), "t").second == TransactionOutcome::kDone);
  CHECK(ReadAll(early.get(), 1).size() == 31);
  CHECK(ReadAll(early.get(), 2) == Numbers(30, 60));
  auto late = Open(after.path());
  CHECK(ReadAll(late.get(), 1).size() == 31);
  CHECK(ReadAll(late.get(), 2) == Numbers(30, 60));
  CHECK(End(late.get(), "t").second == TransactionOutcome::kAlreadyDone);
}

TEST_CASE("A damaged state file is reported by name") {
  TempFolder folder;
  { auto store = Open(folder.path()); }
  std::ofstream(folder.path() + "/STATE") << "nonsense of some length";
  const auto store = TryOpen(folder.path());
  REQUIRE(!store.ok());
  CHECK(store.status().message().find("STATE") != std::string::npos);
}

}  // namespace
}  // namespace millrace::connectors::log_test
