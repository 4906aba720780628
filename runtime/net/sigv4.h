#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/net/http_message.h"

namespace millrace::runtime {

// AWS Signature Version 4 ("Signature Version 4 signing process", AWS General Reference): header
// and query form for verification, header form for signing.

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

struct SigV4Scope {
  std::string region = "us-east-1";
  std::string service;
};

// The SHA-256 of `bytes` in lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// Adds X-Amz-Date, X-Amz-Security-Token and Authorization to `request`. Every header that is
// present, and Host, is signed, so add the others (Host included) first.
void SignRequest(const AwsCredentials& credentials, const SigV4Scope& scope, int64_t now_ms,
                 HttpRequest* request);

// What is wrong with a request's signature, as AWS names and words it; ok() if nothing is.
struct SignatureError {
  std::string type;  // InvalidSignatureException
  std::string message;
  bool ok() const { return type.empty(); }
};

// Checks signatures. Thread-safe. Without credentials the form of a signature is not looked at and
// everything passes. Signing keys are kept a day.
class SignatureVerifier {
 public:
  // `credentials`: secret access key by access key id.
  SignatureVerifier(std::map<std::string, std::string> credentials, SigV4Scope scope);
  ~SignatureVerifier();

  SignatureError Verify(const HttpRequest& request, int64_t now_ms) const;

 private:
  std::string SigningKey(const std::string& access_key_id, const std::string& date) const;

  struct KeyCache;
  const std::map<std::string, std::string> credentials_;
  const SigV4Scope scope_;
  std::unique_ptr<KeyCache> cache_;
};

}  // namespace millrace::runtime
