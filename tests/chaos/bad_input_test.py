#!/usr/bin/env python3
"""Bad input on the running binary: exit code and words are checked, and that the job goes on after the repair."""
import argparse
import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "jobs/examples/flights"))
import demo  # noqa: E402
import produce  # noqa: E402

PLAN = os.path.join(TOP, "jobs/examples/flights/flights.plan.json")


class Case:
    """A folder, a log service and the demo's plan for it."""

    def __init__(self, millrace, folder):
        self.millrace, self.folder = millrace, folder
        os.makedirs(folder)
        self.log = demo.Log(millrace, os.path.join(folder, "log"))
        self.kinesis = produce.client(self.log.url)
        for stream in ("flights", "delays"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=4)
            self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        self.plan = demo.plan_for(millrace, folder, self.log.url, False)
        self.rows = produce.read_rows()[:3000]

    def run(self, *more, plan=None, timeout=60):
        done = subprocess.run([self.millrace, "run", plan or self.plan, "-q", "--rest-port", "-1", *more],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
        return done.returncode, done.stdout

    def start(self, *more):
        return subprocess.Popen([self.millrace, "run", self.plan, "-q", "--rest-port", "-1", "-p", "2",
                                 "--checkpoint-dir", os.path.join(self.folder, "checkpoints"),
                                 "-D", "execution.checkpointing.interval=200 ms", *more],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def newest(self):
        return max(glob.glob(os.path.join(self.folder, "checkpoints", "*", "chk-*")),
                   key=lambda path: int(path.rsplit("-", 1)[1]))

    def stop_after(self, seconds):
        """Starts the job, lets it work, stops it by SIGTERM; returns exit code and words."""
        job = self.start()
        time.sleep(seconds)
        job.send_signal(signal.SIGTERM)
        words = job.communicate(timeout=30)[0]
        return job.returncode, words

    def close(self):
        self.log.stop()


def expect(code, words, wanted_code, *wanted):
    missing = [part for part in wanted if part not in words]
    if code != wanted_code or missing:
        return "exit code %d (must be %d), not said: %s, said: %s" % (code, wanted_code, missing, words[-1500:])
    return None


def unknown_function(case):
    plan = json.load(open(case.plan))
    node = next(n for n in plan["nodes"] if "calc" in n["type"])
    node["projection"][0] = {"kind": "CALL", "internalName": "$NO_SUCH$1", "operands": [], "type": "INT"}
    path = os.path.join(case.folder, "broken.json")
    json.dump(plan, open(path, "w"))
    code, words = case.run(plan=path)
    return expect(code, words, 2, "plan node %d" % node["id"], "NO_SUCH")


def no_plan(case):
    path = os.path.join(case.folder, "broken.json")
    open(path, "w").write('{"a": 1}')
    code, words = case.run(plan=path)
    return expect(code, words, 2, "not a compiled plan")


def unknown_option(case):
    code, words = case.run("-D", "millrace.batch.row=5")
    return expect(code, words, 2, "millrace.batch.row", "Did you mean 'millrace.batch.rows'")


def malformed_record(case):
    produce.put_all(case.kinesis, "flights", case.rows[:500])
    case.kinesis.put_record(StreamName="flights", PartitionKey="EWR", Data=b"{\"sched\": \"2013-")
    code, words = case.run("--checkpoint-dir", os.path.join(case.folder, "checkpoints"))
    return expect(code, words, 1, "flights", "shard", "Failed to deserialize JSON")


def log_in_use(case):
    done = subprocess.run([case.millrace, "log", "--directory", os.path.join(case.folder, "log"), "--port", "0"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
    return expect(done.returncode, done.stdout, 2, "in use")


def folder_in_use(case):
    produce.put_all(case.kinesis, "flights", case.rows)
    job = case.start()
    try:
        time.sleep(1)
        code, words = case.run("-s", case.newest(), "--checkpoint-dir", os.path.join(case.folder, "checkpoints"))
    finally:
        job.kill()
        job.wait()
    return expect(code, words, 2, "in use by another process")


def no_checkpoint(case):
    code, words = case.run("-s", os.path.join(case.folder, "nothing"))
    return expect(code, words, 2, "no complete checkpoint or savepoint is there")


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset if offset >= 0 else os.path.getsize(path) + offset)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x40]))


def damaged_checkpoint(case):
    produce.put_all(case.kinesis, "flights", case.rows)
    code, words = case.stop_after(1.5)
    wrong = expect(code, words, 0, "stopped. Resume with")
    if wrong:
        return wrong
    checkpoint = case.newest()
    flip(os.path.join(checkpoint, "_metadata"), 200)
    code, words = case.run("-s", checkpoint)
    wrong = expect(code, words, 2, "checksum", checkpoint)
    if wrong:
        return wrong
    flip(os.path.join(checkpoint, "_metadata"), 200)
    states = glob.glob(os.path.join(case.folder, "checkpoints", "*", "shared", "*"))
    for path in states:
        flip(path, os.path.getsize(path) // 2)
    code, words = case.run("-s", checkpoint)
    wrong = expect(code, words, 1, os.path.join(case.folder, "checkpoints"))
    if wrong:
        return wrong
    for path in states:
        flip(path, os.path.getsize(path) // 2)
    # Repaired: it resumes and drains to the right counts.
    job = demo.Job(case.millrace, case.plan, case.folder, ["-s", checkpoint])
    time.sleep(1)
    if job.stop_with_drain() != 0:
        return "the repaired job failed: " + job.words()
    counted = sum(row["flights"] for row in demo.read_stream(case.kinesis, "delays"))
    return None if counted == len(case.rows) else "%d flights counted, %d put" % (counted, len(case.rows))


def plan_for_endpoint(case, url, timeout):
    """The demo's plan with another endpoint and retry timeout for every table of the log."""
    text = open(case.plan).read().replace(case.log.url, url)
    plan = json.loads(text)

    def walk(value):
        if isinstance(value, dict):
            if value.get("connector") == "kinesis":
                value["aws.retry-timeout"] = timeout
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)
    walk(plan)
    path = os.path.join(case.folder, "dead.json")
    json.dump(plan, open(path, "w"))
    return path


def dead_endpoint(case):
    """Nobody listens: it says so at once, goes on trying, and gives up when the option says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d" % free.getsockname()[1]
    begun = time.time()
    code, words = case.run("-D", "restart-strategy.type=none", plan=plan_for_endpoint(case, url, "2 s"))
    wrong = expect(code, words, 1, "millrace: warning: ", url, "refused", "Trying again ('aws.retry-timeout' = '2 s')",
                   "Gave up after 2 s", "Is the service running, and is 'aws.endpoint' right?")
    if wrong:
        return wrong
    # The warning comes at once, and the job goes on when the service is back.
    case.log.stop()
    job = subprocess.Popen([case.millrace, "run", case.plan, "-q", "--rest-port", "-1"], stderr=subprocess.PIPE, text=True)
    try:
        begun = time.time()
        line = job.stderr.readline()
        if "warning" not in line or case.log.url not in line or time.time() - begun > 5:
            return "no warning at once, but: " + line
        case.log = demo.Log(case.millrace, os.path.join(case.folder, "log"), int(case.log.url.rsplit(":", 1)[1]))
        line = job.stderr.readline()
        if "answers again after" not in line:
            return "not told that the service is back, but: " + line
    finally:
        job.kill()
        job.communicate()
    return None


CASES = [dead_endpoint, unknown_function, no_plan, unknown_option, malformed_record, log_in_use, folder_in_use, no_checkpoint, damaged_checkpoint]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for function in CASES:
            case = Case(millrace, os.path.join(folder, function.__name__))
            try:
                wrong = function(case)
            finally:
                case.close()
            print("%s: %s" % (function.__name__, wrong or "as it must be"), flush=True)
            passed += wrong is None
            failed += wrong is not None
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
