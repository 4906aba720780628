#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "runtime/net/http_message.h"
#include "runtime/types/status.h"

namespace millrace::runtime {

// Where a service listens. Plain HTTP only.
struct HttpEndpoint {
  std::string host = "127.0.0.1";
  uint16_t port = 80;

  // Reads "http://host:port[/]". Errors: kUser.
  static Result<HttpEndpoint> Parse(std::string_view url);
  std::string HostHeader() const;
};

struct HttpClientOptions {
  int64_t connect_timeout_ms = 5000;
  int64_t request_timeout_ms = 60000;  // from sending to the last byte of the response
  int64_t idle_timeout_ms = 60000;     // a pooled connection older than this is not used again
  int connections_max = 16;            // idle ones that are kept
  uint64_t body_limit_bytes = 256ull << 20;
};

// Sends requests to one endpoint over pooled keep-alive connections. Thread-safe; each call blocks,
// so none is made by an executor thread; concurrent calls use connections of their own.
//
// Errors are kExternal/kBackoff: refused, timed out, closed half-way. Any response, also a 4xx or
// 5xx, is a success here. A request is never sent twice by the client: after an error the caller
// can't know whether the server acted on it, unless `sent` of Send is false.
class HttpClient {
 public:
  explicit HttpClient(HttpEndpoint endpoint, HttpClientOptions options = {});
  ~HttpClient();

  // Host and Content-Length are added where missing. `*sent` (optional) tells whether any byte of
  // the request can have reached the server.
  Result<HttpResponse> Send(const HttpRequest& request, bool* sent = nullptr);

  const HttpEndpoint& endpoint() const;

 private:
  class Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace millrace::runtime
