#include "connectors/log/stream_catalog.h"

#include <openssl/rand.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::Result;
using runtime::Status;

namespace {

constexpr char kFileName[] = "STREAMS";
constexpr int kVersion = 1;

json ToJson(const Stream& stream) {
  json shards = json::array();
  for (const StreamShard& shard : stream.shards) {
    shards.push_back({{"index", shard.index},
                      {"number", shard.number},
                      {"start", FormatHashKey(shard.start)},
                      {"end", FormatHashKey(shard.end)},
                      {"created_s", shard.created_s}});
  }
  return {{"name", stream.name},
          {"created_ms", stream.created_ms},
          {"retention_hours", stream.retention_hours},
          {"on_demand", stream.on_demand},
          {"shards", shards}};
}

// May throw; called by Load's one try block.
std::shared_ptr<const Stream> FromJson(const json& value) {
  auto stream = std::make_shared<Stream>();
  stream->name = value.at("name");
  stream->created_ms = value.at("created_ms");
  stream->retention_hours = value.at("retention_hours");
  stream->on_demand = value.at("on_demand");
  for (const json& part : value.at("shards")) {
    StreamShard shard;
    shard.index = part.at("index");
    shard.number = part.at("number");
    shard.start = ParseHashKey(part.at("start").get<std::string>()).value();
    shard.end = ParseHashKey(part.at("end").get<std::string>()).value();
    shard.created_s = part.at("created_s");
    stream->shards.push_back(shard);
  }
  return stream;
}

}  // namespace

const StreamShard& Stream::ShardOf(HashKey key) const {
  const auto after =
      std::upper_bound(shards.begin(), shards.end(), key,
                       [](HashKey key, const StreamShard& shard) { return key < shard.start; });
  return *std::prev(after);
}

Result<std::unique_ptr<StreamCatalog>> StreamCatalog::Open(SegmentFolder* folder) {
  auto catalog = std::unique_ptr<StreamCatalog>(new StreamCatalog(folder));
  RETURN_IF_ERROR(catalog->Load());
  return catalog;
}

Status StreamCatalog::Load() {
  std::string text;
  ASSIGN_OR_RETURN(text, folder_->ReadAll(kFileName));
  if (text.empty()) {
    unsigned char bytes[32];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) return Status::Internal("no random bytes");
    secret_.assign(reinterpret_cast<char*>(bytes), sizeof(bytes));
    return Save(streams_);
  }
  const std::string where = "list of streams, file " + folder_->path() + "/" + kFileName;
  try {
    const json file = json::parse(text);
    if (file.at("version") != kVersion) {
      return Status::User(
          where + " has a version that this program does not know: " + file.at("version").dump());
    }
    next_number_ = file.at("next_shard_number");
    if (!runtime::Base64Decode(file.at("secret").get<std::string>(), &secret_)) {
      return Status::Internal(where + " is damaged: secret");
    }
    for (const json& value : file.at("streams")) {
      auto stream = FromJson(value);
      streams_[stream->name] = std::move(stream);
    }
  } catch (const std::exception& error) {
    return Status::Internal(where + " is damaged: " + error.what());
  }
  return Status::Ok();
}

Status StreamCatalog::Save(const Streams& streams) const {
  json list = json::array();
  for (const auto& [name, stream] : streams) list.push_back(ToJson(*stream));
  const json file = {{"version", kVersion},
                     {"next_shard_number", next_number_},
                     {"secret", runtime::Base64Encode(secret_)},
                     {"streams", list}};
  return folder_->WriteAtomically(kFileName, file.dump(1));
}

std::shared_ptr<const Stream> StreamCatalog::Find(std::string_view name) const {
  std::shared_lock lock(mutex_);
  const auto found = streams_.find(name);
  return found == streams_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const Stream>> StreamCatalog::List(std::string_view after,
                                                               size_t count_max) const {
  std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Stream>> found;
  auto at = after.empty() ? streams_.begin() : streams_.upper_bound(after);
  for (; at != streams_.end() && found.size() < count_max; ++at) found.push_back(at->second);
  return found;
}

size_t StreamCatalog::CountShards() const {
  std::shared_lock lock(mutex_);
  size_t count = 0;
  for (const auto& [name, stream] : streams_) count += stream->shards.size();
  return count;
}

Result<std::shared_ptr<const Stream>> StreamCatalog::Create(const std::string& name,
                                                            uint32_t shards, bool on_demand,
                                                            int32_t retention_hours,
                                                            int64_t now_ms) {
  std::lock_guard change(change_mutex_);
  if (Find(name) != nullptr) return Status::User("stream exists: " + name);
  auto stream = std::make_shared<Stream>();
  stream->name = name;
  stream->created_ms = now_ms - 2000;  // as Kinesis: before the first record in whole seconds too
  stream->retention_hours = retention_hours;
  stream->on_demand = on_demand;
  const ShardNumber first_number = next_number_;
  for (uint32_t i = 0; i < shards; ++i) {
    StreamShard shard;
    shard.index = i;
    shard.number = first_number + i;
    shard.start = HashRangeStart(i, shards);
    shard.end = i + 1 == shards ? kHashKeyMax : HashRangeStart(i + 1, shards) - 1;
    shard.created_s = stream->created_ms / 1000;
    stream->shards.push_back(shard);
  }
  Streams changed = streams_;
  changed[name] = stream;
  next_number_ += shards;
  RETURN_IF_ERROR(Save(changed));
  std::unique_lock lock(mutex_);
  streams_ = std::move(changed);
  return std::shared_ptr<const Stream>(stream);
}

Result<std::shared_ptr<const Stream>> StreamCatalog::Delete(const std::string& name) {
  std::lock_guard change(change_mutex_);
  std::shared_ptr<const Stream> stream = Find(name);
  if (stream == nullptr) return stream;
  Streams changed = streams_;
  changed.erase(name);
  RETURN_IF_ERROR(Save(changed));
  std::unique_lock lock(mutex_);
  streams_ = std::move(changed);
  return stream;
}

Result<std::shared_ptr<const Stream>> StreamCatalog::SetRetention(const std::string& name,
                                                                  int32_t hours) {
  std::lock_guard change(change_mutex_);
  const std::shared_ptr<const Stream> before = Find(name);
  if (before == nullptr) return before;
  auto stream = std::make_shared<Stream>(*before);
  stream->retention_hours = hours;
  Streams changed = streams_;
  changed[name] = stream;
  RETURN_IF_ERROR(Save(changed));
  std::unique_lock lock(mutex_);
  streams_ = std::move(changed);
  return std::shared_ptr<const Stream>(stream);
}

}  // namespace millrace::connectors
