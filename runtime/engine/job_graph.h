#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::runtime {

// How rows go from the subtasks of one vertex to those of another.
enum class ExchangeKind : uint8_t {
  kForward,    // subtask i to subtask i; equal parallelism
  kHash,       // by Flink's key group of key_columns
  kRebalance,  // whole batches round-robin
  kBroadcast,  // everything to everyone
  kSingle,     // everything to subtask 0
};

// One operator within a vertex. Operators of a vertex form a tree: batches pass from parent to child
// by pointer, on one thread. The first one is the head: a source, or fed by the vertex's edges.
struct ChainedOperator {
  OperatorSpec spec;  // kind "source" and "sink": config is {"table": TableSpec, ...}
  int parent = -1;    // index within the vertex, less than its own; -1 for the head alone
  bool operator==(const ChainedOperator&) const = default;
};

struct Vertex {
  std::string uid;
  std::string name;
  int parallelism = 1;
  std::vector<ChainedOperator> operators;
  bool operator==(const Vertex&) const = default;
};

struct Edge {
  int from_vertex = 0;
  int from_operator = 0;  // whose output is sent
  int to_vertex = 0;
  int to_input = 0;       // input of the head operator there
  ExchangeKind kind = ExchangeKind::kForward;
  std::vector<int> key_columns;  // kHash
  RowType type;
  bool operator==(const Edge&) const = default;
};

// The one form of everything that runs. Plain data; its wire and file form is in runtime/cluster.
struct JobGraph {
  std::string name;
  int max_parallelism = kDefaultMaxParallelism;
  std::vector<Vertex> vertices;  // in topological order: edges go from lower to higher index
  std::vector<Edge> edges;
  std::map<std::string, std::string> options;  // Flink's configuration keys
  bool operator==(const JobGraph&) const = default;

  // Says what is wrong with the graph (indices, cycles, parallelism over the maximum), or OK.
  Status Validate() const;
  // A text tree for people.
  std::string ToText() const;
};

const char* NameOf(ExchangeKind kind);

}  // namespace millrace::runtime
