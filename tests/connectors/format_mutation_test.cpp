#include <catch2/catch.hpp>

#include <random>

#include "connectors/formats/format.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::BatchBuilder;
using runtime::LogicalType;
using runtime::RowType;

RowType AllTypes(bool with_maps) {
  std::vector<std::string> types = {
      "BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(10, 3)",
      "DECIMAL(38, 5)", "STRING", "BYTES", "DATE", "TIME(3)", "TIMESTAMP(3)", "TIMESTAMP(9)",
      "TIMESTAMP_LTZ(6)", "ARRAY<INT>", "ROW<`a` INT, `b` STRING>"};
  if (with_maps) {
    types.insert(types.end(), {"MAP<STRING, ARRAY<DOUBLE>>", "ARRAY<ROW<`a` ARRAY<STRING>>>"});
  }
  RowType row;
  for (size_t i = 0; i < types.size(); ++i) {
    row.push_back({"c" + std::to_string(i), LogicalType::Parse(types[i]).value()});
  }
  return row;
}

// Changes, inserts, removes and repeats bytes of a record.
std::string Mutated(std::string text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"{", "}", "[", "]", "\"", ",", ":", "\\", "null", "true",
                                                 "-", "1e9", "\\u12", "\n", ";", "\xff", "0", "\xe2\x82"};
  const auto below = [&](size_t limit) { return random() % std::max<size_t>(limit, 1); };
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(text.size());
    switch (below(4)) {
      case 0: text.insert(at, kPieces[below(std::size(kPieces))]); break;
      case 1: text.erase(at, 1 + below(6)); break;
      case 2: text[at] = static_cast<char>(random()); break;
      default: text.insert(at, text.substr(below(text.size()), below(20))); break;
    }
    if (text.empty()) text = "{}";
  }
  return text;
}

// Whatever the bytes, decoding ends well or with an error, never gives half a row, and gives the same
// one record at a time.
void TryMutations(const std::string& format, const RowType& row, const std::string& record) {
  for (const std::string ignore : {"true", "false"}) {
    const std::map<std::string, std::string> options = {{format + ".ignore-parse-errors", ignore}};
    auto decoder = MakeDecoder(format, row, options, "UTC").value();
    std::mt19937 random(7);
    for (int round = 0; round < 400; ++round) {
      std::vector<std::string> texts;
      for (int i = 0; i < 10; ++i) texts.push_back(i % 3 == 0 ? record : Mutated(record, random));
      const std::vector<std::string_view> records(texts.begin(), texts.end());
      const auto print = [&](BatchBuilder& builder, std::string* to) {
        if (builder.num_rows() == 0) return;
        const runtime::BatchPtr batch = builder.Finish();
        for (int32_t i = 0; i < batch->num_rows(); ++i) runtime::PrintRow(row, *batch, i, to);
      };
      std::string together, apart;
      BatchBuilder builder(runtime::ProcessPool(), row);
      std::vector<int32_t> record_of_row;
      const runtime::Status status = decoder->Decode(records, builder, &record_of_row);
      REQUIRE(record_of_row.size() == static_cast<size_t>(builder.num_rows()));
      REQUIRE((status.ok() || ignore == "false"));
      const size_t good = status.ok() ? records.size() : decoder->failed_record();
      print(builder, &together);
      for (size_t i = 0; i < good; ++i) {
        REQUIRE(decoder->Decode({&records[i], 1}, builder, nullptr).ok());
        print(builder, &apart);
      }
      REQUIRE((together == apart));
    }
  }
}

TEST_CASE("mutated JSON never breaks the decoder") {
  TryMutations(
      "json", AllTypes(true),
      R"({"c0":true,"c1":1,"c2":2,"c3":"3","c4":4,"c5":1.5,"c6":2.5e3,"c7":"1.25","c8":12345678901234567890,)"
      R"("c9":"tex\"t\u00e9","c10":"AQID","c11":"2013-01-31","c12":"05:15:00","c13":"2013-01-01 05:15:00.1",)"
      R"("c14":"2013-01-01 05:15:00","c15":"2013-01-01 05:15:00Z","c16":[1,null,3],"c17":{"a":1,"b":{"x":[]}},)"
      R"("c18":{"k":[1,2],"l":null},"c19":[{"a":["x"]},null,{}],"other":[{"deep":{}}]})");
}

TEST_CASE("mutated CSV never breaks the decoder") {
  TryMutations("csv", AllTypes(false),
               "true,1,2,3,4,1.5,2.5e3,1.25,123456789012345678901234567890,\"te\"\"xt\",AQID,2013-01-31,"
               "05:15:00,\"2013-01-01 05:15:00.1\",2013-01-01 05:15:00,2013-01-01 05:15:00Z,1;2;3,1;b");
}

}  // namespace
}  // namespace millrace::connectors
