#!/usr/bin/env python3
"""The demo's compiled plan in the repository is what its SQL compiles to now."""
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLIGHTS = os.path.join(TOP, "jobs/examples/flights")


def main():
    build = sys.argv[sys.argv.index("--build") + 1] if "--build" in sys.argv else os.path.join(TOP, "build/release")
    compiled = subprocess.run([os.path.join(os.path.abspath(build), "millrace"), "plan", "--compiled",
                               os.path.join(FLIGHTS, "flights.sql")], stdout=subprocess.PIPE, check=True, text=True)
    same = json.loads(compiled.stdout) == json.load(open(os.path.join(FLIGHTS, "flights.plan.json")))
    if not same:
        print("the plan differs: compile jobs/examples/flights/flights.sql anew into flights.plan.json")
    print("%d passed, %d failed" % (same, not same))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
