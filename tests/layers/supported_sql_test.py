#!/usr/bin/env python3
"""The README's list of supported SQL is what the program says. `--write` writes it anew."""
import argparse
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = os.path.join(TOP, "README.md")
BEGIN, END = "<!-- supported SQL: made by tests/layers/supported_sql_test.py --write -->\n", "<!-- end -->\n"
GROUPS = ["numeric", "comparison", "logic", "conditional", "string", "pattern", "time", "cast", "nested"]
# Connectors that only this program and its tests use.
INTERNAL = {"collect"}


def section(supported):
    def names(values):
        return ", ".join("`%s`" % value for value in values)

    nodes = sorted(node.removeprefix("stream-exec-").rsplit("_", 1)[0] for node in supported["nodes"])
    aggregates = [name.split("$")[1] for name in supported["aggregates"] if not name.startswith("$$")]
    lines = ["| what | which |", "| --- | --- |",
             "| plan nodes | %s |" % names(dict.fromkeys(nodes)),
             "| aggregates, each with DISTINCT and FILTER | %s |" % names(aggregates)]
    groups = dict.fromkeys(function["group"] for function in supported["functions"])
    missing = set(groups) - set(GROUPS)
    if missing:
        raise SystemExit("groups that this test does not know: %s" % missing)
    for group in GROUPS:
        # Names in small letters are those of plans alone.
        known = dict.fromkeys(f["name"] for f in supported["functions"] if f["group"] == group and f["name"].upper() == f["name"])
        lines.append("| functions: %s | %s |" % (group, names(name.replace("|", "\\|") for name in known)))
    connectors = ["`%s` (%s)" % (c["name"], ", ".join(way for way in ("source", "sink") if c[way]))
                  for c in supported["connectors"] if c["name"] not in INTERNAL]
    lines += ["| types | %s |" % ", ".join(supported["types"]),
              "| connectors | %s |" % ", ".join(connectors),
              "| formats | %s |" % names(supported["formats"])]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    done = subprocess.run([os.path.join(arguments.build, "millrace"), "plan", "--supported", "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    wanted = section(json.loads(done.stdout))
    text = open(README).read()
    begin = text.index(BEGIN) + len(BEGIN)
    end = text.index(END, begin)
    if arguments.write:
        open(README, "w").write(text[:begin] + wanted + text[end:])
        return 0
    if text[begin:end] == wanted:
        return 0
    for line in wanted.splitlines():
        if line not in text[begin:end].splitlines():
            print("the README should say: " + line)
    print("write it anew: tests/layers/supported_sql_test.py --build BUILD --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
