#include <catch2/catch.hpp>

#include "runtime/net/base64.h"
#include "runtime/net/sigv4.h"

namespace millrace::runtime {
namespace {

constexpr int64_t kVectorTimeMs = 1440938160000;  // 20150830T123600Z, of AWS's published test suite
const AwsCredentials kExample{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
const SigV4Scope kScope{"us-east-1", "service"};

std::string SignatureOf(HttpRequest request) {
  SignRequest(kExample, kScope, kVectorTimeMs, &request);
  const std::string header(request.Header("authorization"));
  return header.substr(header.find("Signature=") + 10);
}

TEST_CASE("The published vectors come out") {
  HttpRequest request;
  request.headers = {{"Host", "example.amazonaws.com"}};
  CHECK(SignatureOf(request) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  request.target = "/?Param2=value2&Param1=value1";
  CHECK(SignatureOf(request) == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  request.target = "/./example/..//";
  CHECK(SignatureOf(request) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  request.target = "/";
  request.method = "POST";
  CHECK(SignatureOf(request) == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

TEST_CASE("A signed request verifies; anything changed does not") {
  const SignatureVerifier verifier({{"AKIDEXAMPLE", kExample.secret_access_key}}, kScope);
  HttpRequest request;
  request.method = "POST";
  request.target = "/?b=2&a=1%2F";
  request.headers = {{"Host", "x:1"}, {"X-Amz-Target", "A.B"}, {"X-Spaces", "  a   b "}};
  request.body = "{}";
  SignRequest(kExample, kScope, kVectorTimeMs, &request);
  SplitTarget(request.target, &request.path, &request.query);
  CHECK(verifier.Verify(request, kVectorTimeMs).ok());
  CHECK(verifier.Verify(request, kVectorTimeMs + 299'000).ok());
  const auto changed = [&](auto change) {
    HttpRequest other = request;
    change(&other);
    return verifier.Verify(other, kVectorTimeMs).message.substr(0, 60);
  };
  const std::string mismatch =
      "The request signature we calculated does not match the signature you provided.";
  CHECK(changed([](HttpRequest* r) { r->body = "{ }"; }) == mismatch.substr(0, 60));
  CHECK(changed([](HttpRequest* r) { r->headers[1].second = "A.C"; }) == mismatch.substr(0, 60));
  CHECK(changed([](HttpRequest* r) { r->method = "PUT"; }) == mismatch.substr(0, 60));
  CHECK(changed([](HttpRequest* r) { r->target = "/?b=2&a=1"; }) == mismatch.substr(0, 60));
  CHECK(verifier.Verify(request, kVectorTimeMs + 600'000).message ==
        "Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z "
        "(20150830T124600Z - 5 min.)");
  CHECK(verifier.Verify(request, kVectorTimeMs - 600'000).message ==
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123100Z "
        "(20150830T122600Z + 5 min.)");
  const SignatureVerifier elsewhere({{"AKIDEXAMPLE", kExample.secret_access_key}},
                                    {"eu-west-1", "service"});
  CHECK(elsewhere.Verify(request, kVectorTimeMs).message ==
        "Credential should be scoped to a valid Region, not us-east-1");
  const SignatureVerifier stranger({{"AKIDOTHER", "x"}}, kScope);
  CHECK(stranger.Verify(request, kVectorTimeMs).type == "UnrecognizedClientException");
  CHECK(SignatureVerifier({}, kScope).Verify({}, 0).ok());
}

TEST_CASE("Requests without a whole signature are told what is missing") {
  const SignatureVerifier verifier({{"A", "b"}}, kScope);
  HttpRequest request;
  CHECK(verifier.Verify(request, 0).type == "MissingAuthenticationTokenException");
  request.query = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"}};
  CHECK(verifier.Verify(request, 0).message ==
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters "
        "must include 'X-Amz-Signature'. AWS query-string parameters must include "
        "'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine "
        "the query-string parameters.");
  request.headers = {{"Authorization", "x"}};
  CHECK(verifier.Verify(request, 0).message ==
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
}

TEST_CASE("Base64 goes there and back, and refuses what it is not") {
  CHECK(Base64Encode("") == "");
  CHECK(Base64Encode("f") == "Zg==");
  CHECK(Base64Encode("fo") == "Zm8=");
  CHECK(Base64Encode("foobar") == "Zm9vYmFy");
  std::string bytes;
  uint32_t state = 1;
  for (size_t size = 0; size < 300; ++size) {
    std::string text = Base64Encode(bytes), back;
    REQUIRE(Base64Decode(text, &back));
    CHECK(back == bytes);
    for (size_t i = 0; i < text.size(); i += 7) {
      for (const char wrong : {'!', '-', '_', ' ', '\0', '\x80', '\xff', '@', '[', '`', '{'}) {
        std::string broken = text;
        broken[i] = wrong;
        CHECK(!Base64Decode(broken, &back));
      }
    }
    state = state * 1664525 + 1013904223;
    bytes.push_back(static_cast<char>(state >> 24));
  }
  for (const char* wrong : {"A", "AA", "AAA", "A===", "====", "AB==", "AAB=", "A=AA", "AA=A"}) {
    CHECK(!Base64Decode(wrong, &bytes));
  }
}

}  // namespace
}  // namespace millrace::runtime
