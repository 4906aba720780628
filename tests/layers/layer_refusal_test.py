#!/usr/bin/env python3
"""Shows that cmake/layer.cmake refuses what it says: each case is a project of a few lines in a folder of its own.

The projects include the real settings.cmake and layer.cmake. Most are only configured; two compile one trivial file.
The last line is "N passed, N failed".
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES CXX)
include(%s/cmake/settings.cmake)
include(%s/cmake/layer.cmake)
""" % (TOP, TOP)
API = {"runtime/api/name.h": "inline int Name() { return 1; }\n",
       "runtime/api/name.cpp": '#include "runtime/api/name.h"\nint api() { return Name(); }\n'}
STATE = {"state/table.h": "inline int Table() { return 2; }\n",
         "state/table.cpp": '#include "runtime/api/name.h"\n#include "state/table.h"\n'
                            "int state() { return Name() + Table(); }\n"}
BOTH = "layer(runtime/api)\nlayer(state USES runtime/api)\n"
END = "finish_layers()\n"


def against(text):
    return dict(API, **{"runtime/api/wrong.cpp": text})


# What is shown; the calls of CMakeLists.txt; files; where it must fail (None: nowhere); what it must say.
CASES = [
    ("an include along the direction is accepted",
     BOTH + END, {**API, **STATE}, None, ""),
    ("an include against the direction fails at its #include line",
     BOTH + END, {**against("// a comment\n#include \"state/table.h\"\nint wrong() { return Table(); }\n"), **STATE},
     "build", r"runtime/api/wrong\.cpp:2:\d+: fatal error: state/table\.h: No such file"),
    ("an include of a layer that is not used fails at its #include line",
     "layer(runtime/api)\nlayer(operators USES runtime/api)\nlayer(state USES runtime/api)\n" + END,
     {**API, **STATE, "operators/calc.cpp": '#include "state/table.h"\nint calc() { return Table(); }\n'},
     "build", r"operators/calc\.cpp:1:\d+: fatal error: state/table\.h: No such file"),
    ("a layer that is used before it is declared is refused",
     "layer(state USES runtime/api)\nlayer(runtime/api)\n" + END, {**API, **STATE},
     "configure", r"layer state USES runtime/api, which\s+is not declared above it"),
    ("layers that use each other are refused",
     "layer(runtime/api USES state)\nlayer(state USES runtime/api)\n" + END, {**API, **STATE},
     "configure", r"layer runtime/api USES state, which\s+is not declared above it"),
    ("a cycle that is made behind layer()'s back is refused",
     BOTH + "target_link_libraries(runtime_api PUBLIC state)\n" + END, {**API, **STATE},
     "configure", r"inter-target dependency graph contains\s+the following\s+strongly connected component"),
    ("a .cpp of a folder that is no layer is an error",
     "layer(runtime/api)\n" + END, {**API, **STATE},
     "configure", r"these files are in no target:\s+\S*state/table\.cpp"),
    ("a main.cpp that is no program is an error",
     BOTH + END, {**API, **STATE, "jobs/cli/main.cpp": "int main() {}\n"},
     "configure", r"these files are in no target:\s+\S*jobs/cli/main\.cpp"),
    ("a test that no program holds is an error",
     BOTH + END, {**API, **STATE, "tests/state/lost_test.cpp": "int main() {}\n"},
     "configure", r"these files are in no target:\s+\S*tests/state/lost_test\.cpp"),
]


def run(command):
    environment = dict(os.environ, LC_ALL="C", CCACHE_DISABLE="1")
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    return result.returncode == 0, result.stdout


def check(calls, files, fails, words):
    """None, or what is not as it must be."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in {**files, "CMakeLists.txt": HEAD + calls}.items():
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as file:
                file.write(text)
        build = os.path.join(folder, "build")
        good, output = run(["cmake", "-G", "Ninja", "-S", folder, "-B", build])
        if good == (fails == "configure"):
            return ("configured, although it must not" if good else "does not configure") + "\n" + output
        if fails != "configure":
            good, output = run(["cmake", "--build", build])
            if good == (fails == "build"):
                return ("built, although it must not" if good else "does not build") + "\n" + output
        if not re.search(words, output):
            return "failed, but not with the words %r\n%s" % (words, output)
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", help="not used")
    parser.add_argument("--nightly", action="store_true", help="not used")
    parser.parse_args()
    missing = [tool for tool in ("cmake", "ninja") if not shutil.which(tool)]
    if missing:
        print("needs %s (./dev setup)\n0 passed, %d failed" % (" and ".join(missing), len(CASES)))
        return 1
    failed = 0
    for shown, calls, files, fails, words in CASES:
        wrong = check(calls, files, fails, words)
        print("%s: %s" % ("ok" if wrong is None else "FAILED", shown))
        if wrong is not None:
            print("  " + wrong.replace("\n", "\n  "))
            failed += 1
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
