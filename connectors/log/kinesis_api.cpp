#include "connectors/log/kinesis_api.h"

#include <nlohmann/json.hpp>

namespace millrace::connectors {

using nlohmann::json;
using runtime::HttpRequest;
using runtime::HttpResponse;
using runtime::Responder;

namespace {

constexpr char kKinesisTarget[] = "Kinesis_20131202";
constexpr char kJson11[] = "application/x-amz-json-1.1";

void AddCorsHeaders(const HttpRequest& request, HttpResponse* response) {
  response->headers.emplace_back("Access-Control-Allow-Origin", "*");
  if (request.method != "OPTIONS") {
    response->headers.emplace_back(
        "Access-Control-Expose-Headers",
        "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date");
    return;
  }
  const auto echo = [&](const char* from, const char* to) {
    const std::string_view value = request.Header(from);
    if (!value.empty()) response->headers.emplace_back(to, std::string(value));
  };
  echo("access-control-request-headers", "Access-Control-Allow-Headers");
  echo("access-control-request-method", "Access-Control-Allow-Methods");
  response->headers.emplace_back("Access-Control-Max-Age", "172800");
}

HttpResponse Plain(int status, std::string body) {
  HttpResponse response = MakeApiResponse(std::move(body));
  response.status = status;
  response.headers.pop_back();  // Content-Type: these answers have none
  return response;
}

HttpResponse NoOperationName() {
  return Plain(403,
               "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to "
               "be authorized</Message>\n</AccessDeniedException>\n");
}

// One member "__type" in CBOR, for those who may expect that.
HttpResponse CborError(const std::string& type) {
  std::string body = "\xbf\x66__type";
  const auto size = static_cast<unsigned char>(type.size());
  if (size < 24) {
    body.push_back(static_cast<char>(0x60 | size));
  } else {
    body.push_back('\x78');
    body.push_back(static_cast<char>(size));
  }
  body += type + "\xff";
  HttpResponse response = Plain(400, body);
  response.headers.emplace_back("Content-Type", "application/x-amz-cbor-1.1");
  return response;
}

HttpResponse PlainJsonError(const char* type) {
  const char* message = std::string_view(type) == "SerializationException" ? "Message" : "message";
  json body = {
      {"Output", {{"__type", "com.amazon.coral.service#" + std::string(type)}, {message, nullptr}}},
      {"Version", "1.0"}};
  HttpResponse response = Plain(400, body.dump());
  response.headers.emplace_back("Content-Type", "application/json");
  if (std::string_view(type) == "UnknownOperationException") response.status = 404;
  return response;
}

std::string ContentType(const HttpRequest& request) {
  std::string_view type = request.Header("content-type");
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  return std::string(type);
}

}  // namespace

KinesisApi::KinesisApi(ApiContext context, const runtime::SignatureVerifier* verifier)
    : context_(std::move(context)), verifier_(verifier) {
  for (auto& operation : StreamOperations()) operations_[operation.name] = operation;
  for (auto& operation : ReadOperations()) operations_[operation.name] = operation;
}

ApiReply KinesisApi::RunOperation(const ApiOperation& operation, const std::string& body) const {
  json request = json::parse(body, nullptr, false);
  if (auto error = ValidateRequest(operation.members, &request)) return *error;
  return operation.run(context_, request);
}

void KinesisApi::Handle(HttpRequest request, Responder responder) const {
  const auto send = [&](HttpResponse response) {
    if (!request.Header("origin").empty()) AddCorsHeaders(request, &response);
    responder.Send(std::move(response));
  };
  if (request.method == "OPTIONS" && !request.Header("origin").empty()) {
    return send(Plain(200, ""));
  }
  if (request.method != "POST") return send(NoOperationName());
  const std::string target(request.Header("x-amz-target"));
  const size_t dot = target.find('.');
  const std::string service = target.substr(0, dot);
  const std::string name = dot == std::string::npos ? "" : target.substr(dot + 1);
  const bool is_put = service == kKinesisTarget && (name == "PutRecord" || name == "PutRecords");
  const bool is_transaction = service == kTransactionTarget;
  const auto operation = operations_.find(name);
  const bool known =
      is_put || is_transaction || (service == kKinesisTarget && operation != operations_.end());
  const std::string type = ContentType(request);
  if (request.body.empty()) {
    const char* error = known ? "SerializationException" : "UnknownOperationException";
    return send(type == kJson11 ? MakeApiResponse(ApiError{error, ""}) : CborError(error));
  }
  const bool plain_json = type == "application/json";
  if (type != kJson11 && !plain_json) {
    if (service.empty() || name.empty()) return send(NoOperationName());
    return send(Plain(404, "<UnknownOperationException/>\n"));
  }
  // A put is parsed once, by its operation, which refuses what is no object.
  if (!is_put || plain_json) {
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() && !body.is_array()) {
      return send(plain_json ? PlainJsonError("SerializationException")
                             : MakeApiResponse(ApiError{"SerializationException", ""}));
    }
  }
  if (plain_json) return send(PlainJsonError("UnknownOperationException"));
  if (!known) return send(MakeApiResponse(ApiError{"UnknownOperationException", ""}));
  const auto signature = verifier_->Verify(request, context_.clock->NowMs());
  if (!signature.ok()) return send(MakeApiResponse(ApiError{signature.type, signature.message}));
  if (is_put) {
    const bool many = name == "PutRecords";
    return many ? HandlePutRecords(context_, std::move(request), std::move(responder))
                : HandlePutRecord(context_, std::move(request), std::move(responder));
  }
  if (is_transaction) {
    if (HandleTransaction(context_, name, request, &responder)) return;
    return send(MakeApiResponse(ApiError{"UnknownOperationException", ""}));
  }
  send(MakeApiResponse(RunOperation(operation->second, request.body)));
}

}  // namespace millrace::connectors
