#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tests/operators/expression_fixture.h"

// Expressions that Flink 2.3.0 compiled, over rows with bounds and NULLs, with the results that it
// gave (tests/operators/golden/README.md): the same results here, in three layouts of the rows.

using namespace millrace::operators::testing;  // NOLINT
using Strings = std::vector<std::string>;

namespace {

// Floating numbers may differ in the last digit: Flink's JDK wrote more digits than needed, and
// libm is not StrictMath.
bool SameNumber(const std::string& ours, const std::string& theirs) {
  if (ours == theirs) return true;
  const bool number = theirs.find_first_not_of("-+0123456789.E") == std::string::npos &&
                      ours.find_first_not_of("-+0123456789.E") == std::string::npos;
  if (!number || theirs.find('.') == std::string::npos) return false;
  const double a = std::strtod(ours.c_str(), nullptr);
  const double b = std::strtod(theirs.c_str(), nullptr);
  return a == b || std::fabs(a - b) <= 1e-7 * std::fabs(b);
}

// As multisets: Flink may give rows in another order.
bool Same(const Strings& ours, Strings theirs) {
  if (ours.size() != theirs.size()) return false;
  for (const std::string& value : ours) {
    const auto found = std::find_if(theirs.begin(), theirs.end(), [&](const std::string& other) {
      return SameNumber(value, other);
    });
    if (found == theirs.end()) return false;
    theirs.erase(found);
  }
  return true;
}

std::string Join(const Strings& parts) {
  std::string all;
  for (const std::string& part : parts) all += " [" + part + "]";
  return all;
}

}  // namespace

TEST_CASE("expressions give what Flink gives") {
  std::ifstream file("tests/operators/golden/expressions.json");
  REQUIRE(file.good());
  const json golden = json::parse(file);
  millrace::runtime::RowType type;
  for (const json& column : golden["columns"]) {
    type.push_back({column[0].get<std::string>(), Type(column[1].get<std::string>())});
  }
  // Texts of TIMESTAMP_LTZ are wall clocks of the session zone: read as such.
  auto zone = millrace::runtime::TimeZone::Find(golden["zone"].get<std::string>());
  REQUIRE(zone.ok());
  std::vector<Row> rows;
  for (const json& given : golden["rows"]) {
    Row row;
    for (size_t c = 0; c < given.size(); ++c) {
      if (given[c].is_null()) {
        row.push_back(std::nullopt);
        continue;
      }
      std::string text = given[c].get<std::string>();
      if (type[c].type.is_binary() && text.starts_with("x:")) {
        std::string bytes;
        for (size_t i = 2; i + 1 < text.size(); i += 2) {
          bytes.push_back(static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
        }
        text = bytes;
      }
      if (type[c].type.kind() == millrace::runtime::TypeKind::kTimestampLtz) {
        millrace::runtime::VectorBuilder builder(millrace::runtime::ProcessPool(), type[c].type, 1);
        REQUIRE(millrace::runtime::ParseValue(text, &*zone, &builder).ok());
        millrace::runtime::TimeZone utc;
        text.clear();
        millrace::runtime::AppendCastText(type[c].type, *builder.Finish(), 0, &utc, &text);
      }
      row.push_back(text);
    }
    rows.push_back(row);
  }
  int right = 0;
  Strings wrong;
  for (const json& test : golden["cases"]) {
    const auto sql = test["sql"].get<std::string>();
    for (const Form form : {Form::kFlat, Form::kSelection, Form::kOneByOne}) {
      Strings ours = Evaluate(test["rex"], type, rows, form, golden["zone"].get<std::string>());
      if (test.contains("error")) {
        const bool failed = ours.size() == 1 && ours[0].starts_with("!! ");
        if (!failed)
          wrong.push_back(sql + ": got" + Join(ours) +
                          ", Flink fails: " + test["error"].get<std::string>());
        right += failed;
        continue;
      }
      Strings theirs = test["rows"].get<Strings>();
      std::sort(ours.begin(), ours.end());
      std::sort(theirs.begin(), theirs.end());
      if (Same(ours, theirs)) {
        ++right;
      } else {
        wrong.push_back(sql + "\n   ours  " + Join(ours) + "\n   Flink " + Join(theirs));
        break;
      }
    }
  }
  for (const std::string& text : wrong) UNSCOPED_INFO(text);
  INFO(right << " right, " << wrong.size() << " wrong");
  CHECK(wrong.empty());
}
