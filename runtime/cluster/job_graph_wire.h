#pragma once

#include <string>

#include "runtime/engine/job_graph.h"

namespace millrace::runtime {

// Writes a job graph in its wire form: job_graph.thrift in Thrift's compact protocol.
std::string EncodeJobGraph(const JobGraph& graph);
// Reads it back. Errors: kUser for bytes that are no job graph, of a newer version, or with a type
// that is not known.
Result<JobGraph> DecodeJobGraph(const std::string& bytes);

}  // namespace millrace::runtime
