#include "tests/harness/operator_case.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/harness/operator_driver.h"

namespace millrace::tests {
namespace {

std::vector<std::string> LinesOf(const std::string& path) {
  std::ifstream file(path);
  if (!file.good()) throw std::runtime_error(path + ": can't be read");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == ' ' && !lines.empty()) {
      lines.back() += line;
    } else {
      lines.push_back(line);
    }
  }
  return lines;
}

OperatorCase::Unit UnitOf(const std::string& text) {
  OperatorCase::Unit unit;
  std::istringstream words(text);
  std::string word;
  words >> word;
  if (word == "watermark" || word == "time") {
    unit.kind =
        word == "time" ? OperatorCase::Unit::Kind::kTime : OperatorCase::Unit::Kind::kWatermark;
    if (!(words >> unit.time)) throw std::runtime_error("without a time: " + text);
  } else if (word == "end") {
    unit.kind = OperatorCase::Unit::Kind::kEnd;
  } else {
    unit.row = text;
  }
  return unit;
}

}  // namespace

OperatorCase ReadOperatorCase(const std::string& path) {
  OperatorCase read;
  read.name = std::filesystem::path(path).filename().string();
  bool output_before = true;  // the next input begins a group
  for (const std::string& line : LinesOf(path)) {
    const size_t space = line.find(' ');
    const std::string word = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    try {
      if (word == "operator") {
        OperatorCase::Stage& stage = read.stages.emplace_back();
        stage.spec.kind = rest;
        stage.spec.uid = rest + "-" + std::to_string(read.stages.size());
        stage.spec.config = "{}";
        if (read.stages.size() > 1) {
          stage.spec.inputs = {read.stages[read.stages.size() - 2].spec.output};
        }
        continue;
      }
      if (read.stages.empty()) throw std::runtime_error("no operator before it");
      OperatorCase::Stage& stage = read.stages.back();
      if (word == "config") {
        stage.spec.config = rest;
      } else if (word == "input") {
        stage.spec.inputs = {MakeRowType(rest)};
      } else if (word == "output") {
        stage.spec.output = MakeRowType(rest);
      } else if (word == "keys") {
        std::istringstream numbers(rest);
        for (int key; numbers >> key;) stage.keys.push_back(key);
      } else if (word == "single") {
        read.single = true;
      } else if (word == "order" && rest == "any") {
        read.any_order = true;
      } else if (word == "elements") {
        read.elements = true;
      } else if (word == "zone") {
        read.zone = rest;
      } else if (word == "<") {
        if (output_before) read.expected.emplace_back();
        output_before = false;
        read.units.push_back(UnitOf(rest));
        read.units.back().group = static_cast<int>(read.expected.size()) - 1;
      } else if (word == ">") {
        if (read.expected.empty()) throw std::runtime_error("output before any input");
        output_before = true;
        read.expected.back().push_back(rest);
      } else {
        throw std::runtime_error("not understood");
      }
    } catch (const std::exception& e) {
      throw std::runtime_error(path + ": " + line + ": " + e.what());
    }
  }
  if (read.units.empty()) throw std::runtime_error(path + ": no input");
  return read;
}

std::vector<OperatorCase> ReadOperatorCases(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".case") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<OperatorCase> cases;
  for (const std::string& path : paths) cases.push_back(ReadOperatorCase(path));
  return cases;
}

}  // namespace millrace::tests
