#!/usr/bin/env python3
"""Types, the API's own code, state, and the parsers of formats under the address and undefined-behaviour sanitizers."""
import sys

import sanitized

NORMAL = ["~[nightly]"]
PROGRAMS = [("runtime_types_test", NORMAL), ("runtime_api_test", NORMAL), ("state_test", NORMAL),
            ("connectors_test", ["*format*,*json*,*JSON*,*csv*,*CSV*,*raw*,*decoder*,*encoder*"])]

if __name__ == "__main__":
    sys.exit(sanitized.run("asan", PROGRAMS, {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
                                              "ASAN_OPTIONS": "detect_stack_use_after_return=1"}))
