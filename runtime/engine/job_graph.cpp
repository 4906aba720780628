#include "runtime/engine/job_graph.h"

#include <set>

namespace millrace::runtime {

const char* NameOf(ExchangeKind kind) {
  switch (kind) {
    case ExchangeKind::kForward: return "forward";
    case ExchangeKind::kHash: return "hash";
    case ExchangeKind::kRebalance: return "rebalance";
    case ExchangeKind::kBroadcast: return "broadcast";
    case ExchangeKind::kSingle: return "single";
  }
  return "?";
}

Status JobGraph::Validate() const {
  std::set<std::string> uids;
  for (size_t v = 0; v < vertices.size(); ++v) {
    const Vertex& vertex = vertices[v];
    const std::string where = "job graph, vertex " + std::to_string(v) + " (" + vertex.name + ")";
    if (vertex.operators.empty()) return Status::User(where + ": has no operator");
    if (vertex.parallelism < 1 || vertex.parallelism > max_parallelism) {
      return Status::User(where + ": parallelism must be 1 to the maximum of " +
                          std::to_string(max_parallelism) + ": " +
                          std::to_string(vertex.parallelism));
    }
    for (size_t o = 0; o < vertex.operators.size(); ++o) {
      const ChainedOperator& op = vertex.operators[o];
      if (!uids.insert(op.spec.uid).second) {
        return Status::User(where + ": operator uid is not unique: " + op.spec.uid);
      }
      if ((o == 0) != (op.parent == -1) || op.parent >= static_cast<int>(o)) {
        return Status::User(where + ": operator " + op.spec.uid + " has a wrong parent");
      }
    }
  }
  for (const Edge& edge : edges) {
    const auto count = static_cast<int>(vertices.size());
    if (edge.from_vertex < 0 || edge.to_vertex >= count || edge.from_vertex >= edge.to_vertex) {
      return Status::User("job graph: an edge must go to a later vertex: " +
                          std::to_string(edge.from_vertex) + " to " +
                          std::to_string(edge.to_vertex));
    }
    const Vertex& from = vertices[edge.from_vertex];
    if (edge.from_operator < 0 || edge.from_operator >= static_cast<int>(from.operators.size())) {
      return Status::User("job graph: an edge leaves an operator that is not there");
    }
    if (edge.kind == ExchangeKind::kForward &&
        from.parallelism != vertices[edge.to_vertex].parallelism) {
      return Status::User("job graph: a forward edge needs equal parallelism: " + from.name);
    }
    for (int column : edge.key_columns) {
      if (column < 0 || column >= static_cast<int>(edge.type.size())) {
        return Status::User("job graph: a key column is not there: " + std::to_string(column));
      }
    }
  }
  return Status::Ok();
}

std::string JobGraph::ToText() const {
  std::string text;
  for (size_t v = 0; v < vertices.size(); ++v) {
    const Vertex& vertex = vertices[v];
    text += "vertex " + std::to_string(v) + ", parallelism " + std::to_string(vertex.parallelism);
    for (const Edge& edge : edges) {
      if (edge.to_vertex != static_cast<int>(v)) continue;
      text += std::string("\n  <- ") + NameOf(edge.kind);
      if (!edge.key_columns.empty()) {
        text += "(";
        for (size_t k = 0; k < edge.key_columns.size(); ++k) {
          text += (k > 0 ? ", " : "") + edge.type[edge.key_columns[k]].name;
        }
        text += ")";
      }
      text += " from vertex " + std::to_string(edge.from_vertex);
    }
    text += "\n";
    std::vector<int> depth(vertex.operators.size(), 1);
    for (size_t o = 0; o < vertex.operators.size(); ++o) {
      const ChainedOperator& op = vertex.operators[o];
      if (op.parent >= 0) depth[o] = depth[op.parent] + 1;
      text += std::string(static_cast<size_t>(depth[o]) * 2, ' ') + op.spec.kind + "  " +
              op.spec.description + "\n";
    }
  }
  return text;
}

}  // namespace millrace::runtime
