#!/usr/bin/env python3
"""Types, the API's own code, state, and the parsers of formats under the address and undefined-behaviour sanitizers."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Program, and which of its test cases.
PROGRAMS = [("runtime_types_test", []), ("runtime_api_test", []), ("state_test", []),
            ("connectors_test", ["*format*,*json*,*JSON*,*csv*,*CSV*,*raw*,*decoder*,*encoder*"])]


def main():
    subprocess.run(["cmake", "--preset", "asan"], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    build = subprocess.run(["cmake", "--build", "build/asan", "-j", str(os.cpu_count()), "--target",
                            *[name for name, _ in PROGRAMS]], cwd=TOP, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    if build.returncode:
        print(build.stdout[-4000:])
        print("0 passed, 1 failed")
        return 1
    passed = failed = 0
    environment = dict(os.environ, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
                       ASAN_OPTIONS="detect_stack_use_after_return=1")
    for name, cases in PROGRAMS:
        run = subprocess.run([os.path.join("build/asan/tests", name), *(cases or ["~[nightly]"])], cwd=TOP,
                             env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        match = re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", run.stdout)
        if run.returncode or not match:
            print(name + ":\n" + run.stdout[-6000:])
            failed += 1
        else:
            print("%s: %s test cases clean" % (name, match.group(1)))
            passed += int(match.group(1))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
