#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/chain.h"
#include "runtime/engine/job_graph.h"
#include "runtime/types/key_identity.h"

namespace millrace::runtime {

// Sends the output of an operator to the subtasks of another vertex: the end of a chain.
// Rows of a hash exchange are scattered into a builder a destination, strings as kept views, and go
// out at batch_rows rows, before any other element, and by Flush. With one or two destinations the
// batch itself goes, with a selection (prototypes: cheaper than scattering narrow rows).
// Elements other than batches go to every channel.
class ExchangeNode : public ChainNode {
 public:
  // channels[i] leads to subtask i of the receiving vertex; `subtask` is the sender's own.
  ExchangeNode(const Edge& edge, int subtask, int receivers, int max_parallelism,
               const JobSettings& settings, std::shared_ptr<MemoryPool> pool,
               std::vector<std::shared_ptr<Channel>> channels, Counter* records_out);
  ~ExchangeNode() override;
  const std::string& uid() const override { return uid_; }

  // Sends what was collected. Called when the input runs dry or the oldest row has waited.
  void Flush();
  bool holds_rows() const { return holds_rows_; }
  void OnRoom(const std::function<void()>& wake);
  bool HasRoom() const;

 protected:
  Result<bool> Work() override;

 private:
  void SendHash(const BatchPtr& batch);
  void Send(int destination, BatchPtr batch);
  void SendBuilt(int destination);

  struct Destination {
    std::unique_ptr<BatchBuilder> builder;
    std::vector<uint16_t> key_groups;
    std::vector<int32_t> rows;  // of the current batch
  };

  const std::string uid_;
  const Edge edge_;
  const int max_parallelism_;
  const JobSettings settings_;
  std::shared_ptr<MemoryPool> pool_;
  std::vector<std::shared_ptr<Channel>> channels_;
  std::vector<Destination> destinations_;
  std::unique_ptr<KeyEncoder> encoder_;
  std::vector<uint16_t> subtask_of_group_;
  Counter* const records_out_;
  size_t next_ = 0;
  bool holds_rows_ = false;
  bool ended_ = false;
};

}  // namespace millrace::runtime
