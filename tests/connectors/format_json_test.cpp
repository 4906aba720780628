#include <catch2/catch.hpp>

#include "connectors/formats/format.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::BatchBuilder;
using runtime::BatchPtr;
using runtime::LogicalType;
using runtime::RowType;
using runtime::Status;

using OptionMap = std::map<std::string, std::string>;

RowType Row(std::initializer_list<std::pair<std::string, std::string>> fields) {
  RowType row;
  for (const auto& [name, type] : fields) row.push_back({name, LogicalType::Parse(type).value()});
  return row;
}

struct Decoded {
  Status status;
  std::vector<std::string> rows;
  std::vector<int32_t> record_of_row;
  size_t failed_record = 0;
  BatchPtr batch;
};

Decoded Decode(const RowType& row, std::vector<std::string_view> records,
               const OptionMap& options = {}) {
  Decoded decoded;
  auto decoder = MakeDecoder("json", row, options, "UTC");
  REQUIRE(decoder.status().ToString() == "OK");
  BatchBuilder builder(runtime::ProcessPool(), row);
  decoded.status = (*decoder)->Decode(records, builder, &decoded.record_of_row);
  decoded.failed_record = (*decoder)->failed_record();
  if (builder.num_rows() == 0) return decoded;
  decoded.batch = builder.Finish();
  for (int32_t i = 0; i < decoded.batch->num_rows(); ++i) {
    std::string text;
    runtime::PrintRow(row, *decoded.batch, i, &text);
    decoded.rows.push_back(text);
  }
  return decoded;
}

// Decodes one value of a column `v`.
std::string One(const std::string& type, const std::string& json, const OptionMap& options = {}) {
  const Decoded decoded = Decode(Row({{"v", type}}), {"{\"v\":" + json + "}"}, options);
  if (!decoded.status.ok()) {
    const std::string& message = decoded.status.message();
    const size_t at = message.find("at field: v: ");
    return "error: " + (at == std::string::npos ? message : message.substr(at + 13));
  }
  REQUIRE(decoded.rows.size() == 1);
  return decoded.rows[0].substr(3, decoded.rows[0].size() - 4);
}

const OptionMap kIgnore = {{"json.ignore-parse-errors", "true"}};
const OptionMap kIso = {{"json.timestamp-format.standard", "ISO-8601"}};

TEST_CASE("JSON objects become rows by field name, in any order") {
  const RowType row = Row({{"a", "BIGINT"}, {"b", "STRING"}, {"c", "DOUBLE"}});
  const Decoded decoded =
      Decode(row, {R"({"a":1,"b":"x","c":1.5})", R"( { "c" : 2 , "other" : {"a":[9]}, "b" : null } )",
                   "", R"({"a":3,"a":4,"b":"y\u00e9\n"})"});
  REQUIRE(decoded.status.ToString() == "OK");
  REQUIRE(decoded.rows == std::vector<std::string>{"+I[1, x, 1.5]", "+I[null, null, 2.0]",
                                                   "+I[4, y\xc3\xa9\n, null]"});
  REQUIRE(decoded.record_of_row == std::vector<int32_t>{0, 1, 3});
}

TEST_CASE("JSON values convert as Flink's") {
  CHECK(One("BOOLEAN", "true") == "true");
  CHECK(One("BOOLEAN", "\" TRUE \"") == "true");
  CHECK(One("BOOLEAN", "\"yes\"") == "false");
  CHECK(One("BOOLEAN", "1") == "false");
  CHECK(One("TINYINT", "-128") == "-128");
  CHECK(One("TINYINT", "\"12\"") == "12");
  CHECK(One("TINYINT", "128") == "error: '128' is out of the range of its type");
  CHECK(One("TINYINT", "1.0") == "error: '1.0' is no whole number");
  CHECK(One("SMALLINT", "32767") == "32767");
  CHECK(One("INT", "1.9") == "1");
  CHECK(One("INT", "\" +7 \"") == "7");
  CHECK(One("INT", "\"1.9\"") == "error: '1.9' is not an INT");
  CHECK(One("INT", "3000000000") == "error: '3000000000' is out of the range of its type");
  CHECK(One("BIGINT", "9223372036854775807") == "9223372036854775807");
  CHECK(One("BIGINT", "9223372036854775808") ==
        "error: '9223372036854775808' is out of the range of its type");
  CHECK(One("BIGINT", "1e3") == "1000");
  CHECK(One("FLOAT", "1.1") == "1.1");
  CHECK(One("FLOAT", "\"NaN\"") == "NaN");
  CHECK(One("DOUBLE", "1") == "1.0");
  CHECK(One("DOUBLE", "\"-Infinity\"") == "-Infinity");
  CHECK(One("DOUBLE", "1e400") == "Infinity");
  CHECK(One("DECIMAL(5, 2)", "1.005") == "1.01");
  CHECK(One("DECIMAL(5, 2)", "\" 12.3 \"") == "12.30");
  CHECK(One("DECIMAL(5, 2)", "123456") == "null");
  CHECK(One("DECIMAL(38, 10)", "1234567890123456789012345678.5") ==
        "1234567890123456789012345678.5000000000");
  CHECK(One("DECIMAL(5, 2)", "true") == "error: 'true' is no DECIMAL");
  CHECK(One("STRING", "12.50") == "12.50");
  CHECK(One("STRING", "true") == "true");
  CHECK(One("STRING", R"({"b": [1, 2.50, "x\/\"y\""], "a" : {} , "c":[ ]})") ==
        R"({"b":[1,2.5,"x/\"y\""],"a":{},"c":[]})");
  CHECK(One("VARCHAR(2)", "\"abc\"") == "abc");
  CHECK(One("BYTES", "\"AQL/\"") == "[1, 2, -1]");
  CHECK(One("BYTES", "\"A\"") == "error: 'A' is not base64");
  CHECK(One("BYTES", "12") == "error: '12' is no string of base64");
  CHECK(One("DATE", "\"2013-01-31\"") == "2013-01-31");
  CHECK(One("DATE", "\"2013-1-31\"") == "error: '2013-1-31' is not a DATE such as 2013-01-31");
  CHECK(One("DATE", "\"2013-02-29\"") == "error: '2013-02-29' is not a DATE such as 2013-01-31");
  CHECK(One("TIME(0)", "\"05:15:00\"") == "05:15");
  CHECK(One("TIME(3)", "\"05:15:00.25\"") == "05:15:00.250");
  CHECK(One("TIMESTAMP(3)", "\"2013-01-01 05:15:00\"") == "2013-01-01T05:15");
  CHECK(One("TIMESTAMP(9)", "\"2013-01-01 05:15:00.123456789\"") == "2013-01-01T05:15:00.123456789");
  CHECK(One("TIMESTAMP(3)", "\"2013-01-01 05:15:00.123456789\"") == "2013-01-01T05:15:00.123");
  CHECK(One("TIMESTAMP(3)", "\"2013-01-01T05:15:00\"") ==
        "error: '2013-01-01T05:15:00' is not a TIMESTAMP of the SQL standard such as "
        "2013-01-31 05:15:00");
  CHECK(One("TIMESTAMP(3)", "\"2013-01-01T05:15\"", kIso) == "2013-01-01T05:15");
  CHECK(One("TIMESTAMP(3)", "\"1969-12-31T23:59:59.5\"", kIso) == "1969-12-31T23:59:59.500");
  CHECK(One("TIMESTAMP_LTZ(3)", "\"2013-01-01 05:15:00Z\"") == "2013-01-01T05:15:00Z");
  CHECK(One("TIMESTAMP_LTZ(3)", "\"2013-01-01T05:15:00.1Z\"", kIso) == "2013-01-01T05:15:00.100Z");
  CHECK(One("ARRAY<INT>", "[1, null, \"3\"]") == "[1, null, 3]");
  CHECK(One("ARRAY<INT>", "1") == "error: '1' is no JSON array");
  CHECK(One("MAP<STRING, DOUBLE>", R"({"a":1,"b\"":null})") == "{a=1.0, b\"=null}");
  CHECK(One("ROW<`x` INT, `y` ARRAY<STRING>>", R"({"y":["a","b"],"z":0})") == "+I[null, [a, b]]");
  CHECK(One("ROW<`x` INT>", "null") == "null");
  CHECK(One("ROW<`x` INT>", "[]") == "error: '[' is no JSON object");
  CHECK(One("STRING", "\"a\tb\"") == "a\tb");  // Flink allows unescaped control characters
  CHECK(One("STRING", "\"a\\\\\tb\\\"\t\"") == "a\\\tb\"\t");
  CHECK(One("STRING", R"("x\ud800y\ud83d\ude00\n\u00e4")") == "x?y\xf0\x9f\x98\x80\n\xc3\xa4");
  CHECK(Decode(Row({{"a", "INT"}}), {"\xEF\xBB\xBF{\"a\":1}"}).rows.size() == 1);
}

TEST_CASE("a record that is no JSON says which record and why, and leaves the rows before it") {
  const RowType row = Row({{"a", "ROW<`b` ARRAY<INT>>"}, {"c", "STRING"}});
  Decoded decoded = Decode(row, {R"({"a":{"b":[1]},"c":"x"})", R"({"c":"y","a":{"b":[1,"q"]}})",
                                 R"({"c":"z"})"});
  REQUIRE(!decoded.status.ok());
  CHECK(decoded.status.fault() == runtime::Fault::kUser);
  CHECK(decoded.status.message() ==
        R"(Failed to deserialize JSON '{"c":"y","a":{"b":[1,"q"]}}'. Record 1 of those given: )"
        "Fail to deserialize at field: a.b: 'q' is not an INT");
  CHECK(decoded.failed_record == 1);
  CHECK(decoded.rows == std::vector<std::string>{"+I[+I[[1]], x]"});

  for (const std::string_view broken :
       {"{\"c\":\"x\"", "{\"c\":}", "{\"c\" \"x\"}", "nonsense", "12", "  ", "{\"c\":\"x}", "{\"c\":tru}",
        "{\"c\":\"\\q\"}", "{\"c\":\"\xff\"}", "{c:1}", "{\"a\":{\"b\":[1,}}", "{", "[", "[1]", "{\"c\":1x}"}) {
    CAPTURE(broken);
    decoded = Decode(row, {broken});
    REQUIRE(!decoded.status.ok());
    CHECK(decoded.status.message().starts_with("Failed to deserialize JSON '" + std::string(broken) + "'."));
    CHECK(decoded.rows.empty());
    decoded = Decode(row, {R"({"c":"1"})", broken, R"({"c":"2"})"}, kIgnore);
    CHECK(decoded.status.ok());
    CHECK(decoded.rows == std::vector<std::string>{"+I[null, 1]", "+I[null, 2]"});
    CHECK(decoded.record_of_row == std::vector<int32_t>{0, 2});
  }
}

TEST_CASE("ignore-parse-errors turns a wrong field into NULL and keeps the others") {
  const RowType row = Row({{"a", "INT"}, {"b", "ARRAY<ROW<`x` INT, `l` ARRAY<INT>>>"}, {"c", "STRING"}});
  const Decoded decoded = Decode(
      row,
      {R"({"a":"q","b":[{"x":"w","l":[1,"e"]},{"x":2,"l":7},5],"c":"z"})",
       R"({"a":{"n":1},"b":{"x":1},"c":"y"})", R"({"a":1,"b":[{"x":3,"l":[4]}],"c":null})"},
      kIgnore);
  REQUIRE(decoded.status.ok());
  CHECK(decoded.rows == std::vector<std::string>{
                            "+I[null, [+I[null, [1, null]], +I[2, null], null], z]",
                            "+I[null, null, y]", "+I[1, [+I[3, [4]]], null]"});
}

TEST_CASE("an array of JSON objects gives a row each, none of them if one is wrong") {
  const RowType row = Row({{"a", "INT"}});
  Decoded decoded = Decode(row, {R"([{"a":1},null,{"a":2}])", "[]", R"({"a":3})"});
  CHECK(decoded.status.ok());
  CHECK(decoded.rows == std::vector<std::string>{"+I[1]", "+I[2]", "+I[3]"});
  CHECK(decoded.record_of_row == std::vector<int32_t>{0, 0, 2});
  decoded = Decode(row, {R"({"a":0})", R"([{"a":1},{"a":"x"}])"});
  CHECK(!decoded.status.ok());
  CHECK(decoded.rows == std::vector<std::string>{"+I[0]"});
}

TEST_CASE("fail-on-missing-field") {
  const RowType row = Row({{"a", "INT"}, {"b", "INT"}});
  const OptionMap fail = {{"json.fail-on-missing-field", "true"}};
  CHECK(Decode(row, {R"({"a":1,"b":null})"}, fail).status.ok());
  const Decoded decoded = Decode(row, {R"({"a":1})"}, fail);
  CHECK(decoded.status.message().ends_with("Some field is missing in the JSON data."));
  OptionMap both = fail;
  both.insert(kIgnore.begin(), kIgnore.end());
  CHECK(!MakeDecoder("json", row, both, "UTC").ok());
}

TEST_CASE("names that JSON escapes are found, wide tables too") {
  RowType row = Row({{"a\"b", "INT"}, {"tab\t", "INT"}, {"\xc3\xa4", "INT"}});
  Decoded decoded = Decode(row, {R"({"a\"b":1,"tab\t":2,"\u00e4":3})", "{\"\xc3\xa4\":4}"});
  CHECK(decoded.rows == std::vector<std::string>{"+I[1, 2, 3]", "+I[null, null, 4]"});
  row.clear();
  std::string json = "{";
  for (int i = 199; i >= 0; --i) {
    json += "\"column" + std::to_string(i) + "\":" + std::to_string(i) + (i > 0 ? "," : "}");
  }
  for (int i = 0; i < 200; ++i) {
    row.push_back({"column" + std::to_string(i), LogicalType(runtime::TypeKind::kInt)});
  }
  decoded = Decode(row, {json});
  REQUIRE(decoded.status.ok());
  for (int i = 0; i < 200; ++i) REQUIRE(decoded.batch->column(i).At<int32_t>(0) == i);
}

TEST_CASE("a projection reads only what it names, also within rows, into other columns") {
  DecoderSpec spec;
  spec.format = "json";
  spec.record = Row({{"a", "ROW<`x` INT, `y` ROW<`z` STRING>>"}, {"b", "INT"}, {"c", "INT"}});
  spec.projection = {{0, 1, 0}, {2}, {0, 0}};
  spec.columns = {2, 0, 1};
  auto decoder = MakeDecoder(spec);
  REQUIRE(decoder.ok());
  const RowType out = Row({{"c", "INT"}, {"x", "INT"}, {"z", "STRING"}, {"file", "STRING"}});
  BatchBuilder builder(runtime::ProcessPool(), out);
  const std::vector<std::string_view> records = {
      R"({"a":{"y":{"z":"q"},"x":5},"b":"not read","c":7})", R"({"c":8})", R"({"a":{"y":null}})"};
  std::vector<int32_t> record_of_row;
  REQUIRE((*decoder)->Decode(records, builder, &record_of_row).ok());
  for (const int32_t record : record_of_row) {
    builder.column(3).AppendString("f" + std::to_string(record));
  }
  const BatchPtr batch = builder.Finish();
  std::string text;
  for (int i = 0; i < 3; ++i) runtime::PrintRow(out, *batch, i, &text);
  CHECK(text == "+I[7, 5, q, f0]+I[8, null, null, f1]+I[null, null, null, f2]");
}

// ---- Writing. ----

std::string Encode(const RowType& row, const BatchPtr& batch, const OptionMap& options = {}) {
  auto encoder = MakeEncoder("json", row, options, "UTC");
  REQUIRE(encoder.status().ToString() == "OK");
  std::string bytes;
  std::vector<uint32_t> ends;
  const Status status = (*encoder)->Encode(*batch, 0, batch->num_rows(), &bytes, &ends);
  if (!status.ok()) return "error: " + status.message();
  REQUIRE(ends.size() == static_cast<size_t>(batch->num_rows()));
  std::string lines;
  uint32_t begin = 0;
  for (const uint32_t end : ends) {
    lines += bytes.substr(begin, end - begin) + "\n";
    begin = end;
  }
  lines.pop_back();
  return lines;
}

// Reads a record and writes it again.
std::string RoundTrip(const RowType& row, std::string_view json, const OptionMap& options = {}) {
  const Decoded decoded = Decode(row, {json}, options);
  REQUIRE(decoded.status.ToString() == "OK");
  return Encode(row, decoded.batch, options);
}

TEST_CASE("JSON that was written is read to the same, and written as Flink writes it") {
  const RowType row = Row({{"bo", "BOOLEAN"},
                           {"ti", "TINYINT"},
                           {"bi", "BIGINT"},
                           {"fl", "FLOAT"},
                           {"do", "DOUBLE"},
                           {"de", "DECIMAL(10, 3)"},
                           {"st", "STRING"},
                           {"by", "BYTES"},
                           {"da", "DATE"},
                           {"tm", "TIME(3)"},
                           {"ts", "TIMESTAMP(6)"},
                           {"lz", "TIMESTAMP_LTZ(3)"},
                           {"ar", "ARRAY<STRING>"},
                           {"ma", "MAP<STRING, INT>"},
                           {"ro", "ROW<`q\"` INT, `r` ROW<`s` STRING>>"}});
  const std::string json =
      R"({"bo":true,"ti":-3,"bi":123456789012,"fl":1.1,"do":1.0E10,"de":1.25,"st":"a\"\\\n\u001Fé",)"
      R"("by":"AQID","da":"2013-01-31","tm":"05:15:00.25","ts":"2013-01-01 05:15:00.123456",)"
      R"("lz":"2013-01-01 05:15:00Z","ar":["x",null],"ma":{"k":1,"l":null},)"
      R"("ro":{"q\"":1,"r":{"s":null}}})";
  CHECK(RoundTrip(row, json) == json);
  const std::string nulls =
      R"({"bo":null,"ti":null,"bi":null,"fl":null,"do":null,"de":null,"st":null,"by":null,"da":null,)"
      R"("tm":null,"ts":null,"lz":null,"ar":null,"ma":null,"ro":null})";
  CHECK(RoundTrip(row, nulls) == nulls);
  CHECK(RoundTrip(row, R"({"ti":1,"ro":{"r":{}}})", {{"json.encode.ignore-null-fields", "true"}}) ==
        R"({"ti":1,"ro":{"r":{}}})");
  const RowType times = Row({{"a", "TIMESTAMP(3)"}, {"b", "TIMESTAMP_LTZ(3)"}});
  const std::string iso = R"({"a":"2013-01-01T05:15:00","b":"2013-01-01T05:15:00.001Z"})";
  CHECK(RoundTrip(times, iso, kIso) == iso);
}

TEST_CASE("decimals and numbers that JSON has no form for") {
  const RowType row = Row({{"a", "DECIMAL(20, 8)"}, {"b", "DOUBLE"}});
  CHECK(RoundTrip(row, R"({"a":100,"b":"NaN"})") == R"({"a":1E+2,"b":"NaN"})");
  CHECK(RoundTrip(row, R"({"a":"-12300","b":"-Infinity"})") == R"({"a":-1.23E+4,"b":"-Infinity"})");
  CHECK(RoundTrip(row, R"({"a":0.00000027})") == R"({"a":2.7E-7,"b":null})");
  CHECK(RoundTrip(row, R"({"a":0})") == R"({"a":0,"b":null})");
  const OptionMap plain = {{"json.encode.decimal-as-plain-number", "true"}};
  CHECK(RoundTrip(row, R"({"a":100})", plain) == R"({"a":100.00000000,"b":null})");
}

TEST_CASE("NULL keys of maps fail, are dropped, or have a literal") {
  const RowType row = Row({{"m", "MAP<STRING, INT>"}});
  BatchBuilder builder(runtime::ProcessPool(), row);
  builder.column(0).child(0).AppendString("k");
  builder.column(0).child(1).Append(int32_t{1});
  builder.column(0).child(0).AppendNull();
  builder.column(0).child(1).Append(int32_t{2});
  builder.column(0).AppendList(2);
  builder.EndRow();
  const BatchPtr batch = builder.Finish();
  CHECK(Encode(row, batch).find("JSON format doesn't support to serialize map data with null keys") !=
        std::string::npos);
  CHECK(Encode(row, batch, {{"json.map-null-key.mode", "drop"}}) == R"({"m":{"k":1}})");
  CHECK(Encode(row, batch, {{"json.map-null-key.mode", "LITERAL"}, {"json.map-null-key.literal", "?"}}) ==
        R"({"m":{"k":1,"?":2}})");
}

TEST_CASE("wrong options, formats and types are refused with the nearest known") {
  const RowType row = Row({{"a", "INT"}});
  CHECK(MakeDecoder("jsn", row, {}, "UTC").status().message().find("Did you mean 'json'?") !=
        std::string::npos);
  const Status status = MakeDecoder("json", row, {{"json.ignore-parse-error", "true"}}, "UTC").status();
  CHECK(status.message().find("Did you mean 'ignore-parse-errors'?") != std::string::npos);
  CHECK(MakeEncoder("json", Row({{"m", "MAP<INT, INT>"}}), {}, "UTC").status().message().find(
            "non-string as key type of map") != std::string::npos);
  CHECK(ConnectorOptions({{"connector", "x"}, {"format", "json"}, {"json.a", "1"}, {"path", "p"}}) ==
        OptionMap{{"format", "json"}, {"path", "p"}});
  CHECK(ConnectorOptions({{"value.format", "json"}, {"value.json.a", "1"}, {"json.b", "2"}}) ==
        OptionMap{{"value.format", "json"}, {"json.b", "2"}});
  CHECK(Formats().size() == 3);
}

TEST_CASE("lines are cut off a file's bytes, a half one left") {
  auto decoder = MakeDecoder("json", Row({{"a", "INT"}}), {}, "UTC");
  std::vector<std::string_view> records;
  CHECK((*decoder)->Cut("a\r\n\nbc\nde", false, 10, &records) == 7);
  CHECK(records == std::vector<std::string_view>{"a", "", "bc"});
  records.clear();
  CHECK((*decoder)->Cut("de", true, 10, &records) == 2);
  CHECK(records == std::vector<std::string_view>{"de"});
  records.clear();
  CHECK((*decoder)->Cut("a\nb\nc\n", true, 2, &records) == 4);
}

}  // namespace
}  // namespace millrace::connectors
