#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/batch.h"
#include "runtime/types/text/time_zone.h"

namespace millrace::connectors {

// Prints a changelog as the table of Flink's SQL client (result mode 'tableau'):
//
//   +----+--------------------------------+----------------------+
//   | op |                           name |                    n |
//   +----+--------------------------------+----------------------+
//   | +I |                              a |                    1 |
//   +----+--------------------------------+----------------------+
//   Received a total of 1 row
//
// Columns are as wide as their type can need, at most 30; longer values are cut and end in "...";
// values as CAST to a string writes them, NULL as <NULL>. Lines go out batch by batch, the head
// with the first. Thread-safe: subtasks share one.
class ChangelogTable {
 public:
  ChangelogTable(runtime::RowType type, runtime::TimeZone zone, int descriptor);
  // Ends the table, if it was begun and Finish did not end it, as a query that was stopped.
  ~ChangelogTable();

  // A query begins; before Write.
  void Begin();
  void Write(const runtime::Batch& batch);
  // All rows have come.
  void Finish();

 private:
  void AppendRule(std::string* to) const;
  void AppendHead(std::string* to) const;
  void End(const char* words);

  const runtime::RowType type_;
  std::vector<int> widths_;
  const int descriptor_;
  std::mutex mutex_;
  runtime::TimeZone zone_;
  int64_t rows_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  std::string text_;
};

// Columns that a text takes on a terminal: East Asian wide characters and emoji take two, marks
// that combine none.
int DisplayWidth(std::string_view text);

// Writes all of it; a reader that went away is no error of the job's (as in Flink).
void WriteAll(int descriptor, std::string_view bytes);

}  // namespace millrace::connectors
