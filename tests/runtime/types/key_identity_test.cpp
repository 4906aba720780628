#include <catch2/catch.hpp>
// Catch's CHECK comes first.
#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/types/key_identity.h"

namespace millrace::runtime {

namespace {

using Json = nlohmann::json;

// Makes the keys of tests/data/README.md: field f of key i of type number t.
class Draws {
 public:
  Draws(uint64_t type, uint64_t key, uint64_t field) : base_((type << 40) + (key << 16) + 64 * field) {}
  uint64_t operator()(uint64_t n) const {
    uint64_t z = base_ + n + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

 private:
  const uint64_t base_;
};

int64_t MakeInteger(const Draws& d, bool edge, int bits) {
  const int64_t most = bits == 64 ? INT64_MAX : (int64_t{1} << (bits - 1)) - 1;
  const std::array<int64_t, 8> edges = {0, 1, -1, most, -most - 1, 7, 100, -100};
  if (edge) return edges[d(61) % 8];
  int64_t value = static_cast<int64_t>(d(0) << (64 - bits)) >> (64 - bits);
  if (d(1) & 1) value >>= d(2) % static_cast<uint64_t>(bits);
  return value;
}

Int128 MakeDecimal(const Draws& d, bool edge, int precision) {
  Int128 ten_to_p = 1;
  for (int i = 0; i < precision; ++i) ten_to_p *= 10;
  const std::array<Int128, 8> edges = {0, 1, -1, ten_to_p - 1, -(ten_to_p - 1), 127, 128, -128};
  if (edge) return edges[d(61) % 8];
  constexpr uint64_t kTen19 = 10000000000000000000ull;
  const uint64_t low = d(1) % kTen19;
  const auto wide = static_cast<unsigned __int128>(d(0) % kTen19) * kTen19 + low;
  Int128 value = d(3) & 1 ? static_cast<Int128>(low % 1000000)
                          : static_cast<Int128>(wide % static_cast<unsigned __int128>(ten_to_p));
  return d(2) & 1 ? -value : value;
}

std::string MakeLetters(const Draws& d, uint64_t count) {
  static const char* const others[] = {"\u00e9", "\u20ac", "\u65e5", "\U0001F600"};
  std::string text;
  for (uint64_t k = 0; k < count; ++k) {
    const uint64_t letter = d(1 + k) % 66;
    if (letter < 26) text += static_cast<char>('a' + letter);
    else if (letter < 52) text += static_cast<char>('A' + letter - 26);
    else if (letter < 62) text += static_cast<char>('0' + letter - 52);
    else text += others[letter - 62];
  }
  return text;
}

TimestampNanos MakeTime(const Draws& d, bool edge, int precision) {
  const std::array<int64_t, 8> edges = {0,    -1,    1, 1000, -1000, 253402300799000, -62135596800000,
                                        1356998400000};
  int64_t ms = edge ? edges[d(61) % 8]
                    : static_cast<int64_t>(d(0) % 400000000000000ull) - 100000000000000;
  auto nanos = static_cast<int32_t>(d(1) % 1000000);
  if (precision == 0) ms = (ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000)) * 1000;
  if (precision <= 3) nanos = 0;
  if (precision == 6) nanos = nanos / 1000 * 1000;
  return {ms, nanos};
}

void AppendField(const Draws& d, VectorBuilder* to) {
  if (d(63) % 16 == 0) return to->AppendNull();
  const bool edge = d(62) % 4 == 0;
  const LogicalType& type = to->type();
  switch (type.kind()) {
    case TypeKind::kBoolean: return to->Append<uint8_t>(d(0) & 1);
    case TypeKind::kTinyInt: return to->Append(static_cast<int8_t>(MakeInteger(d, edge, 8)));
    case TypeKind::kSmallInt: return to->Append(static_cast<int16_t>(MakeInteger(d, edge, 16)));
    case TypeKind::kInt:
    case TypeKind::kIntervalYearMonth:
      return to->Append(static_cast<int32_t>(MakeInteger(d, edge, 32)));
    case TypeKind::kBigInt:
    case TypeKind::kIntervalDayTime: return to->Append(MakeInteger(d, edge, 64));
    case TypeKind::kFloat: {
      const std::array<uint32_t, 8> edges = {0,          0x80000000, 0x7fc00000, 0x7f800000,
                                             0xff800000, 0x3f800000, 1,          0x7f7fffff};
      return to->Append(edge ? edges[d(61) % 8] : static_cast<uint32_t>(d(0)));
    }
    case TypeKind::kDouble: {
      const std::array<uint64_t, 8> edges = {0, 0x8000000000000000, 0x7ff8000000000000,
                                             0x7ff0000000000000, 0xfff0000000000000,
                                             0x3ff0000000000000, 1, 0x7fefffffffffffff};
      return to->Append(edge ? edges[d(61) % 8] : d(0));
    }
    case TypeKind::kDecimal: {
      const Int128 value = MakeDecimal(d, edge, type.precision());
      if (type.precision() <= 18) return to->Append(static_cast<int64_t>(value));
      return to->Append(value);
    }
    case TypeKind::kChar: return to->AppendString(MakeLetters(d, static_cast<uint64_t>(type.length())));
    case TypeKind::kVarChar: {
      const std::array<const char*, 8> edges = {"", " ", "a", "abcdefg", "abcdefgh", "\u00e9",
                                                "\u65e5\u672c\u8a9e", "0"};
      return to->AppendString(edge ? std::string(edges[d(61) % 8]) : MakeLetters(d, d(0) % 41));
    }
    case TypeKind::kBinary:
    case TypeKind::kVarBinary: {
      const uint64_t size =
          type.kind() == TypeKind::kBinary ? static_cast<uint64_t>(type.length()) : d(0) % 41;
      std::string bytes;
      for (uint64_t k = 0; k < size; ++k) bytes += static_cast<char>(d(1 + k) & 0xff);
      return to->AppendString(bytes);
    }
    case TypeKind::kDate: {
      const std::array<int32_t, 8> edges = {0, -1, 1, -719162, 2932896, 15706, 11016, -141427};
      return to->Append(edge ? edges[d(61) % 8]
                             : static_cast<int32_t>(d(0) % 3000000) - 800000);
    }
    case TypeKind::kTime: {
      const auto ms = static_cast<int32_t>(d(0) % 86400000);
      return to->Append(type.precision() == 0 ? ms / 1000 * 1000 : ms);
    }
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: {
      const TimestampNanos time = MakeTime(d, edge, type.precision());
      if (type.precision() <= 3) return to->Append(time.ms);
      if (type.precision() <= 6) return to->Append<int64_t>(time.ms * 1000 + time.nanos / 1000);
      return to->Append(time);
    }
    default: FAIL("type without a formula");
  }
}

class Digest {
 public:
  void Add(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      state_ = (state_ ^ (value >> (8 * i) & 0xff)) * 0x100000001b3ull;
    }
  }
  std::string Hex() const {
    char text[17];
    std::snprintf(text, sizeof(text), "%016lx", state_);
    return text;
  }

 private:
  uint64_t state_ = 0xcbf29ce484222325ull;
};

}  // namespace

TEST_CASE("hash and key group of 10,000 keys of every type are Flink's") {
  std::ifstream file("tests/data/key_identity.jsonl");
  REQUIRE(file.good());
  constexpr int kKeys = 10000;
  int types = 0;
  for (std::string line; std::getline(file, line); ++types) {
    const Json golden = Json::parse(line);
    INFO(golden.at("types").dump());
    std::vector<LogicalType> key_types;
    std::vector<VectorPtr> columns;
    uint64_t field = 0;
    for (const Json& text : golden.at("types")) {
      key_types.push_back(LogicalType::Parse(text.get<std::string>()).value());
      VectorBuilder builder(ProcessPool(), key_types.back(), kKeys);
      for (uint64_t key = 0; key < kKeys; ++key) {
        AppendField(Draws(golden.at("number"), key, field), &builder);
      }
      columns.push_back(builder.Finish());
      ++field;
    }
    std::vector<const Vector*> views;
    for (const VectorPtr& column : columns) views.push_back(column.get());
    const KeyEncoder encoder(key_types);
    std::vector<uint16_t> groups_128(kKeys), groups_32768(kKeys);
    encoder.KeyGroups(views, nullptr, kKeys, 128, groups_128.data());
    encoder.KeyGroups(views, nullptr, kKeys, 32768, groups_32768.data());
    const Json& first = golden.at("first");
    for (size_t key = 0; key < first.size(); ++key) {
      INFO("key " << key << ": " << first[key][0].dump());
      REQUIRE(encoder.HashCode(views, static_cast<int32_t>(key)) == first[key][1].get<int32_t>());
      REQUIRE(groups_128[key] == first[key][2].get<uint16_t>());
      REQUIRE(groups_32768[key] == first[key][3].get<uint16_t>());
    }
    const Json& digests = golden.at("digests");
    REQUIRE(digests.size() == kKeys / 100);
    for (size_t hundred = 0; hundred < digests.size(); ++hundred) {
      Digest digest;
      for (size_t key = hundred * 100; key < (hundred + 1) * 100; ++key) {
        digest.Add(static_cast<uint32_t>(encoder.HashCode(views, static_cast<int32_t>(key))), 4);
        digest.Add(groups_128[key], 2);
        digest.Add(groups_32768[key], 2);
      }
      INFO("keys " << hundred * 100 << " and on");
      REQUIRE(digest.Hex() == digests[hundred].get<std::string>());
    }
    // What is encoded decodes to a key with the same bytes; a selection gives the same groups.
    std::vector<VectorBuilder> decoded;
    for (const LogicalType& type : key_types) decoded.emplace_back(ProcessPool(), type, 200);
    std::vector<VectorBuilder*> targets;
    for (VectorBuilder& builder : decoded) targets.push_back(&builder);
    std::vector<std::string> encoded;
    std::vector<int32_t> rows;
    for (int32_t key = 3; key < 1000; key += 5) {
      rows.push_back(key);
      encoded.emplace_back();
      encoder.Encode(views, key, &encoded.back());
      encoder.Decode(encoded.back(), targets);
    }
    std::vector<VectorPtr> again;
    for (VectorBuilder& builder : decoded) again.push_back(builder.Finish());
    std::vector<const Vector*> again_views;
    for (const VectorPtr& column : again) again_views.push_back(column.get());
    std::vector<uint16_t> selected(rows.size());
    encoder.KeyGroups(views, rows.data(), static_cast<int32_t>(rows.size()), 128, selected.data());
    for (size_t i = 0; i < rows.size(); ++i) {
      std::string bytes;
      encoder.Encode(again_views, static_cast<int32_t>(i), &bytes);
      REQUIRE(bytes == encoded[i]);
      REQUIRE(selected[i] == groups_128[static_cast<size_t>(rows[i])]);
    }
  }
  REQUIRE(types == 34);
}

TEST_CASE("key groups are dealt to subtasks as Flink does") {
  for (int parallelism : {1, 2, 3, 7, 128}) {
    int next = 0;
    for (int subtask = 0; subtask < parallelism; ++subtask) {
      const KeyGroupRange range = KeyGroupsOf(subtask, parallelism, 128);
      CHECK(range.first == next);
      for (int group = range.first; group <= range.last; ++group) {
        REQUIRE(SubtaskOf(group, parallelism, 128) == subtask);
      }
      next = range.last + 1;
    }
    CHECK(next == 128);
  }
  CHECK(DefaultMaxParallelism(1) == 128);
  CHECK(DefaultMaxParallelism(100) == 256);
  CHECK(DefaultMaxParallelism(30000) == 32768);
}

}  // namespace millrace::runtime
