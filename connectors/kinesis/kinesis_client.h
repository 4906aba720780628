#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/kinesis/outage_report.h"
#include "runtime/net/http_client.h"
#include "runtime/net/sigv4.h"
#include "runtime/types/status.h"

namespace millrace::connectors {

struct KinesisClientOptions {
  runtime::HttpEndpoint endpoint;
  std::string region = "us-east-1";
  std::optional<runtime::AwsCredentials> credentials;  // none: requests are not signed
  std::string stream;                                  // its name
  std::string stream_arn;  // empty: requests name the stream by its name
  // For how long trouble that may pass (no connection, throttling, 5xx) is waited out before it
  // becomes an error of the job.
  int64_t retry_timeout_ms = 10 * 60 * 1000;
  int64_t request_timeout_ms = 30 * 1000;

  // The service is on this machine: polling it costs no one anything.
  bool is_local() const;
};

struct KinesisShard {
  std::string id;
  std::string parent;           // empty: none
  std::string adjacent_parent;  // of a merge
  bool closed = false;          // has an ending sequence number
};

struct KinesisRecord {
  std::string_view data;
  std::string_view sequence_number;
  std::string_view partition_key;
  int64_t arrival_ms = 0;
};

// What one GetRecords gave. The records' bytes are in `bytes`.
struct FetchedRecords {
  std::vector<KinesisRecord> records;
  std::string next_iterator;  // empty: the shard is closed and read to its end
  int64_t behind_ms = 0;      // from its tip; 0: nothing more is there
  std::unique_ptr<char[]> bytes;
  size_t size_bytes = 0;  // of `bytes`
};

// Where an iterator begins.
struct ShardStart {
  enum class Kind : uint8_t { kTrimHorizon, kAfterSequenceNumber, kAtTimestamp, kLatest };
  Kind kind = Kind::kTrimHorizon;
  std::string sequence_number;
  int64_t timestamp_ms = 0;
};

// How the end of a transaction went.
enum class TransactionEnd : uint8_t { kDone, kUnknown, kAborted, kCommitted };

// Speaks the Kinesis JSON API, and the transactions that our own log adds to it, for one stream.
// Thread-safe; every call blocks and makes one request: none sleeps or repeats.
//
// Errors: kExternal/kBackoff for what may pass by itself: connection trouble, throttling, 5xx.
// kUser for what someone must change: no such stream, no right, a wrong argument. Messages name the
// call, the stream and the endpoint.
class KinesisClient {
 public:
  explicit KinesisClient(KinesisClientOptions options);
  ~KinesisClient();

  const KinesisClientOptions& options() const { return options_; }
  // What people are told while the service does not answer.
  OutageReport& outage() { return outage_; }
  // The error of a caller that gives up after `failing_ms` of trying again.
  runtime::Status GaveUp(const runtime::Status& status, int64_t failing_ms) const;

  // All shards that may still hold records, closed ones too; with a filter of the API ("AT_LATEST",
  // "AT_TIMESTAMP" with its time) only those, though some services list all whatever the filter.
  runtime::Result<std::vector<KinesisShard>> ListShards(const char* filter = nullptr,
                                                        int64_t time_ms = 0);
  // Checks that the stream is there.
  runtime::Status DescribeStreamSummary();
  runtime::Result<std::string> GetShardIterator(const std::string& shard, const ShardStart& start);
  // `*expired`: the iterator is too old, get another one; the result is an error then.
  runtime::Result<FetchedRecords> GetRecords(const std::string& iterator, int64_t limit,
                                             bool* expired);

  // Sends a body made by PutRequest. *failed gets the indexes of records that the service throttled
  // or failed on; they may be sent again. Under a transaction (of our log) a batch number that was
  // stored before is not stored again.
  runtime::Status PutRecords(const std::string& body, size_t records, std::string_view transaction,
                             uint64_t batch, std::vector<size_t>* failed);

  // Whether the service is our log, which has transactions.
  runtime::Result<bool> HasTransactions();
  runtime::Result<TransactionEnd> CommitTransaction(const std::string& id);
  runtime::Result<TransactionEnd> AbortTransaction(const std::string& id);
  // Ids of the open ones that begin with `prefix`.
  runtime::Result<std::vector<std::string>> OpenTransactions(const std::string& prefix);

  // `"StreamName":"flights"` or the ARN: the member that requests name the stream by.
  const std::string& stream_member() const { return stream_member_; }

 private:
  struct Reply;
  runtime::Result<Reply> Call(const char* service, const char* operation, std::string body,
                              runtime::HttpHeaders headers = {});
  // The error of a reply that is none of those that its caller knows.
  runtime::Status ErrorOf(const char* operation, const Reply& reply) const;
  std::string Where(const char* operation) const;
  runtime::Result<TransactionEnd> EndTransaction(const char* operation, const std::string& id);

  const KinesisClientOptions options_;
  const std::string stream_member_;
  OutageReport outage_;
  runtime::HttpClient http_;
};

// Builds the body of a PutRecords request record by record.
class PutRequest {
 public:
  explicit PutRequest(const KinesisClient& client);

  // REQUIRES: a key of 1 to 256 characters, UTF-8.
  void Add(std::string_view data, std::string_view partition_key);
  size_t records() const { return begins_.size(); }
  size_t size_bytes() const { return body_.size(); }
  // The body as it is sent. The request takes no more records after this.
  const std::string& Close();
  // Leaves only these records in it. REQUIRES: closed; ascending, not empty.
  void Keep(const std::vector<size_t>& records);

 private:
  std::string body_;
  std::vector<uint32_t> begins_;  // of each record in the body
  uint32_t first_ = 0;            // where records begin
  bool closed_ = false;
};

}  // namespace millrace::connectors
