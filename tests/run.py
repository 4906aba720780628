#!/usr/bin/env python3
"""Runs the tests: every *_test program of the build folder and every *_test.py under tests/.

    tests/run.py --build build/release [--nightly] [NAME ...]

Tests are found, not listed. A Python test is a program: exit status 0 passes; if its last lines hold
"N passed, N failed", these are its counts. It gets --build DIR and, at night, --nightly. NAME picks
tests whose path contains it. The last line printed is the sum.
"""
import argparse
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)


def cpp_counts(output, code):
    match = re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", output)
    if match and code == 0:
        return int(match.group(1)), 0
    match = re.search(r"test cases:\s*(\d+)\s*\|(.*)", output)
    if match:
        failed = re.search(r"(\d+) failed", match.group(2))
        failed = int(failed.group(1)) if failed else 0
        return int(match.group(1)) - failed, max(failed, 1 if code else 0)
    return 0, 1


def python_counts(output, code):
    matches = re.findall(r"^(\d+) passed, (\d+) failed$", output, re.M)
    if matches:
        passed, failed = map(int, matches[-1])
        return passed, max(failed, 1 if code and not failed else 0)
    return (1, 0) if code == 0 else (0, 1)


def find(build):
    tests = []
    folder = os.path.join(build, "tests")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith("_test") and os.access(path, os.X_OK) and os.path.isfile(path):
            tests.append((name, [path], cpp_counts))
    for root, folders, files in os.walk(HERE):
        folders[:] = sorted(f for f in folders if f not in ("target", "__pycache__"))
        for name in sorted(files):
            if name.endswith("_test.py"):
                path = os.path.join(root, name)
                tests.append((os.path.relpath(path, TOP), [sys.executable, path], python_counts))
    return tests


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    passed = failed = 0
    for name, command, counts in find(arguments.build):
        if arguments.names and not any(n in name for n in arguments.names):
            continue
        if counts is python_counts:
            command = command + ["--build", os.path.abspath(arguments.build)]
            if arguments.nightly:
                command.append("--nightly")
        elif not arguments.nightly:
            command = command + ["~[nightly]"]
        start = time.time()
        try:
            run = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, timeout=None if arguments.nightly else 1500)
            output, code = run.stdout.decode("utf-8", "replace"), run.returncode
        except subprocess.TimeoutExpired as error:
            output, code = (error.stdout or b"").decode("utf-8", "replace") + "\ntook over 1500 s", 1
        good, bad = counts(output, code)
        passed += good
        failed += bad
        print(f"{name}: {good} passed, {bad} failed ({time.time() - start:.1f} s)", flush=True)
        if bad or (code and not bad):
            print(output[-20000:], flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
