#include <bit>
#include <catch2/catch.hpp>
#include <fstream>
#include <limits>

#include "runtime/types/text/decimal.h"
#include "runtime/types/text/number_text.h"
#include "runtime/types/text/utf8.h"

using namespace millrace::runtime;  // NOLINT

namespace {
std::string Double(double value) {
  std::string text;
  AppendJavaDouble(value, &text);
  return text;
}
std::string Plain(Int128 unscaled, int scale) {
  std::string text;
  AppendDecimal(unscaled, scale, &text);
  return text;
}
std::string Java(Int128 unscaled, int scale) {
  std::string text;
  AppendJavaBigDecimal(unscaled, scale, &text);
  return text;
}
Int128 Parsed(std::string_view text, int precision, int scale) {
  Int128 value = -1;
  REQUIRE(ParseDecimal(text, precision, scale, &value) == DecimalParse::kOk);
  return value;
}
}  // namespace

TEST_CASE("doubles as Java writes them") {
  CHECK(Double(0) == "0.0");
  CHECK(Double(-0.0) == "-0.0");
  CHECK(Double(1) == "1.0");
  CHECK(Double(0.001) == "0.001");
  CHECK(Double(0.00099) == "9.9E-4");
  CHECK(Double(9999999) == "9999999.0");
  CHECK(Double(10000000) == "1.0E7");
  CHECK(Double(1234567.891) == "1234567.891");
  CHECK(Double(-1.5e300) == "-1.5E300");
  CHECK(Double(4.9e-324) == "4.9E-324");
  CHECK(Double(std::numeric_limits<double>::infinity()) == "Infinity");
  CHECK(Double(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  std::string text;
  AppendJavaFloat(0.1f, &text);
  CHECK(text == "0.1");
}

TEST_CASE("doubles as Java reads them") {
  double value = 0;
  CHECK((ParseJavaDouble(" 1.5 ", &value) && value == 1.5));
  CHECK((ParseJavaDouble("1.5d", &value) && value == 1.5));
  CHECK((ParseJavaDouble("-.5e1", &value) && value == -5));
  CHECK((ParseJavaDouble("1e400", &value) && value == std::numeric_limits<double>::infinity()));
  CHECK((ParseJavaDouble("1e-400", &value) && value == 0));
  for (const char* wrong : {"", "x", "1.5.2", "1e", "inf", "nan", "0x"}) {
    CHECK_FALSE(ParseJavaDouble(wrong, &value));
  }
}

TEST_CASE("integers as Flink reads them") {
  int64_t value = 0;
  CHECK(ParseInteger("12.7", INT32_MIN, INT32_MAX, &value) == NumberParse::kOk);
  CHECK(value == 12);
  CHECK(ParseInteger("-9223372036854775808", INT64_MIN, INT64_MAX, &value) == NumberParse::kOk);
  CHECK(value == INT64_MIN);
  CHECK(ParseInteger("9223372036854775808", INT64_MIN, INT64_MAX, &value) ==
        NumberParse::kOverflow);
  CHECK(ParseInteger("128", -128, 127, &value) == NumberParse::kOverflow);
  CHECK(ParseInteger("", -128, 127, &value) == NumberParse::kEmpty);
  CHECK(ParseInteger("-", -128, 127, &value) == NumberParse::kOnlySign);
  CHECK(ParseInteger("1.x", -128, 127, &value) == NumberParse::kInvalidCharacter);
}

TEST_CASE("decimals are written plain and as BigDecimal") {
  CHECK(Plain(0, 18) == "0.000000000000000000");
  CHECK(Plain(-5, 3) == "-0.005");
  CHECK(Plain(12345, 2) == "123.45");
  CHECK(Plain(PowerOfTen(38) - 1, 10) == "9999999999999999999999999999.9999999999");
  CHECK(Java(0, 18) == "0E-18");
  CHECK(Java(-12, 8) == "-1.2E-7");
  CHECK(Java(12, 7) == "0.0000012");
  CHECK(Java(12345, 2) == "123.45");
}

TEST_CASE("decimals are read and rounded half up") {
  CHECK(Parsed("1.005", 4, 2) == 101);
  CHECK(Parsed("-1.005", 4, 2) == -101);
  CHECK(Parsed("1e2", 5, 1) == 1000);
  CHECK(Parsed("0.00000000000000000000000000000000000000000049", 10, 2) == 0);
  CHECK(Parsed("00000000000000000000000000000000000000000000012.5", 5, 1) == 125);
  CHECK(Parsed("99999999999999999999999999999999999999", 38, 0) == PowerOfTen(38) - 1);
  Int128 value = 0;
  CHECK(ParseDecimal("123456", 4, 1, &value) == DecimalParse::kOverflow);
  CHECK(ParseDecimal("1.2.3", 4, 1, &value) == DecimalParse::kMalformed);
  CHECK(ParseDecimal("99999999999999999999999999999999999999.9", 38, 0, &value) ==
        DecimalParse::kOverflow);
}

TEST_CASE("decimal arithmetic goes through 256 bits") {
  Int128 out = 0;
  const Int128 big = PowerOfTen(37);
  // 1E+37 * 0.0000000001 (scale 10) = 1E+27.
  REQUIRE(MultiplyDecimal(big, 0, 1, 10, 38, 0, &out));
  CHECK(out == PowerOfTen(27));
  CHECK_FALSE(MultiplyDecimal(big + 5, 18, big + 5, 18, 38, 0, &out));  // 1E+38
  CHECK_FALSE(MultiplyDecimal(big, 0, big, 0, 38, 0, &out));
  REQUIRE(DivideDecimal(1, 0, 3, 0, 38, 37, &out));
  CHECK(Plain(out, 37) == "0.3333333333333333333333333333333333333");
  REQUIRE(DivideDecimal(15, 1, 7, 1, 9, 6, &out));
  CHECK(out == 2142857);
  REQUIRE(DivideDecimal(PowerOfTen(37), 0, PowerOfTen(37), 37, 38, 0, &out));
  CHECK(out == PowerOfTen(37));
  REQUIRE(ModDecimal(75, 1, 2, 0, 10, 1, &out));
  CHECK(out == 15);
  REQUIRE(ModDecimal(-(PowerOfTen(38) - 1), 0, 7, 37, 38, 37, &out));
  CHECK(CompareDecimal(PowerOfTen(37), 0, PowerOfTen(37), 37) == 1);
  CHECK(CompareDecimal(-15, 1, -150, 2) == 0);
  CHECK_FALSE(AddDecimal(PowerOfTen(38) - 1, 0, 1, 0, 38, 0, &out));
  REQUIRE(Rescale(25, 1, 5, 0, &out));
  CHECK(out == 3);
  REQUIRE(Rescale(-25, 1, 5, 0, &out));
  CHECK(out == -3);
  CHECK(DecimalToDouble(1, 1) == 0.1);
  CHECK(DecimalToDouble(PowerOfTen(37), 37) == 1.0);
}

// Texts that JDK 17 wrote (tests/data/README.md).
TEST_CASE("the digits of doubles and floats are those of JDK 17") {
  std::ifstream file("tests/data/float_text.txt");
  REQUIRE(file.good());
  int numbers = 0;
  for (std::string type, bits, wanted; file >> type >> bits >> wanted; ++numbers) {
    const uint64_t raw = std::stoull(bits, nullptr, 16);
    std::string text;
    if (type == "d") {
      AppendJavaDouble(std::bit_cast<double>(raw), &text);
    } else {
      AppendJavaFloat(std::bit_cast<float>(static_cast<uint32_t>(raw)), &text);
    }
    INFO(type << " " << bits);
    if (text != wanted) CHECK(text == wanted);
  }
  CHECK(numbers == 2400);
}

TEST_CASE("code points") {
  CHECK(CountCodePoints("h\xC3\xA9llo") == 5);
  CHECK(TakeCodePoints("h\xC3\xA9llo", 2) == "h\xC3\xA9");
  std::string text;
  AppendWellFormed(
      "A\xFF"
      "B\xE2\x82",
      &text);
  CHECK(text ==
        "A\xEF\xBF\xBD"
        "B\xEF\xBF\xBD\xEF\xBF\xBD");
}
