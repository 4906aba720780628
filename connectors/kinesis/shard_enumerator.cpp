#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "connectors/kinesis/kinesis_source.h"
#include "runtime/api/clock.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::Result;
using runtime::Split;
using runtime::Status;

namespace {

constexpr int kSnapshotVersion = 1;
constexpr int64_t kRetryMs = 500;

// Finds shards. One is given out once its parents are read to their end, or are older than the
// start, or no longer listed. The moment of the start is fixed by the first look and kept in the
// snapshot: a job that restarts before its first record begins where it first did.
class ShardEnumerator : public runtime::SplitEnumerator {
 public:
  ShardEnumerator(std::shared_ptr<KinesisClient> client, const KinesisSourceSettings& settings)
      : client_(std::move(client)), settings_(settings) {}

  Result<std::vector<Split>> Discover() override {
    Result<std::vector<Split>> found = Look();
    const int64_t now_ms = runtime::SystemClock().NowMs();
    if (found.ok()) {
      failing_since_ms_ = 0;
      return found;
    }
    if (found.status().retry() == runtime::Retry::kNo) return found;
    // While this waited inside, no checkpoint could be taken: it asks to be called again soon.
    if (failing_since_ms_ == 0) failing_since_ms_ = now_ms;
    if (now_ms - failing_since_ms_ > client_->options().retry_timeout_ms) {
      return client_->GaveUp(found.status(), now_ms - failing_since_ms_);
    }
    return std::vector<Split>{};
  }

  int64_t discovery_interval_ms() const override {
    if (failing_since_ms_ != 0) return kRetryMs;
    return settings_.bounded ? 0 : settings_.discovery_interval_ms;
  }
  bool done() const override {
    return settings_.bounded && failing_since_ms_ == 0 && started_ && !waiting_;
  }

  std::string Snapshot() const override {
    json shards = json::object();
    for (const auto& [id, state] : shards_) shards[id] = state == ShardState::kRead ? 1 : 0;
    return json{{"version", kSnapshotVersion},
                {"started", started_},
                {"startMs", start_ms_},
                {"untilMs", until_ms_},
                {"shards", shards}}
        .dump();
  }

  Status Restore(const std::string& snapshot) override {
    try {
      const json state = json::parse(snapshot);
      if (state.at("version").get<int>() != kSnapshotVersion) {
        return Status::User(
            "state of a kinesis source is of a version that this program does not "
            "know: " +
            snapshot.substr(0, 200));
      }
      started_ = state.at("started");
      start_ms_ = state.at("startMs");
      until_ms_ = state.at("untilMs");
      for (const auto& [id, read] : state.at("shards").items()) {
        shards_[id] = read.get<int>() == 1 ? ShardState::kRead : ShardState::kGiven;
      }
      return Status::Ok();
    } catch (const json::exception& e) {
      return Status::Internal(std::string("state of a kinesis source can't be read: ") + e.what());
    }
  }

  void SplitFinished(const std::string& split_id) override {
    shards_[split_id] = ShardState::kRead;
  }

 private:
  // kRead: to its end, or older than the start.
  enum class ShardState : uint8_t { kGiven, kRead };

  Result<std::vector<Split>> Look() {
    const int64_t now_ms = runtime::SystemClock().NowMs();
    ASSIGN_OR_RETURN(const std::vector<KinesisShard> all, client_->ListShards());
    if (!started_) {
      const bool at_timestamp = settings_.position == InitialPosition::kAtTimestamp;
      if (settings_.position != InitialPosition::kTrimHorizon) {
        ASSIGN_OR_RETURN(const std::vector<KinesisShard> open,
                         client_->ListShards(at_timestamp ? "AT_TIMESTAMP" : "AT_LATEST",
                                             settings_.timestamp_ms));
        MarkOlder(all, open);
      }
      start_ms_ = at_timestamp ? settings_.timestamp_ms : now_ms;
      until_ms_ = now_ms;
      started_ = true;
    }
    return GiveOut(all);
  }

  // Closed shards that ended before the start are as good as read; they have no open descendants
  // that would not be in `open` themselves.
  void MarkOlder(const std::vector<KinesisShard>& all, const std::vector<KinesisShard>& open) {
    std::set<std::string> wanted;
    for (const KinesisShard& shard : open) wanted.insert(shard.id);
    for (const KinesisShard& shard : all) {  // parents come before their children
      const bool descends = wanted.contains(shard.parent) || wanted.contains(shard.adjacent_parent);
      if (descends) wanted.insert(shard.id);
      if (shard.closed && !wanted.contains(shard.id)) shards_[shard.id] = ShardState::kRead;
    }
  }

  Result<std::vector<Split>> GiveOut(const std::vector<KinesisShard>& all) {
    std::set<std::string> listed;
    for (const KinesisShard& shard : all) listed.insert(shard.id);
    const auto is_read = [&](const std::string& parent) {
      if (parent.empty()) return true;
      const auto known = shards_.find(parent);
      if (known != shards_.end()) return known->second == ShardState::kRead;
      return !listed.contains(parent);
    };
    std::vector<Split> found;
    waiting_ = false;
    for (const KinesisShard& shard : all) {
      if (shards_.contains(shard.id)) continue;
      if (!is_read(shard.parent) || !is_read(shard.adjacent_parent)) {
        waiting_ = true;
        continue;
      }
      ShardPosition position;
      if (settings_.position != InitialPosition::kTrimHorizon) {
        // Holds for shards made later too: their records are all newer.
        position.start = {ShardStart::Kind::kAtTimestamp, "", start_ms_};
      }
      if (settings_.bounded) position.until_ms = until_ms_;
      found.push_back({shard.id, position.ToText()});
    }
    for (const Split& split : found) shards_[split.id] = ShardState::kGiven;
    // Shards that expired are forgotten, so that the state of a stream that reshards stays small.
    std::erase_if(shards_, [&](const auto& entry) {
      return entry.second == ShardState::kRead && !listed.contains(entry.first);
    });
    return found;
  }

  const std::shared_ptr<KinesisClient> client_;
  const KinesisSourceSettings settings_;
  std::map<std::string, ShardState> shards_;
  bool started_ = false;
  bool waiting_ = false;  // a shard waits for its parents
  int64_t start_ms_ = 0;  // where reading begins, unless at TRIM_HORIZON
  int64_t until_ms_ = 0;  // bounded: where it ends
  int64_t failing_since_ms_ = 0;
};

}  // namespace

std::unique_ptr<runtime::SplitEnumerator> MakeShardEnumerator(
    std::shared_ptr<KinesisClient> client, const KinesisSourceSettings& settings) {
  return std::make_unique<ShardEnumerator>(std::move(client), settings);
}

}  // namespace millrace::connectors
