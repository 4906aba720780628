#!/usr/bin/env python3
"""The demo's numbers equal those computed from the CSV by a program that shares no code with it."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import expected

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLIGHTS = os.path.join(TOP, "jobs/examples/flights")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--csv", default=os.path.join(FLIGHTS, "flights-2013-01.csv.xz"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        command = [sys.executable, os.path.join(FLIGHTS, "demo.py"), "--millrace",
                   os.path.join(arguments.build, "millrace"), "--keep", os.path.join(folder, "demo"), "--json", result]
        if not arguments.csv.endswith(".xz"):
            command += ["--csv", arguments.csv]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(run.stdout)
        failed = run.returncode != 0
        if not failed:
            found = json.load(open(result))
            count, words = expected.differences(arguments.csv, found["delays"], found["long_delays"])
            print("%d flights, %d late rows, differences: %s" % (count, found["late"], words or "none"))
            failed = bool(words) or found["late"] != 0 or count != found["flights"]
    print("%d passed, %d failed" % (0 if failed else 1, 1 if failed else 0))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
