#include <catch2/catch.hpp>

#include "tests/operators/expression_fixture.h"

using namespace millrace::operators::testing;  // NOLINT
using millrace::operators::EvaluationContext;
using millrace::operators::Evaluator;
using Strings = std::vector<std::string>;

namespace {
const millrace::runtime::RowType kInput = {{"a", Type("BIGINT")},
                                           {"b", Type("BIGINT")},
                                           {"c", Type("INT")},
                                           {"s", Type("VARCHAR(2147483647)")}};
const std::vector<Row> kRows = {{"1", "2", "3", "x"},
                                {"-5", "0", "7", "12"},
                                {{}, "4", "1", {}},
                                {"9223372036854775807", "1", {}, "a longer string than twelve"}};

Strings All(const json& rex) {
  const Strings flat = Evaluate(rex, kInput, kRows, Form::kFlat);
  CHECK(Evaluate(rex, kInput, kRows, Form::kSelection) == flat);
  CHECK(Evaluate(rex, kInput, kRows, Form::kOneByOne) == flat);
  return flat;
}
const json kA = Ref(0, "BIGINT");
const json kB = Ref(1, "BIGINT");
const json kC = Ref(2, "INT");
const json kS = Ref(3, "VARCHAR(2147483647)");
}  // namespace

TEST_CASE("integers wrap, NULL stays NULL") {
  CHECK(All(Call("+", "BIGINT", {kA, kB})) == Strings{"3", "-5", "null", "-9223372036854775808"});
  CHECK(All(Call("*", "BIGINT", {kA, kC})) == Strings{"3", "-35", "null", "null"});
}

TEST_CASE("division by zero fails only in rows that are computed") {
  const json quotient = Call("/", "BIGINT", {kA, kB});
  CHECK(All(quotient) == Strings{"!! (a / b): / by zero"});
  const json guarded = Call("CASE", "BIGINT",
                            {Call("=", "BOOLEAN", {kB, Literal("BIGINT NOT NULL", 0)}),
                             Literal("BIGINT", nullptr), quotient});
  CHECK(All(guarded) == Strings{"0", "null", "null", "9223372036854775807"});
  const json lazy = Call("AND", "BOOLEAN",
                         {Call("<>", "BOOLEAN", {kB, Literal("BIGINT NOT NULL", 0)}),
                          Call(">", "BOOLEAN", {quotient, Literal("BIGINT NOT NULL", 0)})});
  CHECK(All(lazy) == Strings{"false", "false", "null", "true"});
}

TEST_CASE("three-valued logic") {
  const json yes = Literal("BOOLEAN NOT NULL", true);
  const json no = Literal("BOOLEAN NOT NULL", false);
  const json unknown = Call(">", "BOOLEAN", {kA, Literal("BIGINT NOT NULL", 0)});  // t f null t
  CHECK(All(Call("AND", "BOOLEAN", {unknown, yes})) == Strings{"true", "false", "null", "true"});
  CHECK(All(Call("AND", "BOOLEAN", {unknown, no})) == Strings{"false", "false", "false", "false"});
  CHECK(All(Call("OR", "BOOLEAN", {unknown, yes})) == Strings{"true", "true", "true", "true"});
  CHECK(All(Call("OR", "BOOLEAN", {unknown, no})) == Strings{"true", "false", "null", "true"});
  CHECK(All(Call("NOT", "BOOLEAN", {unknown})) == Strings{"false", "true", "null", "false"});
  CHECK(All(Call("IS TRUE", "BOOLEAN", {unknown})) == Strings{"true", "false", "false", "true"});
  CHECK(All(Call("IS NOT TRUE", "BOOLEAN", {unknown})) ==
        Strings{"false", "true", "true", "false"});
  CHECK(All(Call("IS NULL", "BOOLEAN", {kA})) == Strings{"false", "false", "true", "false"});
}

TEST_CASE("casts of strings name the expression and the value") {
  CHECK(All(Cast(kS, "INT")) ==
        Strings{"!! CAST(s AS INT): For input string: 'x'. Invalid character found."});
  CHECK(All(Call("TRY_CAST", "INT", {kS})) == Strings{"null", "12", "null", "null"});
  CHECK(All(Cast(kA, "VARCHAR(3)")) == Strings{"1", "-5", "null", "922"});
  CHECK(All(Call("COALESCE", "VARCHAR(2147483647)", {kS, Literal("CHAR(4) NOT NULL", "none")})) ==
        Strings{"x", "12", "none", "a longer string than twelve"});
}

TEST_CASE("SEARCH finds points and ranges") {
  json sarg = {{"kind", "LITERAL"}, {"type", "BIGINT NOT NULL"}};
  sarg["sarg"] = {{"nullAs", "UNKNOWN"},
                  {"ranges",
                   {{{"upper", {{"value", -5}, {"boundType", "CLOSED"}}}},
                    {{"lower", {{"value", 5}, {"boundType", "OPEN"}}}}}}};
  CHECK(All(Call("SEARCH", "BOOLEAN", {kA, sarg})) == Strings{"false", "true", "null", "true"});
  sarg["sarg"]["nullAs"] = "TRUE";
  CHECK(All(Call("SEARCH", "BOOLEAN", {kA, sarg})) == Strings{"false", "true", "true", "true"});
}

TEST_CASE("filters keep the selected rows and their kinds") {
  auto evaluator =
      Evaluator::Make(json::array({kB, Call("+", "BIGINT", {kA, kB})}).dump(),
                      Call(">", "BOOLEAN", {kB, Literal("BIGINT NOT NULL", 0)}).dump(), kInput, {});
  REQUIRE(evaluator.ok());
  for (const Form form : {Form::kFlat, Form::kSelection}) {
    auto result = (*evaluator)->Project(EvaluationContext(), MakeBatch(kInput, kRows, form));
    REQUIRE(result.ok());
    CHECK(PrintColumn(Type("BIGINT"), **result, 0) == Strings{"2", "4", "1"});
    CHECK(PrintColumn(Type("BIGINT"), **result, 1) == Strings{"3", "null", "-9223372036854775808"});
  }
}

TEST_CASE("unknown functions are refused with what is near") {
  const Strings refused = Evaluate(Call("COALESC", "BIGINT", {kA, kB}), kInput, kRows);
  REQUIRE(refused.size() == 1);
  CHECK(refused[0] ==
        "?? function COALESC(BIGINT, BIGINT) is not supported; near it is COALESCE; "
        "in COALESC(a, b)");
}
