#pragma once

#include <map>
#include <string>

#include "connectors/log/api_call.h"
#include "runtime/net/sigv4.h"

namespace millrace::connectors {

// Speaks the Kinesis Data Streams protocol (JSON 1.1) and our transactions: checks a request in the
// order in which Kinesis does, and hands it to its operation. Thread-safe.
class KinesisApi {
 public:
  KinesisApi(ApiContext context, const runtime::SignatureVerifier* verifier);

  void Handle(runtime::HttpRequest request, runtime::Responder responder) const;

 private:
  ApiReply RunOperation(const ApiOperation& operation, const std::string& body) const;

  const ApiContext context_;
  const runtime::SignatureVerifier* const verifier_;
  std::map<std::string, ApiOperation> operations_;
};

}  // namespace millrace::connectors
