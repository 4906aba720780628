#!/usr/bin/env python3
"""The engine, state and the log under the thread sanitizer. With --nightly only: the build takes a quarter of an hour on two cores."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Program, and which of its test cases: Catch2's -# makes a tag of each file's name.
PROGRAMS = [("runtime_engine_test", ["~[nightly]"]), ("state_test", ["~[nightly]"]),
            ("connectors_test", ["-#", "[#log_store_test],[#log_fault_test],[#log_cluster_test],[#log_numbers_test],[#log_service_test],"
                                       "[#kinesis_source_test],[#kinesis_sink_test],[#kinesis_client_test]"])]


def main():
    if "--nightly" not in sys.argv:
        print("skipped: nightly only")
        print("0 passed, 0 failed")
        return 0
    subprocess.run(["cmake", "--preset", "tsan"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    jobs = os.environ.get("TSAN_BUILD_JOBS", str(os.cpu_count()))
    build = subprocess.run(["cmake", "--build", "build/tsan", "-j", jobs, "--target", *[name for name, _ in PROGRAMS]], cwd=TOP,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if build.returncode:
        print(build.stdout[-4000:])
        print("0 passed, 1 failed")
        return 1
    passed = failed = 0
    suppressions = os.path.join(TOP, "tests/sanitizers/tsan.supp")
    environment = dict(os.environ, TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=" + suppressions)
    for name, cases in PROGRAMS:
        # Without address randomisation: the sanitizer of g++ 12 refuses the wide one of newer kernels.
        run = subprocess.run(["setarch", "-R", os.path.join("build/tsan/tests", name), *cases], cwd=TOP, env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        match = re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", run.stdout)
        if run.returncode or not match or "WARNING: ThreadSanitizer" in run.stdout:
            print(name + ":\n" + run.stdout[-6000:])
            failed += 1
        else:
            print("%s: %s test cases clean" % (name, match.group(1)))
            passed += int(match.group(1))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
