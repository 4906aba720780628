#!/usr/bin/env python3
"""`millrace sql` on a terminal (a pty) and in a pipe, and the events of `millrace run --json`."""
import argparse
import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
QUERY = "SELECT a, COUNT(*) AS n FROM (VALUES ('x'), ('y'), ('x')) AS t(a) GROUP BY a"
TABLE = """\
+----+--------------------------------+----------------------+
| op |                              a |                    n |
+----+--------------------------------+----------------------+
| +I |                              x |                    1 |
| +I |                              y |                    1 |
| -U |                              x |                    1 |
| +U |                              x |                    2 |
+----+--------------------------------+----------------------+
Received a total of 4 rows
"""


def on_terminal(command, after=None, timeout=60):
    """Runs a command on a pty; `after(process, text so far)` may act. Returns exit code and all that it wrote."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    text = ""
    deadline = time.time() + timeout
    while time.time() < deadline:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece.decode("utf-8", "replace")
        if after:
            after(process, text)
    process.wait(timeout=10)
    os.close(master)
    return process.returncode, text.replace("\r\n", "\n")


def table_on_a_terminal(millrace, folder):
    code, text = on_terminal([millrace, "sql", "-e", QUERY])
    return None if (code, text) == (0, TABLE) else "exit code %d: %s" % (code, text)


def empty_on_a_terminal(millrace, folder):
    code, text = on_terminal([millrace, "sql", "-e", "SELECT a FROM (VALUES 1) AS t(a) WHERE a > 1"])
    return None if (code, text) == (0, "Empty set\n") else "exit code %d: %s" % (code, text)


def stopped_on_a_terminal(millrace, folder):
    """Ctrl-C ends a query without end; the table is closed."""
    path = os.path.join(folder, "endless.sql")
    open(path, "w").write("CREATE TABLE g (a INT) WITH ('connector' = 'datagen', 'rows-per-second' = '50', "
                          "'fields.a.kind' = 'sequence', 'fields.a.start' = '1', 'fields.a.end' = '1000000');"
                          "SELECT a FROM g;")
    stopped = []

    def after(process, text):
        if not stopped and "| +I |           3 |" in text:
            stopped.append(True)
            process.send_signal(signal.SIGINT)

    code, text = on_terminal([millrace, "sql", "-f", path], after)
    lines = text.splitlines()
    if not stopped or code != 0 or not lines[-1].startswith("Query terminated, received a total of "):
        return "exit code %d, ends with %s" % (code, lines[-5:])
    rows = sum(line.startswith("| +I |") for line in lines)
    return None if lines[-1] == "Query terminated, received a total of %d rows" % rows else lines[-1]


def rows_in_a_pipe(millrace, folder):
    done = subprocess.run([millrace, "sql", "-e", QUERY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    wanted = "+I[x, 1]\n+I[y, 1]\n-U[x, 1]\n+U[x, 2]\n"
    return None if (done.returncode, done.stdout, done.stderr) == (0, wanted, "") else str(done)


def error_in_one_line(millrace, folder):
    done = subprocess.run([millrace, "sql", "-e", "SELECT CAST('x' AS INT)"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    lines = done.stderr.splitlines()
    good = done.returncode == 1 and len(lines) == 1 and "For input string: 'x'" in lines[0]
    return None if good else "exit code %d: %s" % (done.returncode, done.stderr[:2000])


def events(millrace, folder):
    path = os.path.join(folder, "job.sql")
    open(path, "w").write("CREATE TABLE g (a INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1500', 'rows-per-second' = '1000');"
                          "CREATE TABLE b (a INT) WITH ('connector' = 'blackhole');"
                          "INSERT INTO b SELECT a FROM g;")
    done = subprocess.run([millrace, "run", path, "--json", "--checkpoint-dir", os.path.join(folder, "checkpoints"),
                           "--checkpoint-interval", "300 ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in told]
    checkpoints = [event for event in told if event["event"] == "checkpoint"]
    states = [event["state"] for event in told if event["event"] == "state"]
    end = told[-1]
    wrong = [what for what, good in {
        "exit code": done.returncode == 0, "first": names[0] == "job" and len(told[0]["job"]) == 32,
        "states": states == ["RUNNING", "FINISHED"], "checkpoints": len(checkpoints) >= 2,
        "ids": [c["id"] for c in checkpoints] == list(range(1, len(checkpoints) + 1)),
        "paths": all(os.path.isdir(c["path"]) or c is not checkpoints[-1] for c in checkpoints),
        "end": (end["event"], end["state"], end["exit"], end["checkpoints"]) == ("end", "FINISHED", 0, len(checkpoints)),
        "resume": end["resume"] == checkpoints[-1]["path"], "nothing else": done.stderr == ""}.items() if not good]
    return None if not wrong else "%s: %s %s" % (wrong, done.stdout, done.stderr)


def events_of_a_failure(millrace, folder):
    path = os.path.join(folder, "broken.sql")
    open(path, "w").write("CREATE TABLE b (a INT) WITH ('connector' = 'blackhole');"
                          "INSERT INTO b SELECT CAST(s AS INT) FROM (VALUES ('1'), ('x')) AS t(s);")
    done = subprocess.run([millrace, "run", path, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    end = json.loads(done.stdout.splitlines()[-1])
    good = done.returncode == 1 and (end["state"], end["exit"]) == ("FAILED", 1) and "For input string: 'x'" in end["failure"]
    return None if good else "exit code %d: %s %s" % (done.returncode, done.stdout, done.stderr)


CASES = [table_on_a_terminal, empty_on_a_terminal, stopped_on_a_terminal, rows_in_a_pipe, error_in_one_line, events, events_of_a_failure]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    failed = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            wrong = case(millrace, folder)
        print("%s: %s" % (case.__name__, wrong or "as it must be"), flush=True)
        failed += wrong is not None
    print("%d passed, %d failed" % (len(CASES) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
