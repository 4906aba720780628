#include "runtime/net/http_client.h"

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <mutex>
#include <vector>

namespace millrace::runtime {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;

namespace {

// One connection with an event loop of its own, so that blocking calls can have timeouts.
class ClientConnection {
 public:
  explicit ClientConnection(uint64_t body_limit_bytes)
      : stream_(io_), body_limit_bytes_(body_limit_bytes) {}

  beast::error_code Connect(const HttpEndpoint& endpoint, int64_t timeout_ms) {
    beast::error_code result;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port), result);
    if (result) return result;
    stream_.expires_after(std::chrono::milliseconds(timeout_ms));
    stream_.async_connect(found, [&](beast::error_code error, const auto&) { result = error; });
    Run();
    if (!result) stream_.socket().set_option(tcp::no_delay(true), result);
    return result;
  }

  // True if the server has neither closed the idle connection nor sent anything on it.
  bool IsQuiet() {
    char byte;
    const ssize_t got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  beast::error_code Exchange(const std::string& head, const std::string& body, bool head_only,
                             int64_t timeout_ms, HttpResponse* response, bool* keep_alive) {
    beast::error_code result;
    stream_.expires_after(std::chrono::milliseconds(timeout_ms));
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(head), asio::buffer(body)};
    asio::async_write(stream_, parts, [&](beast::error_code error, size_t) { result = error; });
    Run();
    if (result) return result;
    http::response_parser<http::string_body> parser;
    parser.body_limit(body_limit_bytes_);
    parser.header_limit(64 * 1024);
    if (head_only) parser.skip(true);
    http::async_read(stream_, buffer_, parser,
                     [&](beast::error_code error, size_t) { result = error; });
    Run();
    if (result) return result;
    auto& message = parser.get();
    response->status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
      response->headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    *keep_alive = message.keep_alive();
    response->body = std::move(message.body());
    return result;
  }

  SteadyClock::time_point last_used;

 private:
  void Run() {
    io_.restart();
    io_.run();
  }

  asio::io_context io_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  uint64_t body_limit_bytes_;
};

}  // namespace

class HttpClient::Pool {
 public:
  Pool(HttpEndpoint endpoint, HttpClientOptions options)
      : endpoint_(std::move(endpoint)), options_(options) {}

  std::unique_ptr<ClientConnection> TakeIdle() {
    const auto oldest = SteadyClock::now() - std::chrono::milliseconds(options_.idle_timeout_ms);
    while (true) {
      std::unique_ptr<ClientConnection> connection;
      {
        std::lock_guard lock(mutex_);
        if (idle_.empty()) return nullptr;
        connection = std::move(idle_.back());
        idle_.pop_back();
      }
      if (connection->last_used > oldest && connection->IsQuiet()) return connection;
    }
  }

  void GiveBack(std::unique_ptr<ClientConnection> connection) {
    connection->last_used = SteadyClock::now();
    std::lock_guard lock(mutex_);
    if (static_cast<int>(idle_.size()) < options_.connections_max) {
      idle_.push_back(std::move(connection));
    }
  }

  const HttpEndpoint endpoint_;
  const HttpClientOptions options_;

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<ClientConnection>> idle_;
};

Result<HttpEndpoint> HttpEndpoint::Parse(std::string_view url) {
  const Status wrong =
      Status::User("endpoint is not of the form http://host:port: " + std::string(url));
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return wrong;
  std::string_view rest = url.substr(kScheme.size());
  rest = rest.substr(0, rest.find('/'));
  HttpEndpoint endpoint;
  const size_t bracket = rest.rfind(']');
  const size_t colon = rest.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  std::string_view host = has_port ? rest.substr(0, colon) : rest;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) return wrong;
  endpoint.host = std::string(host);
  if (has_port) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size()) return wrong;
  }
  return endpoint;
}

std::string HttpEndpoint::HostHeader() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == 80 ? name : name + ":" + std::to_string(port);
}

HttpClient::HttpClient(HttpEndpoint endpoint, HttpClientOptions options)
    : pool_(std::make_unique<Pool>(std::move(endpoint), options)) {}
HttpClient::~HttpClient() = default;
const HttpEndpoint& HttpClient::endpoint() const { return pool_->endpoint_; }

Result<HttpResponse> HttpClient::Send(const HttpRequest& request, bool* sent) {
  if (sent != nullptr) *sent = false;
  const std::string where = endpoint().HostHeader();
  auto connection = pool_->TakeIdle();
  if (connection == nullptr) {
    connection = std::make_unique<ClientConnection>(pool_->options_.body_limit_bytes);
    const auto error = connection->Connect(endpoint(), pool_->options_.connect_timeout_ms);
    if (error) return Status::External("can't connect: " + error.message() + ": " + where);
  }
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  if (request.Header("host").empty()) head += "Host: " + where + "\r\n";
  for (const auto& [name, value] : request.headers) head += name + ": " + value + "\r\n";
  if (request.Header("content-length").empty() &&
      (!request.body.empty() || (request.method != "GET" && request.method != "HEAD"))) {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  head += "\r\n";
  if (sent != nullptr) *sent = true;
  HttpResponse response;
  bool keep_alive = false;
  const auto error =
      connection->Exchange(head, request.body, request.method == "HEAD",
                           pool_->options_.request_timeout_ms, &response, &keep_alive);
  if (error) {
    return Status::External("no response from the server: " + error.message() + ": " +
                            request.method + " " + where + request.target);
  }
  if (keep_alive) pool_->GiveBack(std::move(connection));
  return response;
}

}  // namespace millrace::runtime
