#include "runtime/engine/manifest.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace millrace::runtime {
namespace {

Manifest Example() {
  const std::string bytes("\0\1\xff\xfe", 4);
  Manifest manifest;
  manifest.job_id = "0123456789abcdef0123456789abcdef";
  manifest.job_name = "a job, \"quoted\"";
  manifest.checkpoint_id = 7;
  manifest.time_ms = 1'700'000'000'123;
  manifest.savepoint = true;
  manifest.max_parallelism = 256;
  OperatorSnapshot source;
  source.uid = "source";
  source.is_source = true;
  source.splits = {{"split-1", bytes}, {"split-2", ""}};
  source.finished_splits = {"split-0"};
  OperatorSnapshot op;
  op.uid = "operator";
  op.lists = {{"offsets", {bytes, "", "three"}}, {"none", {}}};
  op.writer_states = {bytes};
  manifest.vertices = {{"first", 2, {{0, "", {source}}, {1, "handle", {op}}}},
                       {"second", 1, {{0, bytes, {}}}}};
  manifest.enumerators["source"] = {bytes, {{"split-3", "at"}}};
  manifest.committables["sink"] = {{6, 1, bytes}, {7, 0, ""}};
  return manifest;
}

TEST_CASE("a manifest reads back as it was written") {
  const Manifest manifest = Example();
  const std::string bytes = manifest.Encode();
  Result<Manifest> decoded = Manifest::Decode(bytes, "here");
  REQUIRE(decoded.ok());
  CHECK(decoded->job_id == manifest.job_id);
  CHECK(decoded->job_name == manifest.job_name);
  CHECK(decoded->checkpoint_id == 7);
  CHECK(decoded->time_ms == manifest.time_ms);
  CHECK(decoded->savepoint);
  CHECK(decoded->max_parallelism == 256);
  REQUIRE(decoded->vertices.size() == 2);
  CHECK(decoded->vertices[0].parallelism == 2);
  const OperatorSnapshot& source = decoded->vertices[0].subtasks[0].operators[0];
  CHECK(source.is_source);
  CHECK(source.splits == Example().vertices[0].subtasks[0].operators[0].splits);
  CHECK(source.finished_splits == std::vector<std::string>{"split-0"});
  const OperatorSnapshot& op = decoded->vertices[0].subtasks[1].operators[0];
  CHECK_FALSE(op.is_source);
  CHECK(op.lists == Example().vertices[0].subtasks[1].operators[0].lists);
  CHECK(op.writer_states == Example().vertices[0].subtasks[1].operators[0].writer_states);
  CHECK(decoded->enumerators.at("source").unassigned ==
        manifest.enumerators.at("source").unassigned);
  CHECK(decoded->Handles() == manifest.Handles());
  REQUIRE(decoded->committables.at("sink").size() == 2);
  CHECK(decoded->committables.at("sink")[0].bytes == manifest.committables.at("sink")[0].bytes);
  CHECK(decoded->Encode() == bytes);
}

TEST_CASE("damaged manifests are refused, whatever byte it is") {
  const std::string bytes = Example().Encode();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      Result<Manifest> decoded = Manifest::Decode(damaged, "/the/path");
      if (decoded.ok()) FAIL("byte " << i << " bit " << bit << " went unseen");
      if (decoded.status().fault() != Fault::kUser ||
          decoded.status().message().find("/the/path") == std::string::npos) {
        FAIL("byte " << i << ": " << decoded.status().message());
      }
    }
    if (Manifest::Decode(bytes.substr(0, i), "cut").ok()) FAIL("cut at " << i << " went unseen");
  }
  CHECK_FALSE(Manifest::Decode(bytes + "x", "longer").ok());
}

TEST_CASE("the newest complete checkpoint of a folder is taken") {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("manifest-test-" + std::to_string(::getpid()));
  Manifest manifest = Example();
  for (const int64_t id : {2, 9, 10}) {
    const auto checkpoint = folder / ("chk-" + std::to_string(id));
    std::filesystem::create_directories(checkpoint);
    if (id == 10) continue;  // has no manifest: not complete
    manifest.checkpoint_id = id;
    std::ofstream(checkpoint / kManifestName, std::ios::binary) << manifest.Encode();
  }
  Result<FileSystem*> files = FileSystemOf(folder.string());
  REQUIRE(files.ok());
  std::string found;
  for (const std::string& path :
       {folder.string(), (folder / "chk-9").string(), (folder / "chk-9" / kManifestName).string(),
        folder.string() + "/"}) {
    Result<Manifest> read = ReadManifest(**files, path, &found);
    REQUIRE(read.ok());
    CHECK(read->checkpoint_id == 9);
    CHECK(found == (folder / "chk-9").string());
  }
  Result<Manifest> older = ReadManifest(**files, (folder / "chk-2").string(), &found);
  REQUIRE(older.ok());
  CHECK(older->checkpoint_id == 2);
  Result<Manifest> none = ReadManifest(**files, (folder / "chk-10").string(), &found);
  REQUIRE_FALSE(none.ok());
  CHECK(none.status().fault() == Fault::kUser);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::runtime
