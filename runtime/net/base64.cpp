#include "runtime/net/base64.h"

#include <array>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace millrace::runtime {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for every 12 bits.
constexpr std::array<std::array<char, 2>, 4096> kPairs = [] {
  std::array<std::array<char, 2>, 4096> table{};
  for (int i = 0; i < 4096; ++i) table[i] = {kAlphabet[i >> 6], kAlphabet[i & 63]};
  return table;
}();

constexpr std::array<uint8_t, 256> kValues = [] {
  std::array<uint8_t, 256> table{};
  for (auto& value : table) value = 0xff;
  for (int i = 0; i < 64; ++i) table[static_cast<unsigned char>(kAlphabet[i])] = i;
  return table;
}();

#ifdef __AVX2__
// Decodes 32 characters into 24 bytes (writes 32); false if one is foreign. After W. Mula and
// D. Lemire, "Faster Base64 Encoding and Decoding using AVX2 Instructions", 2018.
inline bool Decode32(const char* from, char* to) {
  const __m256i lut_lo =
      _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1A, 0x1B,
                       0x1B, 0x1B, 0x1A, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                       0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
  const __m256i lut_hi =
      _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
  const __m256i lut_roll =
      _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 19, 4, -65,
                       -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i mask_2f = _mm256_set1_epi8(0x2f);
  __m256i in = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  const __m256i hi_nibbles = _mm256_and_si256(_mm256_srli_epi32(in, 4), mask_2f);
  const __m256i lo = _mm256_shuffle_epi8(lut_lo, _mm256_and_si256(in, mask_2f));
  const __m256i hi = _mm256_shuffle_epi8(lut_hi, hi_nibbles);
  if (!_mm256_testz_si256(lo, hi)) return false;
  const __m256i is_slash = _mm256_cmpeq_epi8(in, mask_2f);
  const __m256i roll = _mm256_shuffle_epi8(lut_roll, _mm256_add_epi8(is_slash, hi_nibbles));
  in = _mm256_add_epi8(in, roll);
  const __m256i pairs = _mm256_maddubs_epi16(in, _mm256_set1_epi32(0x01400140));
  __m256i out = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
  out = _mm256_shuffle_epi8(
      out, _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2, 1, 0, 6, 5,
                            4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
  out = _mm256_permutevar8x32_epi32(out, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), out);
  return true;
}
#endif

// The last four characters may stand for one or two bytes; `bits_must_be_0`: those that are left over.
bool Decode(std::string_view text, bool bits_must_be_0, char* to) {
  if (text.size() % 4 != 0) return false;
  if (text.empty()) return true;
  size_t i = 0;
#ifdef __AVX2__
  // Each step writes 32 bytes of which 24 count; what follows must have room for the other 8.
  for (; i + 48 <= text.size(); i += 32, to += 24) {
    if (!Decode32(text.data() + i, to)) return false;
  }
#endif
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  for (; i + 4 < text.size(); i += 4, to += 3) {
    const uint8_t a = kValues[in[i]], b = kValues[in[i + 1]], c = kValues[in[i + 2]],
                  d = kValues[in[i + 3]];
    if ((a | b | c | d) & 0x80) return false;
    to[0] = static_cast<char>(a << 2 | b >> 4);
    to[1] = static_cast<char>(b << 4 | c >> 2);
    to[2] = static_cast<char>(c << 6 | d);
  }
  const uint8_t a = kValues[in[i]], b = kValues[in[i + 1]];
  if ((a | b) & 0x80) return false;
  to[0] = static_cast<char>(a << 2 | b >> 4);
  if (in[i + 2] == '=') return in[i + 3] == '=' && (!bits_must_be_0 || (b & 15) == 0);
  const uint8_t c = kValues[in[i + 2]];
  if (c & 0x80) return false;
  to[1] = static_cast<char>(b << 4 | c >> 2);
  if (in[i + 3] == '=') return !bits_must_be_0 || (c & 3) == 0;
  const uint8_t d = kValues[in[i + 3]];
  if (d & 0x80) return false;
  to[2] = static_cast<char>(c << 6 | d);
  return true;
}

}  // namespace

size_t Base64DecodedSize(std::string_view text) {
  if (text.empty()) return 0;
  size_t padding = 0;
  if (text.back() == '=') padding = text.size() > 1 && text[text.size() - 2] == '=' ? 2 : 1;
  return text.size() / 4 * 3 - padding;
}

void Base64Encode(const void* from, size_t length, char* to) {
  const auto* in = static_cast<const unsigned char*>(from);
  size_t i = 0;
  for (; i + 3 <= length; i += 3) {
    const uint32_t bits = in[i] << 16 | in[i + 1] << 8 | in[i + 2];
    std::memcpy(to, kPairs[bits >> 12].data(), 2);
    std::memcpy(to + 2, kPairs[bits & 4095].data(), 2);
    to += 4;
  }
  if (i == length) return;
  const uint32_t bits = in[i] << 16 | (i + 1 < length ? in[i + 1] << 8 : 0);
  std::memcpy(to, kPairs[bits >> 12].data(), 2);
  to[2] = i + 1 < length ? kAlphabet[bits >> 6 & 63] : '=';
  to[3] = '=';
}

std::string Base64Encode(std::string_view bytes) {
  std::string out(Base64EncodedSize(bytes.size()), '\0');
  Base64Encode(bytes.data(), bytes.size(), out.data());
  return out;
}

bool Base64Decode(std::string_view text, char* to) { return Decode(text, true, to); }

bool Base64Decode(std::string_view text, std::string* bytes) {
  bytes->resize(Base64DecodedSize(text));
  return Decode(text, true, bytes->data());
}

bool Base64DecodeLeniently(std::string_view text, std::string* bytes) {
  bytes->resize(Base64DecodedSize(text));
  return Decode(text, false, bytes->data());
}

}  // namespace millrace::runtime
