#pragma once

#include <string>
#include <vector>

#include "runtime/api/operator.h"

namespace millrace::tests {

// What an operator must make of an input, however the input is cut into batches, its state kept,
// frozen and restored. Written as a text file:
//
//   # words
//   operator window-aggregate                 a further one reads what this one gives
//   config {"grouping": [0], ...}
//   input k STRING, t TIMESTAMP(3)            of the first operator only
//   output k STRING, c BIGINT NOT NULL
//   keys 0                                    columns that the input is hashed by; none: any
//   subtask single                                    runs in one subtask only order any rows of
//   one group may come in any order elements                                  the output has
//   "watermark N", "idle" and "active" zone Asia/Shanghai                        UTC if not given
//
//   < +I[a, 2020-01-01 00:00:01]              a group: input ...
//   < watermark 10000                         or `time N` (the clock), or `end`
//   > +I[a, 1]                                ... and what it gives
//
// `config` and rows run to the end of the line; a line that begins with blanks goes on the one
// before.
struct OperatorCase {
  struct Stage {
    runtime::OperatorSpec spec;
    std::vector<int> keys;
  };
  struct Unit {
    enum class Kind : uint8_t { kRow, kWatermark, kTime, kEnd };
    Kind kind = Kind::kRow;
    std::string row;
    int64_t time = 0;
    int group = 0;
  };
  std::string name;  // of the file
  std::vector<Stage> stages;
  bool single = false;
  bool any_order = false;
  bool elements = false;
  std::string zone = "UTC";
  std::vector<Unit> units;
  std::vector<std::vector<std::string>> expected;  // by group
};

// Reads a file. Throws std::runtime_error with the file and what is wrong.
OperatorCase ReadOperatorCase(const std::string& path);
// Reads every *.case below a folder, in order of name.
std::vector<OperatorCase> ReadOperatorCases(const std::string& folder);

}  // namespace millrace::tests
