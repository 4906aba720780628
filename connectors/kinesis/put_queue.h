#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "connectors/kinesis/io_gate.h"
#include "connectors/kinesis/kinesis_client.h"
#include "connectors/kinesis/kinesis_options.h"

namespace millrace::connectors {

// Sends the requests of a writer on IO threads, one at a time and in order, so that records of a
// partition key keep theirs. What the service refuses for now is sent again until the client's
// retry timeout; no thread waits meanwhile. Under a transaction a request that was sent twice is
// stored once, by its batch number.
//
// Shared by its writer and the work it started; after Stop nothing more is sent. Thread-safe;
// nothing here blocks but the work on IO threads.
class PutQueue : public std::enable_shared_from_this<PutQueue> {
 public:
  PutQueue(std::shared_ptr<KinesisClient> client, std::shared_ptr<IoGate> gate,
           const KinesisSinkSettings& settings);

  // `transaction` empty: none.
  void Push(std::unique_ptr<PutRequest> request, std::string transaction, uint64_t batch);
  // At most so many records wait. False: they will, and then the writer is woken.
  bool AwaitAtMost(size_t records);
  // Why it has given up; OK: it has not.
  runtime::Status status() const;
  // Whether a request is under way after this, which may reach the service later.
  bool Stop();

 private:
  struct Item {
    std::unique_ptr<PutRequest> request;
    std::string transaction;
    uint64_t batch = 0;
  };

  void Dispatch();  // mutex_ held
  void Send();
  // What an answer leaves to do; mutex_ held. True: go on with the next request at once.
  bool Answered(runtime::Status status, const std::vector<size_t>& failed);

  const std::shared_ptr<KinesisClient> client_;
  const std::shared_ptr<IoGate> gate_;
  const bool fail_on_error_;

  mutable std::mutex mutex_;
  std::deque<Item> items_;
  size_t records_ = 0;              // in items_
  size_t wake_at_most_ = SIZE_MAX;  // wake the writer at so many records; SIZE_MAX: do not
  bool sending_ = false;            // an IO thread has it
  bool pausing_ = false;            // until the timer
  bool stopped_ = false;
  runtime::Status status_;
  int64_t pause_ms_ = 0;
  int64_t failing_since_ms_ = 0;
};

}  // namespace millrace::connectors
