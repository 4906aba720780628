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

BatchPtr Decode(const std::string& format, const RowType& row, std::vector<std::string_view> records,
                const OptionMap& options, Status* status) {
  auto decoder = MakeDecoder(format, row, options, "UTC");
  REQUIRE(decoder.status().ToString() == "OK");
  BatchBuilder builder(runtime::ProcessPool(), row);
  *status = (*decoder)->Decode(records, builder, nullptr);
  return builder.num_rows() == 0 ? nullptr : builder.Finish();
}

// Rows of one record, or the end of the error's message.
std::string Read(const RowType& row, std::string_view record, const OptionMap& options = {}) {
  Status status;
  const BatchPtr batch = Decode("csv", row, {record}, options, &status);
  if (!status.ok()) {
    CHECK(status.message().starts_with("Failed to deserialize CSV row '" + std::string(record) + "'."));
    return "error: " + status.message().substr(status.message().find("of those given: ") + 16);
  }
  std::string text;
  for (int32_t i = 0; batch != nullptr && i < batch->num_rows(); ++i) {
    runtime::PrintRow(row, *batch, i, &text);
  }
  return text;
}

std::string Write(const std::string& format, const RowType& row, const BatchPtr& batch,
                  const OptionMap& options = {}) {
  auto encoder = MakeEncoder(format, row, options, "UTC");
  REQUIRE(encoder.status().ToString() == "OK");
  std::string bytes;
  std::vector<uint32_t> ends;
  REQUIRE((*encoder)->Encode(*batch, 0, batch->num_rows(), &bytes, &ends).ok());
  REQUIRE(ends.back() == bytes.size());
  return bytes;
}

// Writes the texts of one row of strings.
std::string WriteTexts(const std::vector<std::string>& texts, const OptionMap& options = {}) {
  RowType row;
  for (size_t i = 0; i < texts.size(); ++i) row.push_back({"c" + std::to_string(i), LogicalType::VarChar()});
  BatchBuilder builder(runtime::ProcessPool(), row);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i] == "NULL") {
      builder.column(static_cast<int>(i)).AppendNull();
    } else {
      builder.column(static_cast<int>(i)).AppendString(texts[i]);
    }
  }
  builder.EndRow();
  return Write("csv", row, builder.Finish(), options);
}

const RowType kThree = Row({{"a", "STRING"}, {"b", "STRING"}, {"c", "ARRAY<STRING>"}});
const OptionMap kEscape = {{"csv.escape-character", "\\"}};

// What Jackson's CSV parser gives, observed.
TEST_CASE("CSV lines are cut as Jackson cuts them") {
  CHECK(Read(kThree, "1,x,a;b") == "+I[1, x, [a, b]]");
  CHECK(Read(kThree, "") == "");
  CHECK(Read(kThree, "1,\"x,y\",a") == "+I[1, x,y, [a]]");
  CHECK(Read(kThree, "1,\"x\"\"y\",") == "+I[1, x\"y, []]");
  CHECK(Read(kThree, "1, \"x\",a") == "+I[1,  \"x\", [a]]");
  CHECK(Read(kThree, "1,\"x\" ,a") == "+I[1, x, [a]]");
  CHECK(Read(kThree, "1,\"x\"y,a").starts_with("error: Expected column separator character (',')"));
  CHECK(Read(kThree, "1,\"x") == "error: Missing closing quote for value");
  CHECK(Read(kThree, "1,x\"y\",a") == "+I[1, x\"y\", [a]]");
  CHECK(Read(kThree, "1,\"x\ny\",a") == "+I[1, x\ny, [a]]");
  CHECK(Read(kThree, "1,x,a;;b") == "+I[1, x, [a, , b]]");
  CHECK(Read(kThree, "1,x,;") == "+I[1, x, [, ]]");
  CHECK(Read(kThree, "1,x,  ") == "+I[1, x, []]");
  CHECK(Read(kThree, "1,x,a\r\n") == "+I[1, x, [a]]");
  CHECK(Read(kThree, "1,x,a\n2,y,b") == "+I[1, x, [a]]");
  CHECK(Read(kThree, "1,x,a,") == "+I[1, x, [a]]");
  CHECK(Read(kThree, "1,x,a,,").starts_with("error: Too many entries: expected at most 3"));
  CHECK(Read(kThree, "1,x,a,d") ==
        "error: Too many entries: expected at most 3 (value #3 (1 chars) \"d\")");
  CHECK(Read(kThree, "1,x,a,", {{"csv.allow-trailing-comma", "false"}}).starts_with("error: Too many"));
  CHECK(Read(kThree, "1,x,a,b,c", {{"csv.ignore-trailing-unmappable", "true"}}) == "+I[1, x, [a]]");
  CHECK(Read(kThree, "1,x") == "error: Row length mismatch. 3 fields expected but was 2.");
  CHECK(Read(kThree, ",,") == "+I[, , []]");
  CHECK(Read(kThree, "n,\"n\",n;n", {{"csv.null-literal", "n"}}) == "+I[null, null, [null, null]]");
  CHECK(Read(kThree, ",\"\",", {{"csv.empty-string-as-null", "true"}}) == "+I[null, null, []]");
  CHECK(Read(kThree, "1,a\\,b,c", kEscape) == "+I[1, a,b, [c]]");
  CHECK(Read(kThree, "1,\"a\\\"b\",c", kEscape) == "+I[1, a\"b, [c]]");
  CHECK(Read(kThree, "1,\\n\\t\\x,c", kEscape) == "+I[1, \n\tx, [c]]");
  CHECK(Read(kThree, "1,x,y\\", kEscape) == "error: Unexpected EOF in escaped character");
  CHECK(Read(kThree, " 1 , x , a ; b ", {{"csv.trim-spaces", "true"}}) == "+I[1, x, [a, b]]");
  CHECK(Read(kThree, "1, \" x \" ,c", {{"csv.trim-spaces", "true"}}) == "+I[1,  x , [c]]");
  CHECK(Read(kThree, "1|x|a~b", {{"csv.field-delimiter", "|"}, {"csv.array-element-delimiter", "~"}}) ==
        "+I[1, x, [a, b]]");
  CHECK(Read(kThree, "1\tx\ta", {{"csv.field-delimiter", "\\t"}}) == "+I[1, x, [a]]");
  CHECK(Read(kThree, "'1,2',x,a", {{"csv.quote-character", "'"}}) == "+I[1,2, x, [a]]");
  CHECK(Read(kThree, "\"1,x,a", {{"csv.disable-quote-character", "true"}}) == "+I[\"1, x, [a]]");
  CHECK(Read(kThree, "#1,x,a") == "+I[#1, x, [a]]");
  CHECK(Read(kThree, "#1,x,a", {{"csv.allow-comments", "true"}}) == "");
}

std::string One(const std::string& type, const std::string& field, const OptionMap& options = {}) {
  const std::string read = Read(Row({{"v", type}}), field, options);
  if (read.starts_with("error: Fail to deserialize at field: v: ")) {
    const std::string words = read.substr(40);
    return "error: " + words.substr(0, words.find(". If it stands for NULL"));
  }
  return read.size() < 4 ? read : read.substr(3, read.size() - 4);
}

TEST_CASE("A CSV field that can't be read says what to do") {
  const std::string all = " To read what can't be parsed as NULL, set 'csv.ignore-parse-errors' = 'true'.";
  CHECK(One("DECIMAL(5, 2)", ",") == "error: '' is not a DECIMAL. If an empty field stands for NULL, "
                                     "set 'csv.null-literal' = ''." + all);
  CHECK(Read(Row({{"v", "INT"}}), "NA").ends_with("'NA' is not an INT. If it stands for NULL, set "
                                                  "'csv.null-literal' = 'NA'." + all));
  // It does not name an option that is set already.
  CHECK(Read(Row({{"v", "INT"}}), "NA", {{"csv.null-literal", "-"}}).ends_with("'NA' is not an INT." + all));
  CHECK(One("DECIMAL(5, 2)", "NA", {{"csv.null-literal", "NA"}}) == "null");
  CHECK(One("INT", "NA", {{"csv.ignore-parse-errors", "true"}}) == "null");
}

TEST_CASE("CSV fields convert as Flink's") {
  CHECK(One("BOOLEAN", " TRUE ") == "true");
  CHECK(One("BOOLEAN", "1") == "false");
  CHECK(One("TINYINT", " -128 ") == "-128");
  CHECK(One("TINYINT", "128") == "error: '128' is not a TINYINT");
  CHECK(One("INT", "+5") == "5");
  CHECK(One("INT", "1.5") == "error: '1.5' is not an INT");
  CHECK(One("BIGINT", "\"7\"") == "7");
  CHECK(One("DOUBLE", "1e3") == "1000.0");
  CHECK(One("FLOAT", "x") == "error: 'x' is not a FLOAT");
  CHECK(One("DECIMAL(5, 2)", "12.345") == "12.35");
  CHECK(One("DECIMAL(5, 2)", "12345") == "null");
  CHECK(One("DATE", "2013-1-5") == "2013-01-05");
  CHECK(One("DATE", "2013-02-30") == "2013-03-02");
  CHECK(One("DATE", "2013-02-32") == "error: '2013-02-32' is not a DATE such as 2013-01-31");
  CHECK(One("TIME(0)", "05:15:01.789") == "05:15:01");
  CHECK(One("TIME(3)", "05:15") == "05:15");
  CHECK(One("TIMESTAMP(3)", " 2013-01-01 05:15:00.5 ") == "2013-01-01T05:15:00.500");
  CHECK(One("TIMESTAMP(3)", "2013-01-01 05:15") ==
        "error: '2013-01-01 05:15' is not a TIMESTAMP of the SQL standard such as 2013-01-31 05:15:00");
  CHECK(One("TIMESTAMP_LTZ(3)", "2013-01-01 05:15:00Z") == "2013-01-01T05:15:00Z");
  CHECK(One("BYTES", "AQI=") == "[1, 2]");
  CHECK(One("ROW<`a` INT, `b` STRING>", "1;x") == "+I[1, x]");
  CHECK(One("ROW<`a` INT, `b` STRING>", "1") ==
        "error: Row length mismatch. 2 fields expected but was 1.");
  CHECK(One("ARRAY<INT>", "1;x") == "error: 'x' is not an INT");
}

TEST_CASE("CSV with ignore-parse-errors keeps what can be read") {
  const RowType row = Row({{"a", "INT"}, {"b", "ARRAY<INT>"}, {"c", "STRING"}});
  Status status;
  const BatchPtr batch = Decode("csv", row, {"1,2;x,c", "x,1,d", "1,\"", "2", "1,2,3,4,5", "3,,e"},
                                {{"csv.ignore-parse-errors", "true"}}, &status);
  REQUIRE(status.ok());
  std::string text;
  for (int32_t i = 0; i < batch->num_rows(); ++i) runtime::PrintRow(row, *batch, i, &text);
  CHECK(text == "+I[1, [2, null], c]+I[null, [1], d]+I[2, null, null]+I[3, [], e]");
}

TEST_CASE("CSV is quoted where Jackson quotes") {
  CHECK(WriteTexts({"1", "", "x", "NULL", "y"}) == "1,,x,,y");
  CHECK(WriteTexts({"hello world", "a,b", "q\"q", "2013-01-01", "05:15:00"}) ==
        "\"hello world\",\"a,b\",\"q\"\"q\",2013-01-01,05:15:00");
  CHECK(WriteTexts({"abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwxy", "a\\b", "+1", "-1"}) ==
        "abcdefghijklmnopqrstuvwx,\"abcdefghijklmnopqrstuvwxy\",\"a\\b\",\"+1\",-1");
  CHECK(WriteTexts({"\xc3\xa4", "n\nl", "#c", "="}) == "\xc3\xa4,\"n\nl\",\"#c\",=");
  CHECK(WriteTexts({"q\"q", "x\\,\""}, kEscape) == "\"q\"\"q\",\"x\\\\,\"\"\"");
  CHECK(WriteTexts({"a,b", "q\"q"}, {{"csv.disable-quote-character", "true"}}) == "a,b,q\"q");
  CHECK(WriteTexts({"NULL", "x"}, {{"csv.null-literal", "n/a"}}) == "n/a,x");
}

TEST_CASE("CSV of every type that was written is read to the same") {
  const RowType row = Row({{"bo", "BOOLEAN"},
                           {"ti", "TINYINT"},
                           {"si", "SMALLINT"},
                           {"i", "INT"},
                           {"bi", "BIGINT"},
                           {"fl", "FLOAT"},
                           {"do", "DOUBLE"},
                           {"de", "DECIMAL(10, 3)"},
                           {"st", "STRING"},
                           {"by", "BYTES"},
                           {"da", "DATE"},
                           {"tm", "TIME(3)"},
                           {"ts", "TIMESTAMP(9)"},
                           {"lz", "TIMESTAMP_LTZ(3)"},
                           {"ar", "ARRAY<INT>"},
                           {"ro", "ROW<`q` INT, `r` STRING>"}});
  const std::string record =
      "true,-1,2,3,4,1.5,1.0E10,1.2E+2,\"a b\",AQID,2013-01-31,05:15:00.25,"
      "\"2013-01-01 05:15:00.123456789\",\"2013-01-01 05:15:00Z\",1;2,7;r";
  Status status;
  const BatchPtr batch = Decode("csv", row, {record}, {}, &status);
  REQUIRE(status.ToString() == "OK");
  CHECK(Write("csv", row, batch) == record);
  OptionMap plain = {{"csv.write-bigdecimal-in-scientific-notation", "false"}};
  CHECK(Write("csv", row, batch, plain).find(",120.000,") != std::string::npos);
}

TEST_CASE("CSV options and types are checked") {
  const RowType row = Row({{"a", "INT"}});
  CHECK(MakeDecoder("csv", row, {{"csv.field-delimiter", "ab"}}, "UTC").status().message() ==
        "Option 'csv.field-delimiter' must be a string with single character, but was: ab");
  CHECK(!MakeDecoder("csv", row,
                     {{"csv.quote-character", "'"}, {"csv.disable-quote-character", "true"}}, "UTC")
             .ok());
  CHECK(!MakeDecoder("csv", Row({{"m", "MAP<STRING, INT>"}}), {}, "UTC").ok());
  CHECK(!MakeEncoder("csv", Row({{"m", "ARRAY<ARRAY<INT>>"}}), {}, "UTC").ok());
  CHECK(!MakeDecoder("csv", Row({{"t", "TIME(6)"}}), {}, "UTC").ok());
}

TEST_CASE("raw records are the bytes of one column") {
  const auto round_trip = [](const std::string& type, std::string_view record,
                             const OptionMap& options = {}) {
    const RowType row = Row({{"v", type}});
    Status status;
    const BatchPtr batch = Decode("raw", row, {record}, options, &status);
    if (!status.ok()) return "error: " + status.message();
    CHECK(Write("raw", row, batch, options) == record);
    std::string text;
    runtime::PrintRow(row, *batch, 0, &text);
    return text;
  };
  CHECK(round_trip("STRING", "a\xc3\xa4") == "+I[a\xc3\xa4]");
  CHECK(round_trip("STRING", "") == "+I[]");
  CHECK(round_trip("BYTES", std::string_view("\0\xff", 2)) == "+I[[0, -1]]");
  CHECK(round_trip("INT", std::string_view("\0\0\1\2", 4)) == "+I[258]");
  CHECK(round_trip("INT", std::string_view("\2\1\0\0", 4), {{"raw.endianness", "little-endian"}}) ==
        "+I[258]");
  CHECK(round_trip("BIGINT", std::string_view("\xff\xff\xff\xff\xff\xff\xff\xfe", 8)) == "+I[-2]");
  CHECK(round_trip("SMALLINT", std::string_view("\1\0", 2)) == "+I[256]");
  CHECK(round_trip("TINYINT", "\xff") == "+I[-1]");
  CHECK(round_trip("BOOLEAN", "\1") == "+I[true]");
  CHECK(round_trip("DOUBLE", std::string_view("\x3f\xf8\0\0\0\0\0\0", 8)) == "+I[1.5]");
  CHECK(round_trip("FLOAT", std::string_view("\x3f\xc0\0\0", 4)) == "+I[1.5]");
  CHECK(round_trip("INT", "abc").find("Size of data received for deserializing INT type is not 4") !=
        std::string::npos);
  CHECK(!MakeDecoder("raw", Row({{"a", "INT"}, {"b", "INT"}}), {}, "UTC").ok());
  CHECK(!MakeDecoder("raw", Row({{"a", "DATE"}}), {}, "UTC").ok());
  CHECK(!MakeDecoder("raw", Row({{"a", "STRING"}}), {{"raw.charset", "UTF-16"}}, "UTC").ok());
}

}  // namespace
}  // namespace millrace::connectors
