#include "connectors/log/sealed_token.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

#include "runtime/net/base64.h"
#include "runtime/types/check.h"

namespace millrace::connectors {
namespace {

constexpr char kPrefix[] = "\0\0\0\0\0\0\0\1";
constexpr size_t kPrefixBytes = 8, kNonceBytes = 12, kTagBytes = 16;
constexpr size_t kSizeMin = 152, kSizeStep = 16;

using Context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* Bytes(char* text) { return reinterpret_cast<unsigned char*>(text); }
const unsigned char* Bytes(const char* text) {
  return reinterpret_cast<const unsigned char*>(text);
}

}  // namespace

std::string TokenSealer::Seal(char kind, const std::vector<std::string>& fields) const {
  std::string plain(1, kind);
  for (const std::string& field : fields) plain += "/" + field;
  plain += "/";
  constexpr size_t kOverhead = kPrefixBytes + kNonceBytes + kTagBytes;
  size_t size = kSizeMin;
  while (size < kOverhead + plain.size()) size += kSizeStep;
  plain.resize(size - kOverhead, '0');

  std::string sealed(size, '\0');
  std::copy(kPrefix, kPrefix + kPrefixBytes, sealed.begin());
  char* const nonce = sealed.data() + kPrefixBytes;
  char* const text = nonce + kNonceBytes;
  CHECK_THAT_HOLDS(RAND_bytes(Bytes(nonce), kNonceBytes) == 1);
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  bool ok = EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(secret_.data()),
                               Bytes(nonce)) == 1;
  ok = ok && EVP_EncryptUpdate(context.get(), Bytes(text), &length, Bytes(plain.data()),
                               static_cast<int>(plain.size())) == 1;
  ok = ok && EVP_EncryptFinal_ex(context.get(), Bytes(text) + length, &length) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                 text + plain.size()) == 1;
  CHECK_THAT_HOLDS(ok);
  return runtime::Base64Encode(sealed);
}

std::optional<std::vector<std::string>> TokenSealer::Open(char kind, std::string_view token) const {
  std::string sealed;
  if (!runtime::Base64Decode(token, &sealed) || sealed.size() < kSizeMin ||
      !sealed.starts_with(std::string_view(kPrefix, kPrefixBytes))) {
    return std::nullopt;
  }
  char* const nonce = sealed.data() + kPrefixBytes;
  char* const text = nonce + kNonceBytes;
  const size_t text_size = sealed.size() - kPrefixBytes - kNonceBytes - kTagBytes;
  std::string plain(text_size, '\0');
  const Context context(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  bool ok = EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Bytes(secret_.data()),
                               Bytes(nonce)) == 1;
  ok = ok && EVP_DecryptUpdate(context.get(), Bytes(plain.data()), &length, Bytes(text),
                               static_cast<int>(text_size)) == 1;
  ok = ok &&
       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, text + text_size) == 1;
  ok = ok && EVP_DecryptFinal_ex(context.get(), Bytes(plain.data()) + length, &length) == 1;
  if (!ok || plain.size() < 2 || plain[0] != kind || plain[1] != '/') return std::nullopt;
  std::vector<std::string> fields;
  std::string_view rest(plain);
  rest.remove_prefix(2);
  for (size_t end = rest.find('/'); end != std::string_view::npos; end = rest.find('/')) {
    fields.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return fields;
}

}  // namespace millrace::connectors
