#include "runtime/cluster/job_graph_wire.h"

#include <thrift/protocol/TCompactProtocol.h>
#include <thrift/transport/TBufferTransports.h>

#include "runtime/cluster/job_graph_types.h"

namespace millrace::runtime {

namespace {

constexpr int32_t kVersion = 1;

std::vector<wire::Field> ToWire(const RowType& row) {
  std::vector<wire::Field> fields;
  for (const Field& field : row) {
    wire::Field to;
    to.name = field.name;
    to.type = field.type.ToString();
    fields.push_back(std::move(to));
  }
  return fields;
}

Result<RowType> FromWire(const std::vector<wire::Field>& fields) {
  RowType row;
  for (const wire::Field& field : fields) {
    ASSIGN_OR_RETURN(LogicalType type, LogicalType::Parse(field.type));
    row.push_back({field.name, std::move(type)});
  }
  return row;
}

Result<JobGraph> FromWire(const wire::JobGraph& from) {
  if (from.version > kVersion) {
    return Status::User("job graph is of version " + std::to_string(from.version) +
                        ", this Millrace reads up to " + std::to_string(kVersion));
  }
  JobGraph graph;
  graph.name = from.name;
  graph.max_parallelism = from.maxParallelism;
  graph.options = from.options;
  for (const wire::Vertex& vertex : from.vertices) {
    Vertex to;
    to.uid = vertex.uid;
    to.name = vertex.name;
    to.parallelism = vertex.parallelism;
    for (const wire::ChainedOperator& op : vertex.operators) {
      ChainedOperator chained;
      chained.parent = op.parent;
      chained.spec.uid = op.spec.uid;
      chained.spec.kind = op.spec.kind;
      chained.spec.description = op.spec.description;
      chained.spec.config = op.spec.config;
      for (const auto& input : op.spec.inputs) {
        ASSIGN_OR_RETURN(RowType row, FromWire(input));
        chained.spec.inputs.push_back(std::move(row));
      }
      ASSIGN_OR_RETURN(chained.spec.output, FromWire(op.spec.output));
      to.operators.push_back(std::move(chained));
    }
    graph.vertices.push_back(std::move(to));
  }
  for (const wire::Edge& edge : from.edges) {
    Edge to;
    to.from_vertex = edge.fromVertex;
    to.from_operator = edge.fromOperator;
    to.to_vertex = edge.toVertex;
    to.to_input = edge.toInput;
    to.kind = static_cast<ExchangeKind>(edge.kind);
    to.key_columns.assign(edge.keyColumns.begin(), edge.keyColumns.end());
    ASSIGN_OR_RETURN(to.type, FromWire(edge.type));
    graph.edges.push_back(std::move(to));
  }
  return graph;
}

}  // namespace

std::string EncodeJobGraph(const JobGraph& graph) {
  wire::JobGraph to;
  to.version = kVersion;
  to.name = graph.name;
  to.maxParallelism = graph.max_parallelism;
  to.options = graph.options;
  for (const Vertex& vertex : graph.vertices) {
    wire::Vertex wired;
    wired.uid = vertex.uid;
    wired.name = vertex.name;
    wired.parallelism = vertex.parallelism;
    for (const ChainedOperator& op : vertex.operators) {
      wire::ChainedOperator chained;
      chained.parent = op.parent;
      chained.spec.uid = op.spec.uid;
      chained.spec.kind = op.spec.kind;
      chained.spec.description = op.spec.description;
      chained.spec.config = op.spec.config;
      for (const RowType& input : op.spec.inputs) chained.spec.inputs.push_back(ToWire(input));
      chained.spec.output = ToWire(op.spec.output);
      wired.operators.push_back(std::move(chained));
    }
    to.vertices.push_back(std::move(wired));
  }
  for (const Edge& edge : graph.edges) {
    wire::Edge wired;
    wired.fromVertex = edge.from_vertex;
    wired.fromOperator = edge.from_operator;
    wired.toVertex = edge.to_vertex;
    wired.toInput = edge.to_input;
    wired.kind = static_cast<wire::ExchangeKind::type>(edge.kind);
    wired.keyColumns.assign(edge.key_columns.begin(), edge.key_columns.end());
    wired.type = ToWire(edge.type);
    to.edges.push_back(std::move(wired));
  }
  auto memory = std::make_shared<apache::thrift::transport::TMemoryBuffer>();
  apache::thrift::protocol::TCompactProtocol protocol(memory);
  to.write(&protocol);
  return memory->getBufferAsString();
}

Result<JobGraph> DecodeJobGraph(const std::string& bytes) {
  wire::JobGraph from;
  try {
    auto memory = std::make_shared<apache::thrift::transport::TMemoryBuffer>();
    memory->write(reinterpret_cast<const uint8_t*>(bytes.data()),
                  static_cast<uint32_t>(bytes.size()));
    apache::thrift::protocol::TCompactProtocol protocol(memory);
    from.read(&protocol);
  } catch (const std::exception& e) {  // Thrift's, and length errors of damaged bytes
    return Status::User(std::string("bytes are no job graph: ") + e.what());
  }
  return FromWire(from);
}

}  // namespace millrace::runtime
