#!/usr/bin/env python3
"""kill -9 of the demo's job and of its log, at random moments and at named steps: nothing lost, nothing twice.

    kill_test.py --build build/release [--kills N] [--seed S] [--nightly]

The producer puts January's flights in small requests while job and log are killed and started again; each start
of the job resumes from the newest complete checkpoint. At the end the files and the stream `delays` must
hold exactly the right rows, as a multiset. For each kill the rows read, which no checkpoint holds yet, and the
newest checkpoint are printed.
"""
import argparse
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FLIGHTS = os.path.join(TOP, "jobs/examples/flights")
sys.path.insert(0, FLIGHTS)
sys.path.insert(0, os.path.join(TOP, "tests/demo"))
import demo  # noqa: E402
import expected  # noqa: E402
import produce  # noqa: E402

STEPS = ["after-prepare", "before-manifest", "after-manifest", "before-commit", "mid-commit", "mid-compaction"]


class World:
    """The log, a producer and the job in a folder of their own."""

    def __init__(self, millrace, folder, seed):
        self.millrace, self.folder = millrace, folder
        self.random = random.Random(seed)
        os.makedirs(folder)
        self.port = 0
        self.start_log()
        self.kinesis = produce.client(self.log_url)
        for stream in ("flights", "delays"):
            self.kinesis.create_stream(StreamName=stream, ShardCount=4)
            self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        self.plan = demo.plan_for(millrace, folder, self.log_url, False)
        self.checkpoints = os.path.join(folder, "checkpoints")
        self.rows = produce.read_rows()
        self.put = 0
        self.job = None
        self.kills = []

    def start_log(self):
        command = [self.millrace, "log", "--directory", os.path.join(self.folder, "log"), "--port", str(self.port)]
        for _ in range(50):
            self.log = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            line = self.log.stdout.readline()
            if line.startswith("log: "):
                break
            self.log.wait()
            time.sleep(0.1)
        else:
            raise SystemExit("the log did not start")
        self.log_url = line.split()[1]
        self.port = int(self.log_url.rsplit(":", 1)[1])

    def produce(self, pause):
        # A put that failed may have been stored: a producer that must not double asks what is there.
        while self.put < len(self.rows):
            batch = self.rows[self.put:self.put + 200]
            try:
                produce.put_all(self.kinesis, "flights", batch)
            except Exception:  # the log is down
                self.put = self.stored()
                continue
            self.put += len(batch)
            time.sleep(pause)

    def stored(self):
        while True:
            try:
                return len(demo.read_stream(self.kinesis, "flights"))
            except Exception:
                time.sleep(0.2)

    def start_job(self, parallelism=2, crash_at=None, options=("execution.checkpointing.interval=200 ms",)):
        extra = []
        jobs = sorted(glob.glob(os.path.join(self.checkpoints, "*")), key=os.path.getmtime)
        if jobs and glob.glob(os.path.join(jobs[-1], "chk-*", "_metadata")):
            extra = ["-s", jobs[-1]]
        elif jobs:
            # Killed before its first checkpoint: nothing was committed; what it left is the next one's.
            extra = []
        environment = dict(os.environ)
        if crash_at:
            environment["MILLRACE_CRASH_AT"] = crash_at
        self.log_file = open(os.path.join(self.folder, "job.log"), "a")
        self.job = subprocess.Popen(
            [self.millrace, "run", self.plan, "--name", "flights", "-p", str(parallelism), "--checkpoint-dir",
             self.checkpoints, *(word for option in options for word in ("-D", option)), "--rest-port", "-1", *extra],
            stdout=self.log_file, stderr=self.log_file, env=environment)

    def newest_checkpoint(self):
        found = glob.glob(os.path.join(self.checkpoints, "*", "chk-*", "_metadata"))
        return max((int(path.split("chk-")[1].split("/")[0]) for path in found), default=0)

    def kill(self, process, what):
        process.kill()
        process.wait()
        self.kills.append(what)
        print("kill %d: %s with %d rows put, newest checkpoint %d" % (
            len(self.kills), what, self.put, self.newest_checkpoint()), flush=True)

    def finish(self):
        """Runs the job to the end of the stream, drains it, and returns what differs."""
        while self.put < len(self.rows):
            time.sleep(0.05)
        self.job.terminate()  # stops at a final checkpoint
        self.job.wait(timeout=60)
        job = demo.Job(self.millrace, self.plan, self.folder,
                       ["-s", sorted(glob.glob(os.path.join(self.checkpoints, "*")), key=os.path.getmtime)[-1]])
        # All is read when nothing has moved for a while.
        last, since = -1, time.time()
        while time.time() - since < 2:
            read = job.rows_read()
            if read != last:
                last, since = read, time.time()
            time.sleep(0.1)
        if job.stop_with_drain() != 0:
            raise SystemExit("the job failed:\n" + job.words())
        delays = demo.read_stream(self.kinesis, "delays")
        files = demo.read_files(os.path.join(self.folder, "long_delays"))
        _, words = expected.differences(os.path.join(FLIGHTS, "flights-2013-01.csv.xz"), delays, files)
        return words

    def close(self):
        for process in (self.job, self.log):
            if process and process.poll() is None:
                process.kill()
                process.wait()


def random_kills(millrace, folder, kills, seed, rescale):
    world = World(millrace, folder, seed)
    try:
        pause = max(0.02, kills * 0.8 / (len(world.rows) / 200))
        producer = threading.Thread(target=world.produce, args=(pause,), daemon=True)
        world.start_job()
        producer.start()
        while len(world.kills) < kills:
            time.sleep(world.random.uniform(0.2, 1.2))
            if world.job.poll() is not None:
                return ["the job ended by itself: " + open(os.path.join(folder, "job.log")).read()[-2000:]]
            if world.random.random() < 0.3:
                world.kill(world.log, "log")
                time.sleep(world.random.uniform(0, 0.5))
                world.start_log()
            else:
                world.kill(world.job, "job")
                world.start_job(parallelism=world.random.choice([1, 2, 3]) if rescale else 2)
        return world.finish()
    finally:
        world.close()


def step_kills(millrace, folder, step):
    world = World(millrace, folder, 1)
    try:
        if step == "mid-compaction":
            # Files of state are merged when rows are evicted and there are more than 64 files: in this many checkpoints.
            producer = threading.Thread(target=world.produce, args=(0.12,), daemon=True)
            world.start_job(crash_at=step, options=("execution.checkpointing.interval=50 ms",
                                                    "state.backend.rocksdb.memory.fixed-per-tm=64kb"))
        else:
            # The third checkpoint: committed epochs lie before it, and rows are in flight.
            producer = threading.Thread(target=world.produce, args=(0.03,), daemon=True)
            world.start_job(crash_at=step + ":3")
        producer.start()
        try:
            world.job.wait(timeout=40)
        except subprocess.TimeoutExpired:
            return ["the step was never reached"]
        if world.job.returncode != -9:
            return ["the job ended with %d: %s" % (world.job.returncode, open(os.path.join(folder, "job.log")).read()[-2000:])]
        print("killed at %s with %d rows put, newest checkpoint %d" % (step, world.put, world.newest_checkpoint()), flush=True)
        world.start_job()
        return world.finish()
    finally:
        world.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--steps", default=",".join(STEPS))
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    kills = 200 if arguments.nightly else arguments.kills
    passed = failed = 0
    folder = tempfile.mkdtemp(prefix="millrace-kill-")
    cases = [(step, lambda at, step=step: step_kills(millrace, at, step)) for step in arguments.steps.split(",") if step]
    if kills:
        cases.append(("%d random kills, seed %d" % (kills, arguments.seed),
                      lambda at: random_kills(millrace, at, kills, arguments.seed, arguments.nightly)))
    for name, case in cases:
        words = case(os.path.join(folder, str(passed + failed)))
        print("%s: %s" % (name, "exact" if not words else "WRONG\n  " + "\n  ".join(words)), flush=True)
        passed += not words
        failed += bool(words)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print("kept: " + folder)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
