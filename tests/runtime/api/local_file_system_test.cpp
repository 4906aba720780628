#include <catch2/catch.hpp>

#include <stdlib.h>

#include "runtime/api/clock.h"
#include "runtime/api/file_system.h"

namespace millrace::runtime {
namespace {

std::string MakeFolder() {
  char name[] = "/tmp/millrace_fs_XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  return name;
}

std::string ReadOrEmpty(const std::string& path) {
  auto bytes = LocalFileSystem().ReadAll(path);
  return bytes.ok() ? bytes.value() : "";
}

TEST_CASE("local files are written, listed, linked and removed") {
  FileSystem& files = LocalFileSystem();
  const std::string folder = MakeFolder();
  auto file = files.Create(folder + "/a/b/one");
  REQUIRE(file.ok());
  REQUIRE(file.value()->Append("hello ").ok());
  REQUIRE(file.value()->Append("world").ok());
  REQUIRE(file.value()->Sync().ok());
  REQUIRE(file.value()->Close().ok());
  REQUIRE_FALSE(file.value()->Append("x").ok());
  REQUIRE(ReadOrEmpty("file://" + folder + "/a/b/one") == "hello world");

  REQUIRE(files.WriteAtomically(folder + "/a/b/one", "new").ok());
  REQUIRE(ReadOrEmpty(folder + "/a/b/one") == "new");
  REQUIRE(files.Link(folder + "/a/b/one", folder + "/c/two").ok());
  REQUIRE(ReadOrEmpty(folder + "/c/two") == "new");
  REQUIRE(files.Link(folder + "/a/b/none", folder + "/c/three").error_number() == ENOENT);

  auto listed = files.List(folder + "/a/b");
  REQUIRE(listed.ok());
  REQUIRE(listed.value().size() == 1);
  REQUIRE(listed.value()[0].size_bytes == 3);
  REQUIRE(files.List(folder + "/none").value().empty());
  REQUIRE(files.Exists(folder + "/c/two").value());
  REQUIRE(files.Remove(folder + "/c/two").ok());
  REQUIRE(files.Remove(folder + "/c/two").ok());
  REQUIRE_FALSE(files.Exists(folder + "/c/two").value());
  REQUIRE(files.OpenForRead(folder + "/c/two").status().fault() == Fault::kExternal);

  auto part = files.OpenForRead(folder + "/a/b/one");
  REQUIRE(part.ok());
  char two[8];
  REQUIRE(part.value()->ReadAt(1, 8, two).value() == 2);
  REQUIRE(files.RemoveTree(folder).ok());
}

TEST_CASE("a recoverable file is invisible until committed, and commits once") {
  FileSystem& files = LocalFileSystem();
  const std::string folder = MakeFolder();
  const std::string path = folder + "/day=1/part-0";
  auto writer = files.OpenRecoverable(path);
  REQUIRE(writer.ok());
  REQUIRE(writer.value()->Append("kept|").ok());
  const std::string persisted = writer.value()->Persist().value();
  REQUIRE(writer.value()->Append("dropped").ok());
  writer.value().reset();
  REQUIRE_FALSE(files.Exists(path).value());

  auto resumed = files.Resume(persisted);
  REQUIRE(resumed.ok());
  REQUIRE(resumed.value()->position_bytes() == 5);
  REQUIRE(resumed.value()->Append("more").ok());
  const std::string token = resumed.value()->CloseForCommit().value();
  REQUIRE_FALSE(files.Exists(path).value());
  REQUIRE_FALSE(files.Commit(persisted).ok());
  REQUIRE(files.Commit(token).ok());
  REQUIRE(ReadOrEmpty(path) == "kept|more");
  REQUIRE(files.Commit(token).ok());
  REQUIRE(files.Abort(token).ok());
  REQUIRE(ReadOrEmpty(path) == "kept|more");
  REQUIRE(files.List(folder + "/day=1").value().size() == 1);

  auto other = files.OpenRecoverable(folder + "/x|:y");
  REQUIRE(other.value()->Append("1").ok());
  const std::string aborted = other.value()->Persist().value();
  REQUIRE(files.Abort(aborted).ok());
  REQUIRE(files.Abort(aborted).ok());
  REQUIRE_FALSE(files.Resume(aborted).ok());
  REQUIRE_FALSE(files.Commit("nonsense").ok());
  REQUIRE(files.RemoveTree(folder).ok());
}

TEST_CASE("file systems are found by scheme") {
  REQUIRE(FileSystemOf("/a:b/c").ok());
  REQUIRE(FileSystemOf("file:///a").value() == &LocalFileSystem());
  REQUIRE(FileSystemOf("gopher://a").status().fault() == Fault::kUser);
  REQUIRE(PathOf("file:///a/b") == "/a/b");
  REQUIRE(PathOf("file:/a/b") == "/a/b");
  REQUIRE(PathOf("/a/b") == "/a/b");
}

TEST_CASE("the system clock goes on") {
  const Clock& clock = SystemClock();
  REQUIRE(clock.NowMs() > 1'500'000'000'000);
  const int64_t before = clock.MonotonicNanos();
  clock.SleepFor(std::chrono::milliseconds(2));
  REQUIRE(clock.MonotonicNanos() - before >= 2'000'000);
}

}  // namespace
}  // namespace millrace::runtime
