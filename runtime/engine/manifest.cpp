#include "runtime/engine/manifest.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/types/crc32c.h"

namespace millrace::runtime {

namespace {

using Json = nlohmann::json;

constexpr char kMagic[4] = {'M', 'R', 'C', 'P'};
constexpr size_t kHeaderBytes = 12;

Json Bytes(const std::string& bytes) {
  return Json::binary(std::vector<uint8_t>(bytes.begin(), bytes.end()));
}
std::string FromBytes(const Json& json) {
  const auto& binary = json.get_binary();
  return {binary.begin(), binary.end()};
}
Json BytesList(const std::vector<std::string>& list) {
  Json json = Json::array();
  for (const std::string& entry : list) json.push_back(Bytes(entry));
  return json;
}
std::vector<std::string> FromBytesList(const Json& json) {
  std::vector<std::string> list;
  for (const Json& entry : json) list.push_back(FromBytes(entry));
  return list;
}
Json SplitsToJson(const std::vector<Split>& splits) {
  Json json = Json::array();
  for (const Split& split : splits)
    json.push_back({{"id", split.id}, {"at", Bytes(split.position)}});
  return json;
}
std::vector<Split> SplitsFromJson(const Json& json) {
  std::vector<Split> splits;
  for (const Json& entry : json) splits.push_back({entry.at("id"), FromBytes(entry.at("at"))});
  return splits;
}

Json OperatorToJson(const OperatorSnapshot& part) {
  Json lists = Json::array();
  for (const auto& [name, entries] : part.lists) {
    lists.push_back({{"name", name}, {"entries", BytesList(entries)}});
  }
  Json json = {{"uid", part.uid}, {"lists", lists}, {"writer", BytesList(part.writer_states)}};
  if (part.is_source) {
    json["splits"] = SplitsToJson(part.splits);
    json["finishedSplits"] = part.finished_splits;
  }
  return json;
}

OperatorSnapshot OperatorFromJson(const Json& json) {
  OperatorSnapshot part;
  part.uid = json.at("uid");
  for (const Json& list : json.at("lists")) {
    part.lists.emplace_back(list.at("name"), FromBytesList(list.at("entries")));
  }
  part.writer_states = FromBytesList(json.at("writer"));
  if (json.contains("splits")) {
    part.is_source = true;
    part.splits = SplitsFromJson(json.at("splits"));
    part.finished_splits = json.at("finishedSplits").get<std::vector<std::string>>();
  }
  return part;
}

// May throw what nlohmann throws.
Manifest FromJson(const Json& json) {
  Manifest manifest;
  manifest.job_id = json.at("jobId");
  manifest.job_name = json.at("jobName");
  manifest.checkpoint_id = json.at("checkpointId");
  manifest.time_ms = json.at("time");
  manifest.savepoint = json.at("savepoint");
  manifest.max_parallelism = json.at("maxParallelism");
  for (const Json& vertex : json.at("vertices")) {
    Manifest::VertexPart part;
    part.uid = vertex.at("uid");
    part.parallelism = vertex.at("parallelism");
    for (const Json& subtask : vertex.at("subtasks")) {
      Manifest::SubtaskPart sub;
      sub.subtask = subtask.at("subtask");
      sub.state = FromBytes(subtask.at("state"));
      for (const Json& op : subtask.at("operators")) sub.operators.push_back(OperatorFromJson(op));
      part.subtasks.push_back(std::move(sub));
    }
    manifest.vertices.push_back(std::move(part));
  }
  for (const auto& [uid, part] : json.at("enumerators").items()) {
    manifest.enumerators[uid] = {FromBytes(part.at("snapshot")),
                                 SplitsFromJson(part.at("unassigned"))};
  }
  for (const auto& [uid, list] : json.at("committables").items()) {
    for (const Json& entry : list) {
      manifest.committables[uid].push_back(
          {entry.at("id"), entry.at("subtask"), FromBytes(entry.at("bytes"))});
    }
  }
  return manifest;
}

}  // namespace

int64_t CheckpointNumber(const std::string& path) {
  const size_t at = path.rfind("/chk-");
  if (at == std::string::npos) return -1;
  const std::string digits = path.substr(at + 5);
  if (digits.empty() || digits.size() > 18 ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return -1;
  }
  return std::stoll(digits);
}

std::string Manifest::Encode() const {
  Json json = {{"jobId", job_id},
               {"jobName", job_name},
               {"checkpointId", checkpoint_id},
               {"time", time_ms},
               {"savepoint", savepoint},
               {"maxParallelism", max_parallelism},
               {"vertices", Json::array()},
               {"enumerators", Json::object()},
               {"committables", Json::object()}};
  for (const VertexPart& vertex : vertices) {
    Json subtasks = Json::array();
    for (const SubtaskPart& subtask : vertex.subtasks) {
      Json operators = Json::array();
      for (const OperatorSnapshot& op : subtask.operators) operators.push_back(OperatorToJson(op));
      subtasks.push_back({{"subtask", subtask.subtask},
                          {"state", Bytes(subtask.state)},
                          {"operators", std::move(operators)}});
    }
    json["vertices"].push_back({{"uid", vertex.uid},
                                {"parallelism", vertex.parallelism},
                                {"subtasks", std::move(subtasks)}});
  }
  for (const auto& [uid, part] : enumerators) {
    json["enumerators"][uid] = {{"snapshot", Bytes(part.snapshot)},
                                {"unassigned", SplitsToJson(part.unassigned)}};
  }
  for (const auto& [uid, list] : committables) {
    Json entries = Json::array();
    for (const Committable& entry : list) {
      entries.push_back(
          {{"id", entry.checkpoint_id}, {"subtask", entry.subtask}, {"bytes", Bytes(entry.bytes)}});
    }
    json["committables"][uid] = std::move(entries);
  }
  const std::vector<uint8_t> body = Json::to_cbor(json);
  const uint32_t version = kVersion;
  const uint32_t crc = Crc32c(body.data(), body.size());
  std::string bytes(kMagic, sizeof(kMagic));
  bytes.append(reinterpret_cast<const char*>(&version), 4);
  bytes.append(reinterpret_cast<const char*>(&crc), 4);
  bytes.append(body.begin(), body.end());
  return bytes;
}

Result<Manifest> Manifest::Decode(const std::string& bytes, const std::string& path) {
  const auto wrong = [&](const std::string& what) {
    return Status::User("checkpoint can't be read, " + what + ": " + path);
  };
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, 4) != 0) {
    return wrong("this is not a checkpoint's _metadata file");
  }
  uint32_t version, crc;
  std::memcpy(&version, bytes.data() + 4, 4);
  std::memcpy(&crc, bytes.data() + 8, 4);
  if (version != kVersion) {
    return wrong("its format version is " + std::to_string(version) + ", this Millrace reads " +
                 std::to_string(kVersion));
  }
  if (Crc32c(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes) != crc) {
    return wrong("its checksum does not match (the file is damaged; use an older checkpoint)");
  }
  try {
    return FromJson(Json::from_cbor(bytes.begin() + kHeaderBytes, bytes.end()));
  } catch (const Json::exception& e) {
    return wrong(e.what());
  }
}

std::vector<StateHandle> Manifest::Handles() const {
  std::vector<StateHandle> handles;
  for (const VertexPart& vertex : vertices) {
    for (const SubtaskPart& subtask : vertex.subtasks) {
      if (!subtask.state.empty()) handles.push_back(subtask.state);
    }
  }
  return handles;
}

Result<Manifest> ReadManifest(FileSystem& files, const std::string& path, std::string* found) {
  const auto read = [&](const std::string& folder) -> Result<Manifest> {
    const std::string file = folder + "/" + kManifestName;
    ASSIGN_OR_RETURN(const std::string bytes, files.ReadAll(file));
    *found = folder;
    return Manifest::Decode(bytes, file);
  };
  std::string folder(PathOf(path));
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  if (folder.ends_with(std::string("/") + kManifestName)) {
    return read(folder.substr(0, folder.size() - sizeof(kManifestName)));
  }
  ASSIGN_OR_RETURN(const bool direct, files.Exists(folder + "/" + kManifestName));
  if (direct) return read(folder);
  ASSIGN_OR_RETURN(std::vector<FileInfo> entries, files.List(folder));
  int64_t newest = -1;
  std::string newest_path;
  for (const FileInfo& entry : entries) {
    const int64_t number = CheckpointNumber(entry.path);
    if (number <= newest) continue;
    ASSIGN_OR_RETURN(const bool complete, files.Exists(entry.path + "/" + kManifestName));
    if (!complete) continue;
    newest = number;
    newest_path = entry.path;
  }
  if (newest < 0) {
    return Status::User("no complete checkpoint or savepoint is there (looked for " +
                        std::string(kManifestName) + " and chk-*/" + kManifestName + "): " + path);
  }
  return read(newest_path);
}

}  // namespace millrace::runtime
