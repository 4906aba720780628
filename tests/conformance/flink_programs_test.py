#!/usr/bin/env python3
"""Flink's own test programs, taken from Maven's `tests` jars now: raw changelogs, savepoints, both batch sizes.

Passes if at least MUST_PASS programs pass and none beyond MAY_FAIL fails; run.py prints what the others lack.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
MUST_PASS = 78
MAY_FAIL = 1  # a state that must be days old


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    arguments = parser.parse_args()
    if not os.path.isdir(os.path.join(HERE, "target/lib")):
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=HERE, check=True)
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, os.path.join(HERE, "run.py"), "--millrace",
                   os.path.join(os.path.abspath(arguments.build), "millrace"), "--work", folder, "--json", result]
        if not arguments.nightly:
            command.append("--quick")
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        print(run.stdout[-6000:])
        if not os.path.exists(result):
            print(run.stderr[-4000:])
            print("0 passed, 1 failed")
            return 1
        kinds = collections.defaultdict(set)
        for row in json.load(open(result)):
            kinds[row["name"]].add(row["result"])
    outcomes = collections.Counter("fail" if "fail" in k else "refused" if "refused" in k else "pass"
                                   for k in kinds.values())
    for line in run.stderr.splitlines():
        if re.match(r"fail ", line):
            print(line)
    print("programs: %d pass, %d fail, %d refused" % (outcomes["pass"], outcomes["fail"], outcomes["refused"]))
    wrong = max(0, MUST_PASS - outcomes["pass"]) + max(0, outcomes["fail"] - MAY_FAIL)
    print("%d passed, %d failed" % (outcomes["pass"], wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
