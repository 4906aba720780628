#include "connectors/kinesis/kinesis_sink.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>

#include "runtime/api/clock.h"
#include "runtime/net/sigv4.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::Committable;
using runtime::Result;
using runtime::Status;

namespace {

constexpr int kCommittableVersion = 1;
// How long one call of a committer waits for a service that is away; the engine calls again.
constexpr int64_t kPatienceMs = 10000;
// Our log remembers the end of a transaction for this long.
constexpr int64_t kMemoryMs = INT64_C(7) * 24 * 3600 * 1000;

// Makes `call` until it no longer fails with what may pass, or patience ends. Blocks.
template <typename T>
Result<T> Patiently(const KinesisClientOptions& options, const std::function<Result<T>()>& call) {
  const runtime::Clock& clock = runtime::SystemClock();
  const int64_t patience_ms = std::min(kPatienceMs, options.retry_timeout_ms);
  const int64_t give_up = clock.MonotonicNanos() + patience_ms * 1000000;
  int64_t pause_ms = 50;
  while (true) {
    Result<T> result = call();
    if (result.ok() || result.status().retry() == runtime::Retry::kNo) return result;
    if (clock.MonotonicNanos() >= give_up) return result;
    clock.SleepFor(std::chrono::milliseconds(pause_ms));
    pause_ms = std::min<int64_t>(pause_ms * 2, 1000);
  }
}

class KinesisCommitter : public runtime::SinkCommitter {
 public:
  KinesisCommitter(std::shared_ptr<KinesisClient> client, std::string prefix, bool has_transactions)
      : client_(std::move(client)),
        prefix_(std::move(prefix)),
        has_transactions_(has_transactions) {}

  Status Commit(std::span<const Committable> committables) override {
    for (const Committable& committable : committables) {
      ASSIGN_OR_RETURN(const PreparedTransaction prepared,
                       PreparedTransaction::Parse(committable.bytes));
      RETURN_IF_ERROR(
          CommitOne(prepared).Within("checkpoint " + std::to_string(committable.checkpoint_id)));
    }
    return Status::Ok();
  }

  // Whatever the checkpoint holds is committed by now, so what is open was written after it.
  Status AbortAfter(const runtime::RunIdentity&, std::span<const std::string>) override {
    if (!has_transactions_) return Status::Ok();
    using Ids = std::vector<std::string>;
    ASSIGN_OR_RETURN(const Ids open, Patiently<Ids>(client_->options(), [&] {
                       return client_->OpenTransactions(prefix_);
                     }));
    for (const std::string& id : open) {
      RETURN_IF_ERROR(Patiently<TransactionEnd>(client_->options(), [&] {
                        return client_->AbortTransaction(id);
                      }).status());
    }
    return Status::Ok();
  }

 private:
  Status CommitOne(const PreparedTransaction& prepared) {
    ASSIGN_OR_RETURN(const TransactionEnd end, Patiently<TransactionEnd>(client_->options(), [&] {
                       return client_->CommitTransaction(prepared.id);
                     }));
    if (end == TransactionEnd::kDone) return Status::Ok();
    const std::string where =
        "stream '" + client_->options().stream + "', transaction " + prepared.id;
    if (end == TransactionEnd::kAborted) {
      return Status::User(
          "rows that the checkpoint holds can't be committed: the log has dropped them, since "
          "their "
          "transaction was open for longer than its 'transaction-timeout'. Restore from an earlier "
          "checkpoint, or without one: " +
          where);
    }
    if (runtime::SystemClock().NowMs() - prepared.prepared_ms > kMemoryMs) {
      return Status::Ok();  // committed when its checkpoint was complete, and forgotten since
    }
    return Status::User(
        "rows that the checkpoint holds can't be committed: the log does not know their "
        "transaction. "
        "Is it another log, or a new one at the same address? " +
        where);
  }

  const std::shared_ptr<KinesisClient> client_;
  const std::string prefix_;
  const bool has_transactions_;
};

class KinesisSink : public runtime::Sink {
 public:
  KinesisSink(KinesisSettings settings, runtime::TableSpec table)
      : settings_(std::move(settings)),
        table_(std::move(table)),
        client_(std::make_shared<KinesisClient>(settings_.client)) {}

  Result<std::unique_ptr<runtime::SinkWriter>> MakeWriter() override {
    ASSIGN_OR_RETURN(const bool exactly_once, IsExactlyOnce());
    return MakeKinesisWriter(client_, settings_, table_, exactly_once ? Prefix() : "");
  }
  // Also where rows are visible at once: a checkpoint made under exactly-once may hold some to
  // commit.
  Result<std::unique_ptr<runtime::SinkCommitter>> MakeCommitter() override {
    ASSIGN_OR_RETURN(const bool exactly_once, IsExactlyOnce());
    return std::make_unique<KinesisCommitter>(client_, Prefix(), exactly_once);
  }

 private:
  std::string Prefix() const { return TransactionPrefix(table_.job_id, table_.uid); }

  // Asks the service what it is, once.
  Result<bool> IsExactlyOnce() {
    std::lock_guard lock(mutex_);
    if (known_) return exactly_once_;
    const Status there = Patiently<bool>(settings_.client, [&]() -> Result<bool> {
                           RETURN_IF_ERROR(client_->DescribeStreamSummary());
                           return true;
                         }).status();
    if (!there.ok()) {
      if (there.retry() == runtime::Retry::kNo) return there;
      // Nothing of the job runs meanwhile and no one can stop it, so this is not waited out.
      return client_->GaveUp(there, std::min(kPatienceMs, settings_.client.retry_timeout_ms))
          .Within("the sink can't start");
    }
    if (settings_.sink.guarantee != SinkGuarantee::kAtLeastOnce) {
      ASSIGN_OR_RETURN(exactly_once_, Patiently<bool>(settings_.client,
                                                      [&] { return client_->HasTransactions(); }));
      if (!exactly_once_ && settings_.sink.guarantee == SinkGuarantee::kExactlyOnce) {
        return Status::User(
            "Option 'sink.delivery-guarantee' = 'exactly-once' needs the transactions of a "
            "Millrace "
            "log, and this service has none: take 'at-least-once'. Endpoint: http://" +
            settings_.client.endpoint.HostHeader());
      }
    }
    known_ = true;
    return exactly_once_;
  }

  const KinesisSettings settings_;
  const runtime::TableSpec table_;
  const std::shared_ptr<KinesisClient> client_;
  std::mutex mutex_;
  bool known_ = false;
  bool exactly_once_ = false;
};

}  // namespace

std::string TransactionPrefix(const std::string& job_id, const std::string& sink_uid) {
  constexpr size_t kUidMax = 128;  // of 512 that an id may have
  std::string uid = runtime::PercentEncode(sink_uid);
  if (uid.size() > kUidMax) uid = runtime::Sha256Hex(sink_uid);
  return "millrace/" + runtime::PercentEncode(job_id) + "/" + uid + "/";
}

std::string PreparedTransaction::ToText() const {
  return json{{"version", kCommittableVersion}, {"transaction", id}, {"preparedMs", prepared_ms}}
      .dump();
}

Result<PreparedTransaction> PreparedTransaction::Parse(const std::string& text) {
  try {
    const json prepared = json::parse(text);
    if (prepared.at("version").get<int>() != kCommittableVersion) {
      return Status::User(
          "a committable of a kinesis sink is of a version that this program does not know: " +
          text);
    }
    return PreparedTransaction{prepared.at("transaction"), prepared.at("preparedMs")};
  } catch (const json::exception& e) {
    return Status::Internal(std::string("a committable of a kinesis sink can't be read: ") +
                            e.what() + ": " + text.substr(0, 200));
  }
}

Result<std::unique_ptr<runtime::Sink>> MakeKinesisSink(const runtime::TableSpec& table) {
  ASSIGN_OR_RETURN(KinesisSettings settings, ReadKinesisSettings(table));
  // A format or column that can't be written is refused here, before anything starts.
  RETURN_IF_ERROR(
      MakeKinesisWriter(std::make_shared<KinesisClient>(settings.client), settings, table, "")
          .status());
  return std::make_unique<KinesisSink>(std::move(settings), table);
}

}  // namespace millrace::connectors
