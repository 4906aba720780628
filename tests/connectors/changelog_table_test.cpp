#include "connectors/print/changelog_table.h"

#include <catch2/catch.hpp>
#include <unistd.h>

#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::LogicalType;

TEST_CASE("Wide characters take two columns, combining marks none") {
  CHECK(DisplayWidth("abc") == 3);
  CHECK(DisplayWidth("日本") == 4);
  CHECK(DisplayWidth("e\xCC\x81") == 1);
  CHECK(DisplayWidth("😀") == 2);
}

// What `write` gives a pipe.
template <typename Function>
std::string Written(const Function& write) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  write(ends[1]);
  ::close(ends[1]);
  std::string text(1 << 16, '\0');
  const ssize_t got = ::read(ends[0], text.data(), text.size());
  ::close(ends[0]);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

TEST_CASE("A changelog as a table") {
  const runtime::RowType type = {{"s", LogicalType::VarChar()},
                                 {"ts", LogicalType::TimestampLtz(3)},
                                 {"b", LogicalType(runtime::TypeKind::kBoolean, false)}};
  runtime::BatchBuilder builder(runtime::ProcessPool(), type);
  builder.column(0).AppendString("日本 and a text of more than thirty");
  builder.column(1).Append<int64_t>(1500);
  builder.column(2).Append<uint8_t>(1);
  builder.EndRow();
  builder.column(0).AppendString("tab\tand\x1b[31m");
  builder.column(1).AppendNull();
  builder.column(2).Append<uint8_t>(0);
  builder.EndRow(runtime::RowKind::kDelete);
  const runtime::BatchPtr batch = builder.Finish();
  const auto zone = runtime::TimeZone::Find("Asia/Shanghai").value();
  CHECK(Written([&](int to) {
          ChangelogTable table(type, zone, to);
          table.Begin();
          table.Write(*batch);
          table.Finish();
        }) ==
        "+----+--------------------------------+-------------------------+-------+\n"
        "| op |                              s |                      ts |     b |\n"
        "+----+--------------------------------+-------------------------+-------+\n"
        "| +I | 日本 and a text of more tha... | 1970-01-01 08:00:01.500 |  TRUE |\n"
        "| -D |                   tab and [31m |                  <NULL> | FALSE |\n"
        "+----+--------------------------------+-------------------------+-------+\n"
        "Received a total of 2 rows\n");
  CHECK(Written([&](int to) {
          ChangelogTable table(type, zone, to);
          table.Begin();
          table.Finish();
        }) == "Empty set\n");
  CHECK(Written([&](int to) {
          ChangelogTable table(type, zone, to);
          table.Begin();
          table.Write(*batch);
        }).ends_with("Query terminated, received a total of 2 rows\n"));
  CHECK(Written([&](int to) { ChangelogTable table(type, zone, to); }) == "");
}

}  // namespace
}  // namespace millrace::connectors
