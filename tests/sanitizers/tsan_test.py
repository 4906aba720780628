#!/usr/bin/env python3
"""The engine, state and the log under the thread sanitizer. With --nightly only: the build takes a quarter of an hour on two cores."""
import os
import sys

import sanitized

# Catch2's -# makes a tag of each file's name.
PROGRAMS = [("runtime_engine_test", ["~[nightly]"]), ("state_test", ["~[nightly]"]),
            ("connectors_test", ["-#", "[#log_store_test],[#log_fault_test],[#log_cluster_test],[#log_numbers_test],[#log_service_test],"
                                       "[#kinesis_source_test],[#kinesis_sink_test],[#kinesis_client_test]"])]


def main():
    if "--nightly" not in sys.argv:
        print("skipped: nightly only")
        print("0 passed, 0 failed")
        return 0
    suppressions = os.path.join(sanitized.TOP, "tests/sanitizers/tsan.supp")
    options = "halt_on_error=1 second_deadlock_stack=1 suppressions=" + suppressions
    # Without address randomisation: the sanitizer of g++ 12 refuses the wide one of newer kernels.
    return sanitized.run("tsan", PROGRAMS, {"TSAN_OPTIONS": options}, command=["setarch", "-R"],
                         jobs=os.environ.get("TSAN_BUILD_JOBS"))


if __name__ == "__main__":
    sys.exit(main())
