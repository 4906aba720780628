#include "connectors/log/api_call.h"

#include <nlohmann/json.hpp>
#include <random>

#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::HttpResponse;

namespace {

// Not secrets: they only tell one answer from another.
uint64_t RandomBits() {
  static thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

std::string RandomUuid() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "00000000-0000-4000-8000-000000000000";
  uint64_t bits = 0;
  int left = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '0') continue;
    if (left == 0) {
      bits = RandomBits();
      left = 16;
    }
    text[i] = kDigits[bits & 15];
    bits >>= 4;
    --left;
  }
  return text;
}

std::string RandomId() {
  uint64_t words[9];
  for (uint64_t& word : words) word = RandomBits();
  return runtime::Base64Encode(std::string_view(reinterpret_cast<const char*>(words), 72));
}

}  // namespace

std::string ApiContext::ArnOf(const std::string& stream) const {
  return "arn:aws:kinesis:" + region + ":" + account + ":stream/" + stream;
}

ApiError NotFound(const ApiContext& context, const std::string& stream) {
  return {"ResourceNotFoundException",
          "Stream " + stream + " under account " + context.account + " not found."};
}

ApiError InvalidArgument(std::string message) {
  return {"InvalidArgumentException", std::move(message)};
}

ApiError InternalFailure(const runtime::Status& status) {
  return {"InternalFailure", status.message(), 500};
}

HttpResponse MakeApiResponse(ApiReply reply) {
  HttpResponse response;
  response.headers = {{"x-amzn-RequestId", RandomUuid()},
                      {"x-amz-id-2", RandomId()},
                      {"Content-Type", "application/x-amz-json-1.1"}};
  if (auto* body = std::get_if<std::string>(&reply)) {
    response.body = std::move(*body);
    return response;
  }
  const ApiError& error = std::get<ApiError>(reply);
  response.status = error.http_status;
  json body = {{"__type", error.type}};
  const bool capital = error.type == "SerializationException";
  if (!error.message.empty()) body[capital ? "Message" : "message"] = error.message;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return response;
}

Member StreamNameMember(bool required) {
  return {"StreamName", MemberType::kString, required, kPatternName, 1, 128};
}
Member StreamArnMember() {
  return {"StreamARN", MemberType::kString, false, kPatternStreamArn, 1, 2048};
}

std::string StreamNameOf(const json& request) {
  const auto name = request.find("StreamName");
  if (name != request.end()) return name->get<std::string>();
  const auto arn = request.find("StreamARN");
  if (arn == request.end()) return "";
  const std::string text = arn->get<std::string>();
  return text.substr(text.find(":stream/") + 8);
}

std::variant<std::shared_ptr<const Stream>, ApiError> FindStream(const ApiContext& context,
                                                                 const json& request) {
  const std::string name = StreamNameOf(request);
  if (name.empty()) {
    return ApiError{"ValidationException",
                    "1 validation error detected: Value null at 'streamName' failed to satisfy "
                    "constraint: Member must not be null"};
  }
  auto stream = context.catalog->Find(name);
  if (stream == nullptr) return NotFound(context, name);
  return stream;
}

}  // namespace millrace::connectors
