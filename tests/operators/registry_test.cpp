// Every registered operator, each with the cases of tests/operators/cases: the same changelog
// however batches are cut, state kept, frozen and restored (tests/harness/operator_runs.h).
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "operators/register.h"
#include "state/state_backend.h"
#include "tests/harness/operator_runs.h"

namespace millrace::tests {
namespace {

runtime::Registry Operators() {
  runtime::Registry registry;
  operators::RegisterOperators(registry);
  return registry;
}

TEST_CASE("Every registered operator has a case") {
  const runtime::Registry registry = Operators();
  std::set<std::string> covered;
  for (const OperatorCase& wanted : ReadOperatorCases("tests/operators/cases")) {
    for (const OperatorCase::Stage& stage : wanted.stages) covered.insert(stage.spec.kind);
  }
  for (const auto& [kind, factory] : registry.operators()) {
    INFO("operator '" << kind << "' has no case: add one to tests/operators/cases");
    CHECK(covered.contains(kind));
  }
}

TEST_CASE("Operators give the same however they are run") {
  const runtime::Registry registry = Operators();
  const auto backend = state::MakeStateBackend({});
  std::string folder = std::filesystem::temp_directory_path() / "millrace-operators-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  int cases = 0;
  for (const OperatorCase& wanted : ReadOperatorCases("tests/operators/cases")) {
    for (const std::string& wrong :
         CheckCase(wanted, registry, backend.get(), folder + "/" + wanted.name)) {
      FAIL_CHECK(wrong);
    }
    ++cases;
  }
  CHECK(cases > 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace millrace::tests
