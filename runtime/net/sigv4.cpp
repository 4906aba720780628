#include "runtime/net/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr int64_t kClockSkewSeconds = 300;
constexpr char kMismatch[] =
    "The request signature we calculated does not match the signature you provided. Check your AWS "
    "Secret Access Key and signing method. Consult the service documentation for details.";

std::string Hex(const unsigned char* bytes, size_t length) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(length * 2, '\0');
  for (size_t i = 0; i < length; ++i) {
    out[i * 2] = kDigits[bytes[i] >> 4];
    out[i * 2 + 1] = kDigits[bytes[i] & 15];
  }
  return out;
}

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &length);
  return std::string(reinterpret_cast<char*>(digest), length);
}

std::string DeriveKey(const std::string& secret, const std::string& date, const SigV4Scope& scope) {
  return Hmac(Hmac(Hmac(Hmac("AWS4" + secret, date), scope.region), scope.service), "aws4_request");
}

std::string FormatTime(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts;
  gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &parts));
}

bool ParseTime(const std::string& text, int64_t* seconds) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &parts);
  if (end == nullptr || *end != '\0') {
    parts = {};
    end = strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &parts);
    if (end == nullptr) return false;
  }
  *seconds = timegm(&parts);
  return true;
}

std::string ToLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// Trims, and folds runs of spaces into one.
std::string FoldSpaces(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n') {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
    } else {
      out.push_back(c);
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text = text.substr(end + 1);
  }
}

// Removes "." and ".." and doubled slashes, as every service but S3 wants it.
std::string CanonicalPath(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  std::vector<std::string_view> kept;
  for (const std::string_view part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(part);
    }
  }
  std::string out;
  for (const std::string_view part : kept) {
    out += "/";
    // What is already encoded is encoded again; what is plain gets its first encoding.
    out += PercentEncode(part);
  }
  if (out.empty() || path.ends_with('/')) out += "/";
  return out;
}

std::string CanonicalQuery(const HttpRequest& request) {
  std::vector<std::pair<std::string, std::string>> query;
  std::string path;
  SplitTarget(request.target, &path, &query);
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [key, value] : query) {
    if (key != "X-Amz-Signature") encoded.emplace_back(PercentEncode(key), PercentEncode(value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [key, value] : encoded) {
    if (!out.empty()) out += "&";
    out += key + "=" + value;
  }
  return out;
}

std::string CanonicalRequest(const HttpRequest& request,
                             const std::vector<std::string>& signed_headers) {
  std::string out =
      request.method + "\n" + CanonicalPath(request.target) + "\n" + CanonicalQuery(request) + "\n";
  std::string names;
  for (const std::string& name : signed_headers) {
    out += name + ":";
    bool first = true;
    for (const auto& [key, value] : request.headers) {
      if (ToLower(key) != name) continue;
      if (!first) out += ",";
      out += FoldSpaces(value);
      first = false;
    }
    out += "\n";
    if (!names.empty()) names += ";";
    names += name;
  }
  return out + "\n" + names + "\n" + Sha256Hex(request.body);
}

std::string StringToSign(const std::string& time, const std::string& scope,
                         const std::string& canonical_request) {
  return std::string(kAlgorithm) + "\n" + time + "\n" + scope + "\n" + Sha256Hex(canonical_request);
}

std::string SignatureOf(const std::string& key, const std::string& string_to_sign) {
  const std::string digest = Hmac(key, string_to_sign);
  return Hex(reinterpret_cast<const unsigned char*>(digest.data()), digest.size());
}

// What a request says about its signature.
struct Claim {
  std::string credential;
  std::string signed_headers;
  std::string signature;
  std::string time;
  int64_t expires_seconds = -1;
};

SignatureError Incomplete(std::string message) {
  return {"IncompleteSignatureException", std::move(message)};
}
SignatureError Invalid(std::string message) {
  return {"InvalidSignatureException", std::move(message)};
}

SignatureError ReadHeaderClaim(const HttpRequest& request, Claim* claim) {
  const std::string header(request.Header("authorization"));
  std::string_view rest = header;
  rest = rest.substr(std::min(rest.size(), rest.find(' ')));
  for (const std::string_view comma_part : Split(rest, ',')) {
    for (const std::string_view part : Split(comma_part, ' ')) {
      const size_t equals = part.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string_view name = part.substr(0, equals);
      const std::string value(part.substr(equals + 1));
      if (name == "Credential") claim->credential = value;
      if (name == "SignedHeaders") claim->signed_headers = value;
      if (name == "Signature") claim->signature = value;
    }
  }
  claim->time = std::string(request.Header("x-amz-date"));
  if (claim->time.empty()) claim->time = std::string(request.Header("date"));
  std::string message;
  const auto need = [&](const std::string& value, const char* name) {
    if (value.empty()) {
      message += "Authorization header requires '" + std::string(name) + "' parameter. ";
    }
  };
  need(claim->credential, "Credential");
  need(claim->signature, "Signature");
  need(claim->signed_headers, "SignedHeaders");
  if (claim->time.empty()) {
    message +=
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
  }
  if (!message.empty()) return Incomplete(message + "Authorization=" + header);
  return {};
}

SignatureError ReadQueryClaim(const HttpRequest& request, Claim* claim) {
  std::string message;
  const auto take = [&](const char* name) {
    const auto value = request.Query(name);
    if (!value || value->empty()) {
      message += "AWS query-string parameters must include '" + std::string(name) + "'. ";
      return std::string();
    }
    return *value;
  };
  take("X-Amz-Algorithm");
  claim->credential = take("X-Amz-Credential");
  claim->signature = take("X-Amz-Signature");
  claim->signed_headers = take("X-Amz-SignedHeaders");
  claim->time = take("X-Amz-Date");
  if (const auto expires = request.Query("X-Amz-Expires")) {
    claim->expires_seconds = std::strtoll(expires->c_str(), nullptr, 10);
  }
  if (!message.empty()) return Incomplete(message + "Re-examine the query-string parameters.");
  return {};
}

SignatureError CheckTime(const Claim& claim, int64_t now_ms) {
  int64_t signed_seconds = 0;
  if (!ParseTime(claim.time, &signed_seconds)) {
    return Incomplete("Date must be in ISO-8601 'basic format'. Got '" + claim.time + "'.");
  }
  const int64_t now = now_ms / 1000;
  const std::string time = FormatTime(signed_seconds);
  const int64_t lifetime = std::max(kClockSkewSeconds, claim.expires_seconds);
  if (signed_seconds < now - lifetime) {
    return Invalid("Signature expired: " + time + " is now earlier than " +
                   FormatTime(now - lifetime) + " (" + FormatTime(now) + " - " +
                   std::to_string(lifetime / 60) + " min.)");
  }
  if (signed_seconds > now + kClockSkewSeconds) {
    return Invalid("Signature not yet current: " + time + " is still later than " +
                   FormatTime(now + kClockSkewSeconds) + " (" + FormatTime(now) + " + 5 min.)");
  }
  return {};
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return Hex(digest, sizeof(digest));
}

void SignRequest(const AwsCredentials& credentials, const SigV4Scope& scope, int64_t now_ms,
                 HttpRequest* request) {
  const std::string time = FormatTime(now_ms / 1000);
  const std::string date = time.substr(0, 8);
  request->headers.emplace_back("X-Amz-Date", time);
  if (!credentials.session_token.empty()) {
    request->headers.emplace_back("X-Amz-Security-Token", credentials.session_token);
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : request->headers) names.push_back(ToLower(name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  const std::string full_scope = date + "/" + scope.region + "/" + scope.service + "/aws4_request";
  const std::string to_sign = StringToSign(time, full_scope, CanonicalRequest(*request, names));
  const std::string signature =
      SignatureOf(DeriveKey(credentials.secret_access_key, date, scope), to_sign);
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ";") + name;
  request->headers.emplace_back(
      "Authorization", std::string(kAlgorithm) + " Credential=" + credentials.access_key_id + "/" +
                           full_scope + ", SignedHeaders=" + joined + ", Signature=" + signature);
}

struct SignatureVerifier::KeyCache {
  std::mutex mutex;
  std::map<std::pair<std::string, std::string>, std::string> keys;  // by access key id and date
};

SignatureVerifier::SignatureVerifier(std::map<std::string, std::string> credentials,
                                     SigV4Scope scope)
    : credentials_(std::move(credentials)),
      scope_(std::move(scope)),
      cache_(std::make_unique<KeyCache>()) {}
SignatureVerifier::~SignatureVerifier() = default;

std::string SignatureVerifier::SigningKey(const std::string& access_key_id,
                                          const std::string& date) const {
  std::lock_guard lock(cache_->mutex);
  std::string& key = cache_->keys[{access_key_id, date}];
  if (key.empty()) {
    key = DeriveKey(credentials_.at(access_key_id), date, scope_);
    if (cache_->keys.size() > 4 * credentials_.size() + 16) {
      std::string kept = key;
      cache_->keys.clear();
      return kept;
    }
  }
  return key;
}

SignatureError SignatureVerifier::Verify(const HttpRequest& request, int64_t now_ms) const {
  if (credentials_.empty()) return {};
  const bool in_header = !request.Header("authorization").empty();
  const bool in_query = request.Query("X-Amz-Algorithm").has_value();
  if (in_header && in_query) {
    return Invalid(
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
  }
  if (!in_header && !in_query) {
    return {"MissingAuthenticationTokenException", "Missing Authentication Token"};
  }
  Claim claim;
  SignatureError error =
      in_header ? ReadHeaderClaim(request, &claim) : ReadQueryClaim(request, &claim);
  if (!error.ok()) return error;
  const auto credential = Split(claim.credential, '/');
  if (credential.size() != 5 || credential[4] != "aws4_request") {
    return Incomplete("Credential must have exactly 5 slash-delimited elements, got '" +
                      claim.credential + "'.");
  }
  const std::string access_key_id(credential[0]);
  const std::string date(credential[1]);
  if (!credentials_.contains(access_key_id)) {
    return {"UnrecognizedClientException",
            "The security token included in the request is invalid."};
  }
  error = CheckTime(claim, now_ms);
  if (!error.ok()) return error;
  int64_t signed_seconds = 0;
  (void)ParseTime(claim.time, &signed_seconds);
  const std::string iso_time = FormatTime(signed_seconds);
  if (credential[2] != scope_.region) {
    return Invalid("Credential should be scoped to a valid Region, not " +
                   std::string(credential[2]));
  }
  if (credential[3] != scope_.service) {
    return Invalid("Credential should be scoped to correct service: '" + scope_.service + "'.");
  }
  if (date != iso_time.substr(0, 8)) {
    return Invalid(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
        "from HTTP");
  }
  std::vector<std::string> names;
  for (const std::string_view name : Split(claim.signed_headers, ';'))
    names.push_back(ToLower(name));
  const std::string full_scope =
      date + "/" + scope_.region + "/" + scope_.service + "/aws4_request";
  const std::string expected =
      SignatureOf(SigningKey(access_key_id, date),
                  StringToSign(iso_time, full_scope, CanonicalRequest(request, names)));
  if (expected.size() != claim.signature.size() ||
      CRYPTO_memcmp(expected.data(), claim.signature.data(), expected.size()) != 0) {
    return Invalid(kMismatch);
  }
  return {};
}

}  // namespace millrace::runtime
