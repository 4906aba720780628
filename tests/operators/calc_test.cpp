#include "operators/calc.h"

#include <catch2/catch.hpp>

#include "operators/drop_update_before.h"
#include "tests/harness/operator_driver.h"
#include "tests/operators/expression_fixture.h"

using millrace::operators::Calc;
using millrace::operators::DropUpdateBefore;
using millrace::tests::MakeRowType;
using millrace::tests::OperatorDriver;
using namespace millrace::operators::testing;  // NOLINT
using Strings = std::vector<std::string>;

namespace {

millrace::runtime::OperatorSpec Spec(const json& config, const std::string& input,
                                     const std::string& output) {
  millrace::runtime::OperatorSpec spec;
  spec.kind = "calc";
  spec.config = config.dump();
  spec.inputs = {MakeRowType(input)};
  spec.output = MakeRowType(output);
  return spec;
}

const json kA = Ref(0, "BIGINT");
const json kB = Ref(1, "VARCHAR(2147483647)");

}  // namespace

TEST_CASE("calc filters and projects, whatever the batches") {
  const json config = {
      {"projection", {Call("UPPER", "VARCHAR(2147483647)", {kB}), Call("+", "BIGINT", {kA, kA})}},
      {"condition", Call(">", "BOOLEAN", {kA, Literal("BIGINT NOT NULL", 1)})}};
  for (const bool selected : {false, true}) {
    for (const int32_t rows : {1, 2, 1000}) {
      OperatorDriver::Options options;
      options.input_rows = rows;
      options.selected = selected;
      OperatorDriver driver(Calc::Make, Spec(config, "a BIGINT, b STRING", "x STRING, y BIGINT"),
                            options);
      driver.Process({"+I[1, one]", "-U[2, two]", "+U[3, a string of more than twelve bytes]",
                      "-D[null, four]", "+I[5, null]"});
      CHECK(driver.changelog() ==
            Strings{"-U[TWO, 4]", "+U[A STRING OF MORE THAN TWELVE BYTES, 6]", "+I[null, 10]"});
    }
  }
}

TEST_CASE("calc works on copies when few rows are left") {
  const json config = {
      {"projection", {Call("*", "BIGINT", {kA, Literal("BIGINT NOT NULL", 2)}), kB}},
      {"condition", Call("=", "BOOLEAN", {kA, Literal("BIGINT NOT NULL", 77)})}};
  OperatorDriver driver(Calc::Make, Spec(config, "a BIGINT, b STRING", "x BIGINT, y STRING"), {});
  Strings rows;
  for (int i = 0; i < 200; ++i) {
    rows.push_back((i % 2 == 0 ? "+U[" : "-D[") + std::to_string(i) + ", the row of number " +
                   std::to_string(i) + "]");
  }
  driver.Process(rows);
  CHECK(driver.changelog() == Strings{"-D[154, the row of number 77]"});
  REQUIRE(driver.batches().size() == 1);
  CHECK(driver.batches()[0]->physical_rows() == 1);
}

TEST_CASE("calc refuses what it can't compute before anything runs") {
  const json config = {{"projection", {Call("SOUNDEX", "VARCHAR(4)", {kB})}},
                       {"condition", nullptr}};
  auto made = Calc::Make(Spec(config, "a BIGINT, b STRING", "x STRING"), {});
  REQUIRE(!made.ok());
  CHECK(made.status().message().find("SOUNDEX") != std::string::npos);
}

TEST_CASE("a row that fails is named") {
  const json config = {{"projection", {Cast(kB, "INT")}}, {"condition", nullptr}};
  OperatorDriver driver(Calc::Make, Spec(config, "a BIGINT, b STRING", "x INT"), {});
  CHECK_THROWS_WITH(driver.Process({"+I[1, 5]", "+I[2, five]"}),
                    Catch::Contains("CAST(b AS INT): For input string: 'five'."));
}

TEST_CASE("drop-update-before drops -U alone") {
  for (const bool selected : {false, true}) {
    OperatorDriver::Options options;
    options.selected = selected;
    OperatorDriver driver(DropUpdateBefore::Make, Spec({}, "a BIGINT", "a BIGINT"), options);
    driver.Process({"+I[1]", "-U[1]", "+U[2]", "-D[2]"});
    driver.Process({"-U[3]"});
    driver.Process({"+I[4]"});
    CHECK(driver.changelog() == Strings{"+I[1]", "+U[2]", "-D[2]", "+I[4]"});
  }
}
