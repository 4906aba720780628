#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/net/http_client.h"
#include "runtime/net/http_server.h"

namespace millrace::runtime {
namespace {

HttpResponse Echo(const HttpRequest& request) {
  std::string text = request.method + " " + request.path;
  for (const auto& [key, value] : request.query) text += " " + key + "=" + value;
  return {200, {{"X-Seen", std::string(request.Header("x-sent"))}}, text + "\n" + request.body};
}

// Sends raw bytes and reads until the server closes or `until` has come.
std::string Raw(uint16_t port, const std::string& bytes, const std::string& until) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  std::string got;
  char buffer[4096];
  while (got.find(until) == std::string::npos) {
    const ssize_t length = read(fd, buffer, sizeof(buffer));
    if (length <= 0) break;
    got.append(buffer, static_cast<size_t>(length));
  }
  close(fd);
  return got;
}

TEST_CASE("Requests and responses cross with bodies on every method") {
  auto server = HttpServer::StartBlocking({}, Echo).value();
  REQUIRE(server->port() != 0);
  HttpClient client({"127.0.0.1", server->port()});
  for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH"}) {
    HttpRequest request;
    request.method = method;
    request.target = "/jobs/a%20b?x=1&y=%2F+z";
    request.headers = {{"X-Sent", "here"}};
    request.body = "body";
    const auto response = client.Send(request).value();
    CHECK(response.status == 200);
    CHECK(response.body == std::string(method) + " /jobs/a b x=1 y=/ z\nbody");
    CHECK(response.Header("x-seen") == "here");
  }
  const std::string large(5 << 20, 'z');
  HttpRequest request;
  request.method = "POST";
  request.body = large;
  CHECK(client.Send(request).value().body == "POST /\n" + large);
}

TEST_CASE("Chunked bodies, 100-continue and two requests on one connection are understood") {
  auto server = HttpServer::StartBlocking({}, Echo).value();
  const uint16_t port = server->port();
  CHECK(Raw(port,
            "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "abcde")
            .find("POST /a\nabcde") != std::string::npos);
  const std::string with_continue =
      Raw(port, "PUT /b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
          "hi");
  CHECK(with_continue.find("100 Continue") != std::string::npos);
  CHECK(with_continue.find("PUT /b\nhi") != std::string::npos);
  const std::string both = Raw(port,
                               "GET /one HTTP/1.1\r\nHost: x\r\n\r\n"
                               "GET /two HTTP/1.1\r\nHost: x\r\n\r\n",
                               "GET /two");
  CHECK(both.find("GET /one") < both.find("GET /two"));
  CHECK(Raw(port, "nonsense\r\n\r\n", "\r\n\r\n").find("400") != std::string::npos);
}

TEST_CASE("A body above the limit gets 413") {
  HttpServerOptions options;
  options.body_limit_bytes = 1000;
  auto server = HttpServer::StartBlocking(options, Echo).value();
  CHECK(
      Raw(server->port(), "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n", "\r\n\r\n")
          .find("413") != std::string::npos);
}

TEST_CASE("Answers that come later hold no thread") {
  HttpServerOptions options;
  options.threads = 1;
  std::mutex mutex;
  std::vector<Responder> waiting;
  auto server = HttpServer::Start(options, [&](HttpRequest request, Responder responder) {
                  if (request.path == "/drop") return;  // answers 500
                  if (request.path == "/now") return responder.Send(Echo(request));
                  std::lock_guard lock(mutex);
                  waiting.push_back(std::move(responder));
                }).value();
  HttpClient client({"127.0.0.1", server->port()});
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      HttpRequest request;
      request.target = "/later";
      if (client.Send(request).value().body == "late") ++answered;
    });
  }
  while (true) {
    std::lock_guard lock(mutex);
    if (waiting.size() == 20) break;
  }
  HttpRequest request;
  request.target = "/now";
  CHECK(client.Send(request).value().status == 200);
  request.target = "/drop";
  CHECK(client.Send(request).value().status == 500);
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (i % 2 == 0) {
      waiting[i].Send(HttpResponse::Text(200, "late"));
    } else {
      waiting[i].SendFrom([] { return HttpResponse::Text(200, "late"); });
    }
  }
  for (auto& thread : threads) thread.join();
  CHECK(answered == 20);
}

TEST_CASE("Stopping ends waiting calls, and what answers later is thrown away") {
  std::vector<Responder> waiting;
  std::mutex mutex;
  auto server = HttpServer::Start({}, [&](HttpRequest, Responder responder) {
                  std::lock_guard lock(mutex);
                  waiting.push_back(std::move(responder));
                }).value();
  HttpClient client({"127.0.0.1", server->port()});
  std::thread caller([&] { CHECK(!client.Send({}).ok()); });
  while (true) {
    std::lock_guard lock(mutex);
    if (!waiting.empty()) break;
  }
  server->Stop();
  caller.join();
  waiting[0].Send(HttpResponse::Text(200, "too late"));
  server.reset();
  bool sent = true;
  CHECK(!client.Send({}, &sent).ok());
  CHECK(!sent);
}

TEST_CASE("A taken port and a strange address are told") {
  auto server = HttpServer::StartBlocking({}, Echo).value();
  HttpServerOptions options;
  options.port = server->port();
  const auto second = HttpServer::StartBlocking(options, Echo);
  REQUIRE(!second.ok());
  CHECK(second.status().message().find(std::to_string(options.port)) != std::string::npos);
  options.address = "nowhere";
  CHECK(HttpServer::StartBlocking(options, Echo).status().fault() == Fault::kUser);
}

TEST_CASE("A client times out, and does not reuse a connection that the server has closed") {
  HttpServerOptions options;
  options.idle_timeout_ms = 50;
  auto server = HttpServer::StartBlocking(options, [](const HttpRequest& request) {
                  if (request.path == "/slow") {
                    std::this_thread::sleep_for(std::chrono::milliseconds(500));
                  }
                  return Echo(request);
                }).value();
  HttpClientOptions client_options;
  client_options.request_timeout_ms = 100;
  HttpClient client({"127.0.0.1", server->port()}, client_options);
  CHECK(client.Send({}).ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(client.Send({}).ok());
  HttpRequest slow;
  slow.target = "/slow";
  const auto late = client.Send(slow);
  REQUIRE(!late.ok());
  CHECK(late.status().retry() == Retry::kBackoff);
}

TEST_CASE("Endpoints and targets are read") {
  CHECK(HttpEndpoint::Parse("http://localhost:4567/").value().port == 4567);
  CHECK(HttpEndpoint::Parse("http://[::1]:1").value().host == "::1");
  CHECK(HttpEndpoint::Parse("http://a").value().port == 80);
  CHECK(!HttpEndpoint::Parse("https://a").ok());
  CHECK(!HttpEndpoint::Parse("http://a:99999").ok());
  CHECK(PercentEncode("a/b ~") == "a%2Fb%20~");
  CHECK(PercentDecode("%4a%zz%") == "J%zz%");
}

}  // namespace
}  // namespace millrace::runtime
