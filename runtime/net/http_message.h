#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Finds a header whatever the case of its letters; empty if it is not there.
std::string_view FindHeader(const HttpHeaders& headers, std::string_view name);

// One HTTP/1.1 request. On the server `path` and `query` are taken from `target`, decoded; a client
// fills `target` alone, already encoded. Any method may carry a body.
struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;
  std::string body;

  std::string_view Header(std::string_view name) const { return FindHeader(headers, name); }
  // The first value of a query parameter.
  std::optional<std::string> Query(std::string_view name) const;
};

// One HTTP/1.1 response. Content-Length, Connection and Date are added by the server.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;

  std::string_view Header(std::string_view name) const { return FindHeader(headers, name); }
  static HttpResponse Json(int status, std::string body);
  static HttpResponse Text(int status, std::string body);
};

// The words that belong to a status code: "Not Found".
std::string_view HttpReason(int status);

// Decodes %XX, and '+' as a space where `plus_is_space`. A broken escape stays as it is.
std::string PercentDecode(std::string_view text, bool plus_is_space = false);
// Encodes everything but letters, digits and -._~ (RFC 3986); '/' too unless `keep_slash`.
std::string PercentEncode(std::string_view text, bool keep_slash = false);
// Splits "/path?a=1&b=2" into the decoded path and parameters.
void SplitTarget(std::string_view target, std::string* path,
                 std::vector<std::pair<std::string, std::string>>* query);

}  // namespace millrace::runtime
