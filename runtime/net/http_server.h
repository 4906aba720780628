#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/net/http_message.h"
#include "runtime/types/status.h"

namespace millrace::runtime {

struct HttpServerOptions {
  std::string address = "127.0.0.1";         // loopback unless someone asks for more
  uint16_t port = 0;                         // 0: any free one, see HttpServer::port()
  int threads = 2;                           // that run handlers
  uint64_t body_limit_bytes = 64ull << 20;   // above it: 413, and the connection is closed
  int64_t idle_timeout_ms = 10 * 60 * 1000;  // between two requests of a connection
  int64_t transfer_timeout_ms = 60 * 1000;   // for the rest of a request, and for a response
};

// Answers one request, from any thread, at once or later; so that a handler that waits for a disk
// holds no thread. Move-only. Dropped unused, it answers 500. Answers after the server has stopped
// or the client has gone are thrown away.
class Responder {
 public:
  class Call;  // of http_server.cpp

  explicit Responder(std::shared_ptr<Call> call);
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  // Sends the response. REQUIRES: neither Send nor SendFrom was called before.
  void Send(HttpResponse response);
  // Makes the response on a thread of the server and sends it; for callers whose own thread is
  // precious. `make` must not block.
  void SendFrom(std::function<HttpResponse()> make);

 private:
  std::shared_ptr<Call> call_;
};

// Serves HTTP/1.1: keep-alive, bodies with every method (Content-Length or chunked), 100-continue.
// One request at a time a connection; requests of different connections run concurrently on the
// server's threads.
class HttpServer {
 public:
  class Core;  // of http_server.cpp

  // Runs on a thread of the server. May block, which holds that thread.
  using AsyncHandler = std::function<void(HttpRequest, Responder)>;
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Listens and returns once clients can connect. Errors: kExternal with the address (in use).
  static Result<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                   AsyncHandler handler);
  static Result<std::unique_ptr<HttpServer>> StartBlocking(const HttpServerOptions& options,
                                                           Handler handler);
  ~HttpServer();  // Stop

  uint16_t port() const;
  // Closes every connection and waits for running handlers; after it no handler runs or will run.
  // Idempotent. Must not be called by a handler.
  void Stop();

 private:
  explicit HttpServer(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
};

}  // namespace millrace::runtime
