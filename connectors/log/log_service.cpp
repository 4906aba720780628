#include "connectors/log/log_service.h"

#include <map>

#include "connectors/log/embedded_log_store.h"
#include "connectors/log/kinesis_api.h"
#include "connectors/log/stream_catalog.h"
#include "runtime/api/clock.h"
#include "runtime/net/http_server.h"
#include "runtime/net/sigv4.h"

namespace millrace::connectors {

using runtime::OptionSpec;
using runtime::OptionType;
using runtime::Result;
using runtime::Status;

namespace {

constexpr OptionSpec kOptions[] = {
    {"directory", OptionType::kString, nullptr,
     "The folder in which the log is kept; made if it is not there.", "", true},
    {"address", OptionType::kString, "127.0.0.1", "The address on which the service listens."},
    {"port", OptionType::kInt, "4567", "The port on which it listens; 0 takes a free one."},
    {"threads", OptionType::kInt, "2", "Threads that answer requests."},
    {"credentials", OptionType::kString, nullptr,
     "Who may call: pairs of access key id and secret access key, 'id:secret', separated by "
     "commas. "
     "Without it every request is taken, whatever its signature.",
     "", false, true},
    {"region", OptionType::kString, "us-east-1",
     "The region in ARNs, and that signatures must name."},
    {"account", OptionType::kString, "000000000000", "The account id in ARNs and error texts."},
    {"shard-limit", OptionType::kInt, "10000", "The most shards of all streams together."},
    {"durability", OptionType::kEnum, "disk",
     "When a record is acknowledged: 'disk', once it is on disk; 'interval', once it is written, "
     "synced every 'sync-interval'; 'memory', once it is handed to the operating system.",
     "disk,interval,memory"},
    {"sync-interval", OptionType::kDuration, "10 ms", "How often 'interval' syncs."},
    {"segment-size", OptionType::kMemorySize, "128 mb", "The size of the log's files."},
    {"unit-size", OptionType::kMemorySize, "4 mb",
     "A group commit takes no more requests once it holds this much."},
    {"gather-time-us", OptionType::kInt, "500",
     "How many microseconds a group commit waits for more requests under load."},
    {"cache-size", OptionType::kMemorySize, "64 mb",
     "How much of the newest records is kept in memory for readers at the tail."},
    {"pending-size", OptionType::kMemorySize, "64 mb",
     "When more than this waits for the disk, puts fail at once with InternalFailure."},
    {"transaction-timeout", OptionType::kDuration, "24 h",
     "Transactions that are open for longer are aborted."},
    {"transaction-memory", OptionType::kDuration, "7 d",
     "How long the end of a transaction is remembered, so that committing it again succeeds."},
};

Result<std::map<std::string, std::string>> ParseCredentials(const std::string& text) {
  std::map<std::string, std::string> credentials;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string pair = text.substr(at, end - at);
    const size_t colon = pair.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == pair.size()) {
      return Status::User("option 'credentials' must be of the form id:secret,id:secret");
    }
    credentials[pair.substr(0, colon)] = pair.substr(colon + 1);
    at = end + 1;
  }
  return credentials;
}

EmbeddedLogOptions StoreOptions(const runtime::Options& options) {
  EmbeddedLogOptions store;
  store.segment_bytes = options.MemoryBytes("segment-size");
  store.unit_bytes = options.MemoryBytes("unit-size");
  store.gather_us = options.Int("gather-time-us");
  store.cache_bytes = options.MemoryBytes("cache-size");
  store.pending_bytes_max = options.MemoryBytes("pending-size");
  store.sync_interval_ms = options.DurationMs("sync-interval");
  store.transaction_timeout_ms = options.DurationMs("transaction-timeout");
  store.transaction_memory_ms = options.DurationMs("transaction-memory");
  const std::string durability = options.String("durability");
  if (durability == "interval") store.durability = Durability::kInterval;
  if (durability == "memory") store.durability = Durability::kMemory;
  return store;
}

}  // namespace

// In the order in which they are made; they go in reverse, the server first.
struct LogService::Parts {
  std::unique_ptr<StreamCatalog> catalog;
  std::unique_ptr<EmbeddedLogStore> store;
  std::unique_ptr<TokenSealer> sealer;
  std::unique_ptr<runtime::SignatureVerifier> verifier;
  std::unique_ptr<KinesisApi> api;
  std::unique_ptr<runtime::HttpServer> server;
  std::string address;
  uint16_t port = 0;
};

runtime::OptionTable LogServiceOptions() { return kOptions; }

Result<std::unique_ptr<LogService>> LogService::Start(const runtime::Options& options) {
  std::unique_ptr<SegmentFolder> folder;
  ASSIGN_OR_RETURN(folder, OpenSegmentFolder(options.String("directory")));
  return Start(options, std::move(folder));
}

Result<std::unique_ptr<LogService>> LogService::Start(const runtime::Options& options,
                                                      std::unique_ptr<SegmentFolder> folder) {
  auto parts = std::make_unique<Parts>();
  std::map<std::string, std::string> credentials;
  ASSIGN_OR_RETURN(credentials, ParseCredentials(options.Find("credentials").value_or("")));
  // Before anything is read or written: another process may have it.
  RETURN_IF_ERROR(folder->Lock());
  SegmentFolder* const shared_folder = folder.get();
  ASSIGN_OR_RETURN(parts->catalog, StreamCatalog::Open(shared_folder));
  EmbeddedLogStore::Shards shards;
  for (const auto& stream : parts->catalog->List("", SIZE_MAX)) {
    for (const StreamShard& shard : stream->shards) {
      shards.emplace_back(shard.number, stream->retention_ms());
    }
  }
  ASSIGN_OR_RETURN(parts->store,
                   EmbeddedLogStore::Open(std::move(folder), StoreOptions(options), shards));
  parts->sealer = std::make_unique<TokenSealer>(parts->catalog->secret());
  ApiContext context;
  context.catalog = parts->catalog.get();
  context.store = parts->store.get();
  context.clock = &runtime::SystemClock();
  context.sealer = parts->sealer.get();
  context.region = options.String("region");
  context.account = options.String("account");
  context.shards_max = options.Int("shard-limit");
  parts->verifier = std::make_unique<runtime::SignatureVerifier>(
      std::move(credentials), runtime::SigV4Scope{context.region, "kinesis"});
  parts->api = std::make_unique<KinesisApi>(context, parts->verifier.get());
  runtime::HttpServerOptions http;
  http.address = options.String("address");
  http.port = static_cast<uint16_t>(options.Int("port"));
  http.threads = static_cast<int>(options.Int("threads"));
  ASSIGN_OR_RETURN(parts->server, runtime::HttpServer::Start(
                                      http, [api = parts->api.get()](runtime::HttpRequest request,
                                                                     runtime::Responder responder) {
                                        api->Handle(std::move(request), std::move(responder));
                                      }));
  parts->address = http.address;
  parts->port = parts->server->port();
  return std::unique_ptr<LogService>(new LogService(std::move(parts)));
}

LogService::LogService(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
LogService::~LogService() { Stop(); }

uint16_t LogService::port() const { return parts_->port; }
std::string LogService::url() const {
  return "http://" + parts_->address + ":" + std::to_string(parts_->port);
}
EmbeddedLogStore& LogService::store() { return *parts_->store; }

void LogService::Stop() {
  if (parts_->server == nullptr) return;
  parts_->server->Stop();
  parts_->store.reset();  // completes what waits; the server throws those answers away
  parts_->server.reset();
}

}  // namespace millrace::connectors
