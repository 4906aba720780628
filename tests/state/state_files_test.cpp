// Damaged files, failing disks, changed signatures, expiry.

#include <catch2/catch.hpp>

#include <cstdlib>

#include "state/file_chain.h"
#include "tests/harness/failing_file_system.h"
#include "tests/state/state_fixture.h"

namespace millrace::state {
namespace {

using runtime::Access;
using runtime::Fault;
using runtime::LogicalType;
using runtime::StateSpec;
using runtime::Status;
using runtime::TypeKind;

StateSpec Spec(int64_t ttl_ms = 0) {
  StateSpec spec;
  spec.name = "acc";
  spec.key_types = {LogicalType::VarChar()};
  spec.value = {{"n", LogicalType(TypeKind::kBigInt)}};
  spec.ttl_ms = ttl_ms;
  return spec;
}

// Adds `add` to the number of each of some keys and returns what was there before, -1: absent.
std::vector<int64_t> Add(runtime::KeyedTable* table, const std::vector<std::string>& keys,
                         int64_t add, Access access = Access::kUpsert) {
  runtime::VectorBuilder builder(runtime::ProcessPool(), LogicalType::VarChar());
  for (const std::string& key : keys) builder.AppendString(key);
  const runtime::VectorPtr column = builder.Finish();
  const runtime::Vector* columns[] = {column.get()};
  runtime::KeyNames names;
  names.columns = columns;
  names.count = static_cast<int32_t>(keys.size());
  std::vector<uint8_t*> rows(keys.size());
  REQUIRE(table->Resolve(names, access, rows.data()).ok());
  std::vector<int64_t> before;
  for (uint8_t* row : rows) {
    if (row == nullptr) {
      before.push_back(-1);
      continue;
    }
    auto* number = reinterpret_cast<int64_t*>(row + table->layout().OffsetOf(0));
    before.push_back(*number);
    if (access == Access::kUpsert) *number += add;
  }
  table->ReleasePins();
  return before;
}

// Without syncing: some thousand times.
void Overwrite(const std::string& path, std::string_view bytes) {
  auto file = runtime::LocalFileSystem().Create(path);
  REQUIRE(file.ok());
  REQUIRE((*file)->Append(bytes).ok());
}

runtime::Result<std::unique_ptr<runtime::SubtaskState>> Restore(
    runtime::StateBackend* backend, std::vector<runtime::StateHandle> handles) {
  runtime::SubtaskStateOptions options;
  options.pool = runtime::ProcessPool().MakeChild("subtask");
  options.restore = std::move(handles);
  return backend->MakeSubtaskState(std::move(options));
}

TEST_CASE("a flipped byte anywhere in a state file is found, and the error says where") {
  TemporaryFolder folder;
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 1, {});
  auto* table = subtasks[0]->Open("uid", Spec()).value();
  for (int i = 0; i < 20; ++i) Add(table, {"key number " + std::to_string(i)}, i);
  auto handles = TakeCheckpoint(backend.get(), folder.path(), 1, true, subtasks).value();
  const bool savepoint = GENERATE(false, true);
  if (savepoint) handles = backend->WriteSavepoint(folder.path() + "/s", handles).value();
  const auto files =
      runtime::LocalFileSystem().List(folder.path() + (savepoint ? "/s" : "")).value();
  std::string path;
  for (const auto& file : files) {
    if (!file.is_directory) path = file.path;
  }
  const std::string good = runtime::LocalFileSystem().ReadAll(path).value();
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    Overwrite(path, bad);
    const auto restored = Restore(backend.get(), handles);
    INFO("byte " << at << " of " << good.size());
    REQUIRE_FALSE(restored.ok());
    const std::string& message = restored.status().message();
    INFO(message);
    REQUIRE(message.find(path) != std::string::npos);
    REQUIRE(message.find("offset") != std::string::npos);
  }
  for (const size_t size : {size_t{0}, size_t{10}, good.size() / 2, good.size() - 1}) {
    Overwrite(path, good.substr(0, size));
    REQUIRE_FALSE(Restore(backend.get(), handles).ok());
  }
  Overwrite(path, good);
  REQUIRE(Restore(backend.get(), handles).ok());
  REQUIRE_FALSE(Restore(backend.get(), {"nonsense"}).ok());
  REQUIRE_FALSE(Restore(backend.get(), {handles[0].substr(0, handles[0].size() - 1)}).ok());
}

TEST_CASE("a disk that fails loses nothing: the next checkpoint carries what was not written") {
  TemporaryFolder folder;
  FailingFileSystem files;
  StateBackendOptions options;
  options.files = &files;
  auto backend = MakeStateBackend(options);
  auto subtasks = MakeSubtasks(backend.get(), 1, {});
  auto* table = subtasks[0]->Open("uid", Spec()).value();
  int64_t id = 1;
  Add(table, {"a", "b"}, 1);
  auto handles = TakeCheckpoint(backend.get(), folder.path(), id++, false, subtasks).value();

  std::map<std::string, int64_t> model = {{"a", 1}, {"b", 1}};
  for (int round = 0; round < 30; ++round) {
    const std::string key = "key " + std::to_string(round % 7);
    model[key] += round;
    Add(table, {key}, round);
    files.budget_bytes = round * 13;
    files.fail_sync = round % 5 == 0;
    const auto failed = TakeCheckpoint(backend.get(), folder.path(), id++, round % 9 == 8, subtasks);
    files.budget_bytes = INT64_MAX;
    files.fail_sync = false;
    if (round % 3 == 0) {
      handles = TakeCheckpoint(backend.get(), folder.path(), id++, false, subtasks).value();
    } else if (failed.ok()) {
      handles = *failed;
    } else {
      REQUIRE(failed.status().fault() == Fault::kExternal);
      continue;
    }
    REQUIRE(backend->Retain(folder.path(), handles, id).ok());
    auto restored = MakeSubtasks(backend.get(), 2, handles);
    int64_t rows = 0;
    for (auto& subtask : restored) rows += subtask->Open("uid", Spec()).value()->num_rows();
    REQUIRE(rows == static_cast<int64_t>(model.size()));
    auto one = MakeSubtasks(backend.get(), 1, handles);
    for (const auto& [name, number] : model) {
      REQUIRE(Add(one[0]->Open("uid", Spec()).value(), {name}, 0)[0] == number);
    }
  }
}

TEST_CASE("restored state with another signature is refused by name, what fits is converted") {
  TemporaryFolder folder;
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 1, {});
  Add(subtasks[0]->Open("uid", Spec()).value(), {"a", "a longer key than inline"}, 7);
  auto handles = TakeCheckpoint(backend.get(), folder.path(), 1, false, subtasks).value();
  if (GENERATE(false, true)) {
    handles = backend->WriteSavepoint(folder.path() + "/s", handles).value();
  }

  SECTION("another key type") {
    StateSpec spec = Spec();
    spec.key_types = {LogicalType(TypeKind::kInt)};
    auto restored = MakeSubtasks(backend.get(), 1, handles);
    const auto opened = restored[0]->Open("uid", spec);
    REQUIRE_FALSE(opened.ok());
    REQUIRE(opened.status().fault() == Fault::kUser);
    for (const char* part : {"uid", "acc", "VARCHAR(2147483647)", "key (INT)"}) {
      INFO(opened.status().message());
      REQUIRE(opened.status().message().find(part) != std::string::npos);
    }
  }
  SECTION("another value type, or a lost field") {
    StateSpec spec = Spec();
    spec.value[0].type = LogicalType(TypeKind::kInt);
    auto restored = MakeSubtasks(backend.get(), 1, handles);
    REQUIRE_FALSE(restored[0]->Open("uid", spec).ok());
    spec.value.clear();
    REQUIRE_FALSE(restored[0]->Open("uid", spec).ok());
  }
  SECTION("an added nullable field, and expiry, load") {
    StateSpec spec = Spec(1000);
    spec.value.push_back({"more", LogicalType::VarChar()});
    auto restored = MakeSubtasks(backend.get(), 1, handles);
    auto opened = restored[0]->Open("uid", spec);
    INFO(opened.status().ToString());
    REQUIRE(opened.ok());
    REQUIRE(Add(*opened, {"a", "a longer key than inline"}, 0) == std::vector<int64_t>{7, 7});
    const auto next = TakeCheckpoint(backend.get(), folder.path(), 2, false, restored).value();
    auto again = MakeSubtasks(backend.get(), 3, next);
    int64_t rows = 0;
    for (auto& subtask : again) rows += subtask->Open("uid", spec).value()->num_rows();
    REQUIRE(rows == 2);
  }
  SECTION("state that no operator opens is named") {
    auto restored = MakeSubtasks(backend.get(), 1, handles);
    REQUIRE(restored[0]->UnclaimedStates() == std::vector<std::string>{"uid/acc"});
    REQUIRE(restored[0]->Open("uid", Spec()).ok());
    REQUIRE(restored[0]->UnclaimedStates().empty());
  }
}

TEST_CASE("a savepoint depends on nothing, and nothing later depends on it") {
  TemporaryFolder folder;
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 2, {});
  int64_t expected = 0;
  for (auto& subtask : subtasks) REQUIRE(subtask->Open("uid", Spec()).ok());
  auto handles = TakeCheckpoint(backend.get(), folder.path(), 1, false, subtasks).value();
  auto savepoint = backend->WriteSavepoint(folder.path() + "/s", handles).value();
  REQUIRE(runtime::LocalFileSystem().Remove(folder.path() + "/none").ok());
  auto restored = MakeSubtasks(backend.get(), 1, savepoint);
  Add(restored[0]->Open("uid", Spec()).value(), {"x"}, 5);
  auto next = TakeCheckpoint(backend.get(), folder.path(), 2, false, restored).value();
  REQUIRE(runtime::LocalFileSystem().RemoveTree(folder.path() + "/s").ok());
  auto again = MakeSubtasks(backend.get(), 1, next);
  REQUIRE(Add(again[0]->Open("uid", Spec()).value(), {"x"}, 0)[0] == 5);
  REQUIRE(expected == 0);
}

TEST_CASE("rows expire by the time of their last write, over restores") {
  TemporaryFolder folder;
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 1, {});
  auto* table = subtasks[0]->Open("uid", Spec(100)).value();
  subtasks[0]->SetTime(1000);
  Add(table, {"a", "b"}, 1);
  subtasks[0]->SetTime(1050);
  Add(table, {"b"}, 1);
  subtasks[0]->SetTime(1099);
  REQUIRE(Add(table, {"a", "b"}, 0, Access::kRead) == std::vector<int64_t>{1, 2});
  auto handles = TakeCheckpoint(backend.get(), folder.path(), 1, false, subtasks).value();
  subtasks[0]->SetTime(1100);
  REQUIRE(Add(table, {"a", "b"}, 0, Access::kRead) == std::vector<int64_t>{-1, 2});
  REQUIRE(Add(table, {"a"}, 9) == std::vector<int64_t>{0});
  subtasks[0]->SetTime(1160);
  for (int i = 0; i < 100'000; ++i) subtasks[0]->Housekeep();
  REQUIRE(table->num_rows() == 1);
  auto second = TakeCheckpoint(backend.get(), folder.path(), 2, false, subtasks).value();

  auto restored = MakeSubtasks(backend.get(), 1, handles);
  restored[0]->SetTime(1120);
  REQUIRE(Add(restored[0]->Open("uid", Spec(100)).value(), {"a", "b"}, 0, Access::kRead) ==
          std::vector<int64_t>{-1, 2});
  restored = MakeSubtasks(backend.get(), 1, second);
  restored[0]->SetTime(1160);
  table = restored[0]->Open("uid", Spec(100)).value();
  REQUIRE(table->num_rows() == 1);
  REQUIRE(Add(table, {"a", "b"}, 0, Access::kRead) == std::vector<int64_t>{9, -1});
}

TEST_CASE("strings that die are compacted away") {
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 1, {});
  StateSpec spec = Spec();
  spec.value = {{"s", LogicalType::VarChar()}};
  auto* table = subtasks[0]->Open("uid", spec).value();
  std::vector<std::string> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back("a key that is long, number " + std::to_string(i));
  runtime::VectorBuilder builder(runtime::ProcessPool(), LogicalType::VarChar());
  for (const std::string& key : keys) builder.AppendString(key);
  const runtime::VectorPtr column = builder.Finish();
  const runtime::Vector* columns[] = {column.get()};
  runtime::KeyNames names;
  names.columns = columns;
  names.count = 1000;
  std::vector<uint8_t*> rows(1000);
  for (int round = 0; round < 200; ++round) {
    REQUIRE(table->Resolve(names, Access::kUpsert, rows.data()).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      auto* slot = reinterpret_cast<runtime::StringRef*>(rows[i] + table->layout().OffsetOf(0));
      if (round > 0 && slot->view() != keys[i] + std::to_string(round - 1)) FAIL("lost a string");
      table->arena().Set(slot, runtime::StringRef(std::string_view(keys[i] + std::to_string(round))));
    }
    table->ReleasePins();
    for (int i = 0; i < 20; ++i) subtasks[0]->Housekeep();
  }
  REQUIRE(subtasks[0]->used_bytes() < 12'000'000);
}

// Made by this test with MILLRACE_WRITE_GOLDEN set; never written again once released.
TEST_CASE("a file of format version 1 loads") {
  const std::string golden = "tests/data/state_v1.mrstate";
  StateSpec spec = Spec();
  spec.name = "golden";
  spec.key_types = {LogicalType::VarChar()};
  if (std::getenv("MILLRACE_WRITE_GOLDEN") != nullptr) {
    TemporaryFolder folder;
    auto backend = MakeStateBackend({});
    auto subtasks = MakeSubtasks(backend.get(), 1, {});
    auto* table = subtasks[0]->Open("uid", spec).value();
    for (int i = 0; i < 50; ++i) Add(table, {"a key of some length " + std::to_string(i)}, i);
    REQUIRE(TakeCheckpoint(backend.get(), folder.path(), 1, true, subtasks).ok());
    const auto files = runtime::LocalFileSystem().List(folder.path()).value();
    REQUIRE(runtime::LocalFileSystem()
                .WriteAtomically(golden, runtime::LocalFileSystem().ReadAll(files[0].path).value())
                .ok());
  }
  HandleContents handle;
  handle.segments = {{{0, 127}, {{golden, 1}}}};
  auto backend = MakeStateBackend({});
  auto subtasks = MakeSubtasks(backend.get(), 1, {handle.Encode()});
  auto* table = subtasks[0]->Open("uid", spec).value();
  REQUIRE(table->num_rows() == 50);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(Add(table, {"a key of some length " + std::to_string(i)}, 0)[0] == i);
  }
}

TEST_CASE("a budget that is too small to work with is refused") {
  TemporaryFolder folder;
  StateBackendOptions options;
  options.type = BackendType::kRocksDb;
  options.budget_bytes = 1000;
  options.local_directory = folder.path();
  auto backend = MakeStateBackend(options);
  runtime::SubtaskStateOptions subtask;
  subtask.pool = runtime::ProcessPool().MakeChild("subtask");
  REQUIRE(backend->MakeSubtaskState(std::move(subtask)).status().fault() == Fault::kUser);
  REQUIRE(ParseBackendType("rocksdb").value() == BackendType::kRocksDb);
  REQUIRE_FALSE(ParseBackendType("forst").ok());
}

}  // namespace
}  // namespace millrace::state
