// The wire and file form of a job graph (runtime/engine/job_graph.h), between job manager and workers.
// Fields are only ever added, with new numbers; a reader takes what it knows.
namespace cpp millrace.runtime.wire

struct Field {
  1: string name
  2: string type  // Flink's serializable string
}

struct OperatorSpec {
  1: string uid
  2: string kind
  3: string description
  4: string config
  5: list<list<Field>> inputs
  6: list<Field> output
}

struct ChainedOperator {
  1: OperatorSpec spec
  2: i32 parent
}

struct Vertex {
  1: string uid
  2: string name
  3: i32 parallelism
  4: list<ChainedOperator> operators
}

enum ExchangeKind {
  FORWARD = 0
  HASH = 1
  REBALANCE = 2
  BROADCAST = 3
  SINGLE = 4
}

struct Edge {
  1: i32 fromVertex
  2: i32 fromOperator
  3: i32 toVertex
  4: i32 toInput
  5: ExchangeKind kind
  6: list<i32> keyColumns
  7: list<Field> type
}

struct JobGraph {
  1: i32 version
  2: string name
  3: i32 maxParallelism
  4: list<Vertex> vertices
  5: list<Edge> edges
  6: map<string, string> options
}
