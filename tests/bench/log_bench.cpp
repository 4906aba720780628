// Measures the sharded log: appends acknowledged after fdatasync, without and with HTTP, and how
// much a reader of one shard reads. Figures are per CPU-second of all threads of the process that
// holds the log (HTTP: of the server's process), median of five rounds after a warm-up, on segments
// that have been written before. Everything is read back and compared.
//
//   log_bench [--directory DIR] [--json FILE] [--quick]
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "connectors/log/embedded_log_store.h"
#include "connectors/log/log_service.h"
#include "runtime/net/base64.h"
#include "runtime/net/http_client.h"
#include "runtime/types/crc32c.h"

using namespace millrace;              // NOLINT: a program, not a header
using namespace millrace::connectors;  // NOLINT

namespace {

constexpr ShardNumber kShards = 64;
constexpr size_t kRecordsPerCall = 500;
int rounds = 5;
double scale = 1;

void Require(bool condition, const std::string& words) {
  if (condition) return;
  std::fprintf(stderr, "log_bench: %s\n", words.c_str());
  std::exit(1);
}

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Row {
  std::string name;
  double value;
  std::string unit;
  double floor;  // 0: none
};
std::vector<Row> rows;

void Report(const std::string& name, double value, const std::string& unit, double floor = 0) {
  rows.push_back({name, value, unit, floor});
  std::printf("%-46s %12.2f %-16s", name.c_str(), value, unit.c_str());
  if (floor > 0) std::printf(" floor %g", floor);
  std::printf("\n");
  std::fflush(stdout);
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  uint64_t state = 88172645463325252ull;
  for (char& c : bytes) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    c = static_cast<char>(state);
  }
  return bytes;
}

// Calls in flight: how many may be, and a pool of batches to use again.
class Window {
 public:
  explicit Window(size_t calls_max) : calls_max_(calls_max) {}
  RecordBatch Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ < calls_max_; });
    ++calls_;
    if (free_.empty()) return {};
    RecordBatch batch = std::move(free_.back());
    free_.pop_back();
    batch.Clear();
    return batch;
  }
  void Give(RecordBatch batch, double seconds) {
    std::lock_guard lock(mutex_);
    free_.push_back(std::move(batch));
    latencies_.push_back(seconds);
    --calls_;
    changed_.notify_one();
  }
  void Drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ == 0; });
  }
  std::vector<double> latencies_;

 private:
  const size_t calls_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t calls_ = 0;
  std::vector<RecordBatch> free_;
};

std::unique_ptr<EmbeddedLogStore> OpenStore(const std::string& directory, size_t cache_bytes,
                                            size_t segment_bytes = 128 << 20) {
  auto folder = OpenSegmentFolder(directory);
  Require(folder.ok(), folder.status().ToString());
  EmbeddedLogOptions options;
  options.spares_max = 64;
  options.cache_bytes = cache_bytes;
  options.segment_bytes = segment_bytes;
  auto store = EmbeddedLogStore::Open(std::move(folder).value(), options, {});
  Require(store.ok(), store.status().ToString());
  return std::move(store).value();
}

void Raw(const std::string& directory, size_t record_bytes, double floor_bytes,
         double floor_records) {
  const std::string name = "append, " + std::to_string(record_bytes) + " B x 500, 64 shards";
  auto store = OpenStore(directory, 64 << 20);
  const std::string data = RandomBytes(record_bytes + 4096);
  const auto calls = static_cast<size_t>(scale * 1e9 / double(record_bytes * kRecordsPerCall));
  std::vector<double> bytes_per_cpu, records_per_cpu, bytes_per_wall, read_bytes, ack_ms;
  ShardNumber base = 1;
  for (int round = -1; round < rounds; ++round, base += kShards) {
    for (ShardNumber i = 0; i < kShards; ++i) store->DeclareShard(base + i, 1LL << 40);
    Window window(std::max<size_t>(8, (16 << 20) / (record_bytes * kRecordsPerCall)));
    uint64_t written_sum = 0, state = 1;
    const double cpu = CpuSeconds(), wall = WallSeconds();
    for (size_t call = 0; call < calls; ++call) {
      RecordBatch batch = window.Take();
      for (size_t i = 0; i < kRecordsPerCall; ++i) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        const size_t at = state >> 52;  // 0..4095: where this record's bytes are taken from
        batch.Add(base + static_cast<ShardNumber>(state >> 40) % kShards, "key",
                  std::string_view(data.data() + at, record_bytes));
        written_sum += at;
      }
      const double begun = WallSeconds();
      store->Append(std::move(batch),
                    [&window, begun](runtime::Status status, RecordBatch batch, int64_t) {
                      Require(status.ok(), status.ToString());
                      window.Give(std::move(batch), WallSeconds() - begun);
                    });
    }
    window.Drain();
    const double cpu_used = CpuSeconds() - cpu, wall_used = WallSeconds() - wall;
    // Read all of it back: every record once, in order, with the bytes that were written.
    uint64_t read = 0;
    const auto disk_before = store->counts().bytes_read_from_disk;
    state = 1;
    std::vector<std::vector<uint16_t>> wanted(kShards);
    for (size_t i = 0; i < calls * kRecordsPerCall; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      wanted[static_cast<ShardNumber>(state >> 40) % kShards].push_back(uint16_t(state >> 52));
    }
    for (ShardNumber i = 0; i < kShards; ++i) {
      RecordCounter next = 1;
      while (true) {
        auto batch = store->Read(base + i, next, 10000, 10 << 20);
        Require(batch.ok(), batch.status().ToString());
        if (batch.value().records.empty()) break;
        for (const LogRecord& record : batch.value().records) {
          const size_t at = wanted[i].at(record.counter - 1);
          Require(record.data == std::string_view(data.data() + at, record_bytes) &&
                      record.counter == next,
                  "a record differs");
          ++next;
          ++read;
        }
      }
    }
    Require(read == calls * kRecordsPerCall, "records are missing");
    if (round >= 0) {
      const double bytes = double(calls * kRecordsPerCall * record_bytes);
      bytes_per_cpu.push_back(bytes / cpu_used / 1e6);
      bytes_per_wall.push_back(bytes / wall_used / 1e6);
      records_per_cpu.push_back(double(calls * kRecordsPerCall) / cpu_used / 1e6);
      read_bytes.push_back(double(store->counts().bytes_read_from_disk - disk_before) / bytes);
      std::sort(window.latencies_.begin(), window.latencies_.end());
      ack_ms.push_back(window.latencies_[window.latencies_.size() * 99 / 100] * 1000);
    }
    std::vector<ShardNumber> gone;
    for (ShardNumber i = 0; i < kShards; ++i) gone.push_back(base + i);
    store->DropShards(gone);
    std::this_thread::sleep_for(
        std::chrono::milliseconds(2200));  // housekeeping frees the segments
  }
  Report(name, Median(bytes_per_cpu), "MB/s/core", floor_bytes);
  Report(name + ", records", Median(records_per_cpu), "M records/s/core", floor_records);
  Report(name + ", wall", Median(bytes_per_wall), "MB/s");
  Report(name + ", acknowledged p99", Median(ack_ms), "ms");
  Report(name + ", all shards read back", Median(read_bytes), "x of its bytes");
}

// One shard of 64 read from disk, after calls of few records one at a time: the worst case for a
// shared log, since a shard's records stand far apart.
void CatchUp(const std::string& directory, size_t records_per_call, size_t in_flight) {
  auto store = OpenStore(directory, 0, 16 << 20);
  for (ShardNumber i = 1; i <= kShards; ++i) store->DeclareShard(i, 1LL << 40);
  const std::string data = RandomBytes(1024);
  const size_t records = static_cast<size_t>(scale * 64000);
  Window window(in_flight);
  uint64_t state = 1;
  for (size_t done = 0; done < records; done += records_per_call) {
    RecordBatch batch = window.Take();
    for (size_t i = 0; i < records_per_call; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      batch.Add(1 + static_cast<ShardNumber>(state >> 40) % kShards, "key", data);
    }
    store->Append(std::move(batch), [&window](runtime::Status status, RecordBatch batch, int64_t) {
      Require(status.ok(), status.ToString());
      window.Give(std::move(batch), 0);
    });
  }
  window.Drain();
  store->WaitUntilClustered();
  // What the device reads: whole pages, so drop the page cache of the files first.
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const int fd = ::open(entry.path().c_str(), O_RDONLY);
    (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
  const auto device_bytes = [] {
    std::ifstream file("/proc/self/io");
    std::string name;
    uint64_t value = 0;
    while (file >> name >> value) {
      if (name == "read_bytes:") return value;
    }
    return uint64_t{0};
  };
  const uint64_t device = device_bytes(), asked = store->counts().bytes_read_from_disk;
  uint64_t own = 0;
  RecordCounter next = 1;
  while (true) {
    auto batch = store->Read(7, next, 10000, 10 << 20);
    Require(batch.ok(), batch.status().ToString());
    if (batch.value().records.empty()) break;
    for (const LogRecord& record : batch.value().records) own += record.data.size();
    next = batch.value().next_counter;
  }
  const std::string name =
      "catch-up of one of 64 shards, calls of " + std::to_string(records_per_call) + " x 1 KB";
  Report(name + ", asked for", double(store->counts().bytes_read_from_disk - asked) / double(own),
         "x of its bytes");
  Report(name + ", device", double(device_bytes() - device) / double(own), "x of its bytes");
}

double CpuSecondsOf(pid_t process) {
  clockid_t clock;
  timespec time;
  Require(clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0,
          "no CPU clock of the server");
  return double(time.tv_sec) + double(time.tv_nsec) / 1e9;
}

void Http(const std::string& directory, const char* credentials) {
  int pipe_ends[2];
  Require(pipe(pipe_ends) == 0, "pipe");
  const pid_t server = fork();
  if (server == 0) {
    std::map<std::string, std::string> values = {{"directory", directory}, {"port", "0"}};
    if (credentials != nullptr) values["credentials"] = credentials;
    auto options = runtime::Options::Parse(LogServiceOptions(), values);
    Require(options.ok(), options.status().ToString());
    auto service = LogService::Start(options.value());
    Require(service.ok(), service.status().ToString());
    const uint16_t port = service.value()->port();
    Require(write(pipe_ends[1], &port, sizeof(port)) == sizeof(port), "pipe");
    pause();
  }
  uint16_t port = 0;
  Require(read(pipe_ends[0], &port, sizeof(port)) == sizeof(port), "the server did not start");
  runtime::HttpClient client({"127.0.0.1", port});
  const auto call = [&](const std::string& operation, std::string body) {
    runtime::HttpRequest request;
    request.method = "POST";
    request.headers = {{"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", "Kinesis_20131202." + operation}};
    request.body = std::move(body);
    auto response = client.Send(request);
    Require(response.ok() && response.value().status == 200,
            response.ok() ? response.value().body : response.status().ToString());
    return std::move(response).value().body;
  };
  call("CreateStream", R"({"StreamName":"bench","ShardCount":4})");
  const std::string data = RandomBytes(1024 + 500);
  std::string body = R"({"StreamName":"bench","Records":[)";
  for (size_t i = 0; i < kRecordsPerCall; ++i) {
    body += std::string(i == 0 ? "" : ",") + "{\"Data\":\"" +
            runtime::Base64Encode(std::string_view(data).substr(i, 1024)) +
            "\",\"PartitionKey\":\"" + std::to_string(i * 7919) + "\"}";
  }
  body += "]}";
  const auto calls = static_cast<size_t>(scale * 1200);
  std::vector<double> bytes_per_cpu, bytes_per_wall;
  for (int round = -1; round < rounds; ++round) {
    std::atomic<size_t> left{calls};
    const double cpu = CpuSecondsOf(server), wall = WallSeconds();
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        while (left.fetch_sub(1) - 1 < calls) call("PutRecords", body);
      });
    }
    for (auto& thread : threads) thread.join();
    const double bytes = double(calls) * kRecordsPerCall * 1024;
    if (round < 0) continue;
    bytes_per_cpu.push_back(bytes / (CpuSecondsOf(server) - cpu) / 1e6);
    bytes_per_wall.push_back(bytes / (WallSeconds() - wall) / 1e6);
  }
  Report("PutRecords by HTTP, 500 x 1 KB", Median(bytes_per_cpu), "MB/s/server core", 100);
  Report("PutRecords by HTTP, 500 x 1 KB, wall", Median(bytes_per_wall), "MB/s");
  // Everything that was put is there.
  uint64_t records = 0;
  const double cpu = CpuSecondsOf(server);
  for (int shard = 0; shard < 4; ++shard) {
    std::string reply = call("GetShardIterator", R"({"StreamName":"bench","ShardIteratorType":)"
                                                 R"("TRIM_HORIZON","ShardId":")" +
                                                     std::to_string(shard) + "\"}");
    std::string token = nlohmann::json::parse(reply)["ShardIterator"];
    while (true) {
      reply = call("GetRecords", R"({"ShardIterator":")" + token + "\"}");
      size_t found = 0, at = 0;
      while ((at = reply.find("\"SequenceNumber\"", at)) != std::string::npos) ++found, ++at;
      if (found == 0) break;
      records += found;
      const size_t begin = reply.find("NextShardIterator\":\"") + 20;
      token = reply.substr(begin, reply.find('"', begin) - begin);
    }
  }
  Require(records == calls * kRecordsPerCall * (rounds + 1), "records are missing");
  Report("GetRecords by HTTP, 1 KB", double(records) * 1024 / (CpuSecondsOf(server) - cpu) / 1e6,
         "MB/s/server core");
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  std::string json_path, directory = std::filesystem::temp_directory_path() / "millrace-log-bench";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--json" && i + 1 < argc) json_path = argv[++i];
    if (argument == "--directory" && i + 1 < argc) directory = argv[++i];
    if (argument == "--quick") rounds = 1, scale = 0.1;
  }
  const auto in_fresh_folder = [&](const std::function<void()>& run) {
    std::filesystem::remove_all(directory);
    run();
    std::filesystem::remove_all(directory);
  };
  in_fresh_folder([&] { Http(directory, nullptr); });  // first: it forks
  in_fresh_folder([&] { Raw(directory, 1024, 800, 0); });
  in_fresh_folder([&] { Raw(directory, 100, 0, 4); });
  in_fresh_folder([&] { CatchUp(directory, 500, 8); });
  in_fresh_folder([&] { CatchUp(directory, 10, 1); });
  if (!json_path.empty()) {
    nlohmann::json list = nlohmann::json::array();
    for (const Row& row : rows) {
      list.push_back(
          {{"name", row.name}, {"value", row.value}, {"unit", row.unit}, {"floor", row.floor}});
    }
    std::ofstream(json_path) << list.dump(1) << "\n";
  }
  for (const Row& row : rows) {
    if (row.floor > 0 && row.value < row.floor)
      std::printf("below its floor: %s\n", row.name.c_str());
  }
}
