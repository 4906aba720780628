#!/usr/bin/env python3
"""A full disk, on a small tmpfs: the log's and the checkpoints'. What was acknowledged stays, writing says why it can't, and
all goes on, exactly, once there is room. Mounting needs root: without it the test says so and passes as skipped."""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "jobs/examples/flights"))
sys.path.insert(0, os.path.join(TOP, "tests/demo"))
import demo  # noqa: E402
import expected  # noqa: E402
import produce  # noqa: E402

RECORD_BYTES = 20000


class SmallDisk:
    """A tmpfs of so many megabytes."""

    def __init__(self, path, megabytes):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "none", path],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise PermissionError(done.stderr.strip())

    def fill(self, leave_bytes=0):
        with open(self.filler, "wb") as file:
            room = os.statvfs(self.path)
            left = room.f_bavail * room.f_frsize - leave_bytes
            try:
                while left > 0:
                    left -= file.write(b"\0" * min(left, 1 << 16))
                    file.flush()
            except OSError:
                pass

    def free(self):
        os.unlink(self.filler)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)


def client(url):
    import boto3
    from botocore.config import Config
    return boto3.client("kinesis", endpoint_url=url, region_name="us-east-1", aws_access_key_id="any",
                        aws_secret_access_key="any", config=Config(retries={"total_max_attempts": 1}))


def put(kinesis, number):
    """True: acknowledged; else the words of the error."""
    data = b"%08d" % number + b"x" * RECORD_BYTES
    try:
        kinesis.put_record(StreamName="s", PartitionKey=str(number), Data=data)
        return True
    except Exception as error:
        return str(error)


def stored(kinesis):
    numbers = collections.Counter()
    for shard in kinesis.list_shards(StreamName="s")["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName="s", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while True:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
            numbers.update(int(record["Data"][:8]) for record in answer["Records"])
            if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                break
            iterator = answer["NextShardIterator"]
    return numbers


def log_on_full_disk(millrace, folder):
    disk = SmallDisk(os.path.join(folder, "disk"), 24)
    start = [millrace, "log", "--directory", os.path.join(disk.path, "log"), "--segment-size", "2 mb", "--port"]
    process = None
    try:
        def begin(port):
            nonlocal process
            process = subprocess.Popen(start + [str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            line = process.stdout.readline()
            if not line.startswith("log: "):
                raise SystemExit("the log did not start: " + line + process.communicate()[1])
            return line.split()[1]

        url = begin(0)
        kinesis = client(url)
        kinesis.create_stream(StreamName="s", ShardCount=2)
        kinesis.get_waiter("stream_exists").wait(StreamName="s", WaiterConfig={"Delay": 1})
        acknowledged = [n for n in range(20) if put(kinesis, n) is True]
        disk.fill()
        number, refused = 20, []
        while len(refused) < 5 and number < 2000:
            words = put(kinesis, number)
            if words is True:
                acknowledged.append(number)
            else:
                refused.append(words)
            number += 1
        if len(refused) < 5:
            return "the disk never became full"
        if not all("No space left" in words for words in refused):
            return "not said what is wrong: %s" % refused[0][:500]
        # Reading goes on; nothing that was refused is there.
        if stored(kinesis) != collections.Counter(acknowledged):
            return "on the full disk: %d stored, %d acknowledged" % (len(stored(kinesis)), len(acknowledged))
        print("full after %d acknowledged records, then: %s" % (len(acknowledged), refused[0][:160]), flush=True)
        disk.free()
        after = [n for n in range(number, number + 40) if put(kinesis, n) is True]
        if len(after) != 40:
            return "with room again only %d of 40 were taken" % len(after)
        acknowledged += after
        if stored(kinesis) != collections.Counter(acknowledged):
            return "with room again: %d stored, %d acknowledged" % (len(stored(kinesis)), len(acknowledged))
        process.kill()
        process.wait()
        kinesis = client(begin(0))
        there = stored(kinesis)
        if any(there[n] != 1 for n in acknowledged):
            return "after a restart %d acknowledged records are lost or double" % sum(there[n] != 1 for n in acknowledged)
        # One that was refused may have come to the disk (log_store.h), but only once.
        if any(count != 1 for count in there.values()):
            return "after a restart some are double"
        return None
    finally:
        if process and process.poll() is None:
            process.kill()
            process.wait()
        disk.close()


def checkpoints_on_full_disk(millrace, folder):
    disk = SmallDisk(os.path.join(folder, "disk"), 16)
    log = demo.Log(millrace, os.path.join(folder, "log"))
    job = None
    try:
        kinesis = produce.client(log.url)
        for stream in ("flights", "delays"):
            kinesis.create_stream(StreamName=stream, ShardCount=4)
            kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        plan = demo.plan_for(millrace, folder, log.url, False)
        rows = produce.read_rows()
        os.symlink(disk.path, os.path.join(folder, "checkpoints"))
        patience = ["-D", "execution.checkpointing.tolerable-failed-checkpoints=1000"]
        job = demo.Job(millrace, plan, folder, patience)
        produce.put_all(kinesis, "flights", rows[:9000])
        deadline = time.time() + 20
        while job.get("/jobs/%s/checkpoints" % job.id)["counts"]["completed"] < 3 and time.time() < deadline:
            time.sleep(0.1)
        disk.fill()
        before = job.get("/jobs/%s/checkpoints" % job.id)["counts"]
        produce.put_all(kinesis, "flights", rows[9000:18000])
        while job.get("/jobs/%s/checkpoints" % job.id)["counts"]["failed"] < before["failed"] + 3 and time.time() < deadline + 40:
            time.sleep(0.1)
        full = job.get("/jobs/%s/checkpoints" % job.id)
        if full["counts"]["failed"] < before["failed"] + 3:
            return "no checkpoint failed on the full disk: %s" % full["counts"]
        if "No space left" not in json.dumps(full) + job.words():
            return "not said what is wrong: %s %s" % (json.dumps(full)[-1500:], job.words()[-500:])
        state = job.get("/jobs/%s" % job.id)["state"]
        if state not in ("RUNNING", "RESTARTING"):
            return "the job is " + state
        print("checkpoints on the full disk: %d completed, %d failed" % (full["counts"]["completed"], full["counts"]["failed"]), flush=True)
        disk.free()
        produce.put_all(kinesis, "flights", rows[18000:])
        completed = full["counts"]["completed"]
        deadline = time.time() + 30
        while job.get("/jobs/%s/checkpoints" % job.id)["counts"]["completed"] < completed + 3:
            if time.time() > deadline:
                return "no checkpoint completed with room again: %s" % job.get("/jobs/%s/checkpoints" % job.id)["counts"]
            time.sleep(0.1)
        last, since = -1, time.time()
        while time.time() - since < 2:
            read = job.rows_read()
            if read != last:
                last, since = read, time.time()
            time.sleep(0.1)
        if job.stop_with_drain() != 0:
            return "the job failed: " + job.words()[-2000:]
        delays = demo.read_stream(kinesis, "delays")
        files = demo.read_files(os.path.join(folder, "long_delays"))
        _, words = expected.differences(os.path.join(TOP, "jobs/examples/flights/flights-2013-01.csv.xz"), delays, files)
        return "; ".join(words)[:2000] if words else None
    finally:
        if job and job.process.poll() is None:
            job.process.kill()
            job.process.wait()
        log.stop()
        disk.close()


CASES = [log_on_full_disk, checkpoints_on_full_disk]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    passed = failed = 0
    folder = tempfile.mkdtemp(prefix="millrace-full-disk-")
    try:
        for case in CASES:
            at = os.path.join(folder, case.__name__)
            os.makedirs(at)
            try:
                wrong = case(millrace, at)
            except PermissionError as error:
                print("%s: skipped, a tmpfs can't be mounted here: %s" % (case.__name__, error), flush=True)
                continue
            print("%s: %s" % (case.__name__, wrong or "as it must be"), flush=True)
            passed += wrong is None
            failed += wrong is not None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if passed or failed:
        print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
