#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "connectors/kinesis/kinesis_client.h"
#include "connectors/log/log_service.h"
#include "runtime/api/registry.h"
#include "runtime/net/http_client.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

// Fails the test with the message of a status.
inline void Need(const runtime::Status& status) {
  if (!status.ok()) FAIL(status.ToString());
}
template <typename T>
T Need(runtime::Result<T> result) {
  Need(result.status());
  return std::move(result).value();
}

// Our log on a free port, in a folder that goes with it; can be killed and started again.
class TestLog {
 public:
  TestLog() {
    std::string path = std::filesystem::temp_directory_path() / "millrace-kinesis-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    folder_ = path;
    Start();
  }
  ~TestLog() {
    Stop();
    std::filesystem::remove_all(folder_);
  }
  void Start() {
    std::map<std::string, std::string> options{
        {"directory", folder_}, {"port", std::to_string(port_)}, {"segment-size", "8 mb"}};
    service_ = Need(LogService::Start(Need(runtime::Options::Parse(LogServiceOptions(), options))));
    port_ = service_->port();
  }
  void Stop() { service_.reset(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  nlohmann::json Call(const std::string& operation, const nlohmann::json& request) {
    runtime::HttpClient client({"127.0.0.1", port_});
    runtime::HttpRequest http;
    http.method = "POST";
    http.headers = {{"Content-Type", "application/x-amz-json-1.1"}, {"X-Amz-Target", operation}};
    http.body = request.dump();
    const runtime::HttpResponse response = Need(client.Send(http));
    if (response.status != 200) FAIL(operation + ": " + response.body);
    return response.body.empty() ? nlohmann::json() : nlohmann::json::parse(response.body);
  }
  void CreateStream(const std::string& name, int shards) {
    Call("Kinesis_20131202.CreateStream", {{"StreamName", name}, {"ShardCount", shards}});
  }
  KinesisClientOptions ClientOptions(const std::string& stream) const {
    KinesisClientOptions options;
    options.endpoint = {"127.0.0.1", port_};
    options.stream = stream;
    return options;
  }
  // Puts records under keys that spread over the shards.
  void Put(const std::string& stream, const std::vector<std::string>& records) {
    KinesisClient client(ClientOptions(stream));
    for (size_t begin = 0; begin < records.size(); begin += 500) {
      PutRequest request(client);
      for (size_t i = begin; i < std::min(begin + 500, records.size()); ++i) {
        request.Add(records[i], std::to_string(i));
      }
      std::vector<size_t> failed;
      Need(client.PutRecords(request.Close(), request.records(), "", 0, &failed));
      REQUIRE(failed.empty());
    }
  }
  // All visible records of a stream, shard by shard.
  std::vector<std::string> Read(const std::string& stream) {
    KinesisClient client(ClientOptions(stream));
    std::vector<std::string> records;
    for (const KinesisShard& shard : Need(client.ListShards())) {
      std::string iterator = Need(client.GetShardIterator(shard.id, {}));
      while (true) {
        bool expired = false;
        const FetchedRecords fetched = Need(client.GetRecords(iterator, 1000, &expired));
        for (const KinesisRecord& record : fetched.records) records.emplace_back(record.data);
        if (fetched.records.empty() && fetched.behind_ms == 0) break;
        iterator = fetched.next_iterator;
      }
    }
    return records;
  }

  runtime::TableSpec Table(const std::string& stream, const std::string& columns,
                           std::map<std::string, std::string> options = {}) const {
    runtime::TableSpec table;
    table.identifier = "`c`.`d`.`t`";
    table.connector = "kinesis";
    const std::string type = "ROW<" + columns + ">";
    table.physical = Need(runtime::LogicalType::Parse(type)).children();
    table.produced = table.physical;
    table.abilities = "[]";
    table.job_id = "0123456789abcdef0123456789abcdef";
    table.uid = "sink 1";
    table.options = {
        {"connector", "kinesis"}, {"stream", stream}, {"aws.endpoint", url()}, {"format", "json"}};
    for (auto& [name, value] : options) table.options[name] = value;
    return table;
  }

 private:
  std::string folder_;
  uint16_t port_ = 0;
  std::unique_ptr<LogService> service_;
};

// Context of one reader or writer, with IO threads of its own.
class TestContext : public runtime::OperatorContext, public runtime::MetricGroup {
 public:
  explicit TestContext(std::string run_id = "run1", int subtask = 0) : subtask_(subtask) {
    run_.job_id = "0123456789abcdef0123456789abcdef";
    run_.run_id = std::move(run_id);
    for (int i = 0; i < 4; ++i) threads_.emplace_back([this] { RunThread(); });
  }
  ~TestContext() override {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    queue_.clear();
  }
  const runtime::JobSettings& settings() const override { return settings_; }
  runtime::JobSettings& mutable_settings() { return settings_; }
  const runtime::RunIdentity& run() const override { return run_; }
  int subtask() const override { return subtask_; }
  int parallelism() const override { return 2; }
  int max_parallelism() const override { return 128; }
  runtime::MemoryPool& pool() override { return *pool_; }
  runtime::MetricGroup& metrics() override { return *this; }
  int64_t now_ms() const override { return clock().NowMs(); }
  const runtime::Clock& clock() const override { return runtime::SystemClock(); }
  runtime::Result<runtime::FileSystem*> file_system(std::string_view) override {
    return runtime::Status::Internal("none");
  }
  void RunIo(std::function<void()> work) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(work));
    }
    changed_.notify_one();
  }
  runtime::Timestamp watermark() const override { return runtime::kMinTimestamp; }
  runtime::KeyedTable& keyed(int) override { abort(); }
  runtime::ListEntries& list(int) override { abort(); }
  uint8_t* const* rows(int, int) override { return nullptr; }
  void SetProcessingTimer(int64_t time_ms) override { timer_ms_ = std::min(timer_ms_, time_ms); }
  std::function<void()> waker() override {
    return [woken = woken_] {
      std::lock_guard lock(woken->mutex);
      woken->yes = true;
      woken->changed.notify_all();
    };
  }
  // False: not woken in that time.
  bool AwaitWake(int64_t ms = 10000) {
    std::unique_lock lock(woken_->mutex);
    const bool woken =
        woken_->changed.wait_for(lock, std::chrono::milliseconds(ms), [&] { return woken_->yes; });
    woken_->yes = false;
    return woken;
  }
  int64_t timer_ms() const { return timer_ms_; }

  runtime::Counter& counter(std::string_view name) override { return counters_[std::string(name)]; }
  runtime::Gauge& gauge(std::string_view name) override { return gauges_[std::string(name)]; }
  void SetText(std::string_view, std::string) override {}

 private:
  void RunThread() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (stop_) return;
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }
  struct Woken {
    std::mutex mutex;
    std::condition_variable changed;
    bool yes = false;
  };
  runtime::JobSettings settings_;
  runtime::RunIdentity run_;
  const int subtask_;
  std::shared_ptr<runtime::MemoryPool> pool_ = runtime::MemoryPool::MakeRoot("test", 0);
  std::shared_ptr<Woken> woken_ = std::make_shared<Woken>();
  int64_t timer_ms_ = INT64_MAX;
  std::map<std::string, runtime::Counter> counters_;
  std::map<std::string, runtime::Gauge> gauges_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

inline std::vector<std::string> Rows(const runtime::RowType& type, const runtime::Batch& batch) {
  std::vector<std::string> rows;
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    rows.emplace_back();
    PrintRow(type, batch, batch.PhysicalRow(i), &rows.back());
  }
  return rows;
}

}  // namespace millrace::connectors
