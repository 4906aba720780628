#include "runtime/net/http_server.h"

#include <atomic>
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <ctime>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/types/check.h"

namespace millrace::runtime {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

// simdjson reads up to this much past the end of a text; with it a body needs no copy.
constexpr size_t kBodySlackBytes = 64;

std::string DateHeader() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[64];
  const size_t length = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, length);
}

std::string FormatHead(const HttpResponse& response, bool keep_alive) {
  std::string head;
  head.reserve(512);
  head += "HTTP/1.1 " + std::to_string(response.status) + " ";
  head += HttpReason(response.status);
  head += "\r\n";
  for (const auto& [name, value] : response.headers) {
    head += name;
    head += ": ";
    head += value;
    head += "\r\n";
  }
  head += "Date: " + DateHeader() + "\r\n";
  head += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  if (!keep_alive) head += "Connection: close\r\n";
  head += "\r\n";
  return head;
}

}  // namespace

class Connection;

class HttpServer::Core : public std::enable_shared_from_this<HttpServer::Core> {
 public:
  Core(const HttpServerOptions& options, AsyncHandler handler)
      : options_(options), handler_(std::move(handler)), io_(), acceptor_(io_) {}

  Status Listen();
  void Run();
  void Stop();
  void Accept();
  void Forget(Connection* connection) {
    std::lock_guard lock(mutex_);
    connections_.erase(connection);
  }

  const HttpServerOptions options_;
  AsyncHandler handler_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};

 private:
  std::mutex mutex_;  // guards connections_
  std::unordered_set<Connection*> connections_;
  std::vector<std::thread> threads_;
};

// One connection: reads a request, hands it over, waits for the response, writes it, and so on. All
// of it runs on the connection's strand; it lives as long as an operation or a Responder needs it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpServer::Core> core, tcp::socket socket)
      : core_(std::move(core)), stream_(std::move(socket)) {}
  ~Connection() { core_->Forget(this); }

  void Start() {
    boost::system::error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    asio::dispatch(stream_.get_executor(), [self = shared_from_this()] { self->ReadHead(); });
  }

  void Close() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->CloseNow(); });
  }

  void Respond(HttpResponse response) {
    asio::post(stream_.get_executor(),
               [self = shared_from_this(), response = std::move(response)]() mutable {
                 self->Write(std::move(response));
               });
  }

  void RespondFrom(std::function<HttpResponse()> make) {
    asio::post(stream_.get_executor(),
               [self = shared_from_this(), make = std::move(make)] { self->Write(make()); });
  }

 private:
  void CloseNow() {
    boost::system::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.socket().close(ignored);
  }

  void ReadHead() {
    parser_ = std::make_unique<http::request_parser<http::string_body>>();
    parser_->body_limit(core_->options_.body_limit_bytes);
    parser_->header_limit(64 * 1024);
    stream_.expires_after(std::chrono::milliseconds(core_->options_.idle_timeout_ms));
    http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code error, size_t) { self->OnHead(error); });
  }

  void OnHead(beast::error_code error) {
    if (error) return OnReadError(error);
    stream_.expires_after(std::chrono::milliseconds(core_->options_.transfer_timeout_ms));
    const auto length = parser_->content_length();
    if (length) {
      parser_->get().body().reserve(static_cast<size_t>(*length) + kBodySlackBytes);
    }
    if (beast::iequals(parser_->get()[http::field::expect], "100-continue")) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                        [self = shared_from_this()](beast::error_code error, size_t) {
                          if (!error) self->ReadBody();
                        });
      return;
    }
    ReadBody();
  }

  void ReadBody() {
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code error, size_t) { self->OnBody(error); });
  }

  void OnReadError(beast::error_code error) {
    if (error == http::error::body_limit || error == http::error::header_limit ||
        error == http::error::buffer_overflow) {
      keep_alive_ = false;
      const bool body = error == http::error::body_limit;
      return Write(HttpResponse::Text(body ? 413 : 431, ""));
    }
    if (error.category() == http::make_error_code(http::error::end_of_stream).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      keep_alive_ = false;
      return Write(HttpResponse::Text(400, "This is not HTTP: " + error.message() + "\n"));
    }
    CloseNow();
  }

  void OnBody(beast::error_code error);
  void Write(HttpResponse response);

  std::shared_ptr<HttpServer::Core> core_;  // first: the socket below lives in its io_context
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::unique_ptr<http::request_parser<http::string_body>> parser_;
  bool keep_alive_ = true;
  HttpResponse response_;
  std::string head_;
};

// Remembers whether its request was answered.
class Responder::Call {
 public:
  explicit Call(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Call() {
    if (connection_ != nullptr) connection_->Respond(HttpResponse::Text(500, "no answer\n"));
  }
  std::shared_ptr<Connection> Take() {
    CHECK_THAT_HOLDS(connection_ != nullptr);
    return std::exchange(connection_, nullptr);
  }

 private:
  std::shared_ptr<Connection> connection_;
};

void Connection::OnBody(beast::error_code error) {
  if (error) return OnReadError(error);
  auto& message = parser_->get();
  keep_alive_ = message.keep_alive();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  SplitTarget(request.target, &request.path, &request.query);
  for (const auto& field : message) {
    request.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  request.body = std::move(message.body());
  stream_.expires_never();
  core_->handler_(std::move(request),
                  Responder(std::make_shared<Responder::Call>(shared_from_this())));
}

void Connection::Write(HttpResponse response) {
  if (core_->stopping_) return CloseNow();
  response_ = std::move(response);
  head_ = FormatHead(response_, keep_alive_);
  stream_.expires_after(std::chrono::milliseconds(core_->options_.transfer_timeout_ms));
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(head_),
                                                   asio::buffer(response_.body)};
  asio::async_write(stream_, parts, [self = shared_from_this()](beast::error_code error, size_t) {
    if (error || !self->keep_alive_) return self->CloseNow();
    self->response_ = {};
    self->ReadHead();
  });
}

Status HttpServer::Core::Listen() {
  const std::string where = options_.address + ":" + std::to_string(options_.port);
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  if (error) return Status::User("listen address is not an IP address: " + options_.address);
  const tcp::endpoint endpoint(address, options_.port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Status::FromErrno("listen", where, error.value());
  port_ = acceptor_.local_endpoint(error).port();
  return Status::Ok();
}

void HttpServer::Core::Accept() {
  acceptor_.async_accept(
      asio::make_strand(io_),
      [this, self = shared_from_this()](boost::system::error_code error, tcp::socket socket) {
        if (stopping_ || error == asio::error::operation_aborted) return;
        if (!error) {
          auto connection = std::make_shared<Connection>(self, std::move(socket));
          {
            std::lock_guard lock(mutex_);
            if (stopping_) return;  // Stop has already been through the set
            connections_.insert(connection.get());
          }
          connection->Start();
        } else {
          // Out of file descriptors: wait for one rather than spin.
          std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        Accept();
      });
}

void HttpServer::Core::Run() {
  Accept();
  for (int i = 0; i < std::max(1, options_.threads); ++i) {
    threads_.emplace_back([this] { io_.run(); });
  }
}

void HttpServer::Core::Stop() {
  if (stopping_.exchange(true)) return;
  // Keeps the threads until every connection was told: those that wait for an answer have no
  // operation under way, so that without the acceptor there would be no work.
  auto work = asio::make_work_guard(io_);
  asio::post(io_, [this] {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  });
  std::vector<std::shared_ptr<Connection>> held;
  {
    std::lock_guard lock(mutex_);
    for (Connection* connection : connections_) {
      if (auto alive = connection->weak_from_this().lock()) {
        connection->Close();
        held.push_back(std::move(alive));
      }
    }
  }
  held.clear();
  work.reset();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

Responder::Responder(std::shared_ptr<Call> call) : call_(std::move(call)) {}
Responder::Responder(Responder&&) noexcept = default;
Responder& Responder::operator=(Responder&&) noexcept = default;
Responder::~Responder() = default;

void Responder::Send(HttpResponse response) {
  CHECK_THAT_HOLDS(call_ != nullptr);
  std::exchange(call_, nullptr)->Take()->Respond(std::move(response));
}

void Responder::SendFrom(std::function<HttpResponse()> make) {
  CHECK_THAT_HOLDS(call_ != nullptr);
  std::exchange(call_, nullptr)->Take()->RespondFrom(std::move(make));
}

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() { Stop(); }
uint16_t HttpServer::port() const { return core_->port_; }
void HttpServer::Stop() { core_->Stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options,
                                                      AsyncHandler handler) {
  auto core = std::make_shared<Core>(options, std::move(handler));
  RETURN_IF_ERROR(core->Listen());
  core->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

Result<std::unique_ptr<HttpServer>> HttpServer::StartBlocking(const HttpServerOptions& options,
                                                              Handler handler) {
  return Start(options, [handler = std::move(handler)](HttpRequest request, Responder responder) {
    responder.Send(handler(request));
  });
}

}  // namespace millrace::runtime
