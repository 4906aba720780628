#!/usr/bin/env python3
"""Shows Millrace at work: real flights, from the sharded log through a Flink SQL job to files.

    demo.py --millrace BINARY [--year] [--compile] [--keep FOLDER]

Starts the log, a producer and the job on the loopback address, waits until all is read, stops the job with
a drain, and prints what came out. Exit status 0 if the counts are what went in.
"""
import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import produce

HERE = os.path.dirname(os.path.abspath(__file__))
SHARDS = 4


def say(words, end="\n"):
    print(words, end=end, flush=True)


class Log:
    """The log service in a process of its own."""

    def __init__(self, millrace, folder, port=0):
        self.process = subprocess.Popen([millrace, "log", "--directory", folder, "--port", str(port)],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("log: "):
            raise SystemExit("the log did not start: " + line)
        self.url = line.split()[1]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def plan_for(millrace, folder, url, compile_sql):
    """The plan with the log's address and this run's folder put in."""
    if compile_sql:
        script = open(os.path.join(HERE, "flights.sql")).read()
        path = os.path.join(folder, "flights.sql")
        with open(path, "w") as file:
            file.write(script)
        text = subprocess.run([millrace, "plan", path, "--compiled"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
    else:
        text = open(os.path.join(HERE, "flights.plan.json")).read()
    text = text.replace("http://127.0.0.1:4567", url).replace("/tmp/millrace-demo", folder)
    path = os.path.join(folder, "plan.json")
    with open(path, "w") as file:
        file.write(text)
    return path


def read_stream(kinesis, stream):
    """All records of a stream, decoded."""
    rows = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"],
                                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            answer = kinesis.get_records(ShardIterator=iterator, Limit=10000)
            rows += [json.loads(record["Data"]) for record in answer["Records"]]
            iterator = answer.get("NextShardIterator") if answer["Records"] else None
    return rows


def read_files(folder):
    """All rows of the committed files, with the partition of each."""
    rows = []
    for root, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith((".", "_"))]
        for name in files:
            if name.startswith((".", "_")):
                continue
            day = os.path.basename(root).partition("=")[2]
            with open(os.path.join(root, name)) as file:
                rows += [dict(json.loads(line), day=day) for line in file]
    return rows


class Job:
    """The job in a process of its own, asked over its REST address."""

    def __init__(self, millrace, plan, folder, extra=()):
        self.log = open(os.path.join(folder, "job.log"), "a+")
        self.process = subprocess.Popen(
            [millrace, "run", plan, "--name", "flights", "-p", "2", "--checkpoint-dir",
             os.path.join(folder, "checkpoints"), "--checkpoint-interval", "1 s", *extra],
            stdout=self.log, stderr=self.log)
        self.millrace = millrace
        self.url = None
        for _ in range(400):
            self.log.seek(0)
            for line in self.log.read().splitlines():
                if line.startswith("job ") and "REST " in line:
                    self.id, self.url = line.split()[1], line.split("REST ")[1].strip()
            if self.url or self.process.poll() is not None:
                break
            time.sleep(0.05)
        if not self.url:
            raise SystemExit("the job did not start:\n" + self.words())

    def words(self):
        self.log.seek(0)
        return self.log.read()

    def get(self, path):
        import urllib.request
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def metric(self, name):
        """Sum of an operator metric over the job."""
        import urllib.request
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        total = 0
        for line in lines:
            if line.startswith("flink_taskmanager_job_task_operator_" + name + "{"):
                total += float(line.rsplit(" ", 1)[1])
        return int(total)

    def rows_read(self):
        import urllib.request
        with urllib.request.urlopen(self.url + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines
                       if line.startswith("flink_taskmanager_job_task_operator_numRecordsOut{")
                       and "table-source-scan" in line))

    def stop_with_drain(self):
        subprocess.run([self.millrace, "stop", "--rest", self.url, "--drain"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)
        return self.process.wait(timeout=120)


def report(delays, files, seconds, count, late, folder):
    worst = sorted((row for row in delays if row["avg_delay"] is not None and row["flights"] >= 3),
                   key=lambda row: (-row["avg_delay"], row["window_start"]))[:10]
    say("\nTen worst hours of a carrier (at least 3 flights):")
    say("  %-19s  %-6s %-7s %8s %10s %9s %6s" % ("hour", "origin", "carrier", "flights", "mean delay", "longest", "late"))
    for row in worst:
        say("  %-19s  %-6s %-7s %8d %6.1f min %5d min %5.0f%%" % (
            row["window_start"], row["origin"], row["carrier"], row["flights"], row["avg_delay"],
            row["max_delay"], 100 * row["late_share"]))
    say("\nFlights by airport:")
    by_origin = collections.Counter()
    for row in delays:
        by_origin[row["origin"]] += row["flights"]
    most = max(by_origin.values())
    for origin, flights in sorted(by_origin.items()):
        say("  %s %s %d" % (origin, "#" * round(50 * flights / most), flights))
    say("\n%d flights in %d carrier-hours, %d delayed by more than two hours, %d late rows" % (
        sum(by_origin.values()), len(delays), len(files), late))
    say("%.1f s from the first record to the last result, %d rows a second" % (seconds, count / seconds))
    say("files: %s" % os.path.join(folder, "long_delays"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millrace", required=True)
    parser.add_argument("--year", action="store_true", help="all of 2013: 336,776 flights")
    parser.add_argument("--csv", help="a CSV file of the same form")
    parser.add_argument("--compile", action="store_true", help="compile the SQL rather than take its plan (needs Java)")
    parser.add_argument("--keep", help="folder for everything, kept; default: .demo")
    parser.add_argument("--json", help="write counts and results to this file")
    arguments = parser.parse_args()
    millrace = os.path.abspath(arguments.millrace)
    folder = os.path.abspath(arguments.keep or ".demo")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)

    log = Log(millrace, os.path.join(folder, "log"))
    try:
        kinesis = produce.client(log.url)
        for stream in ("flights", "delays"):
            kinesis.create_stream(StreamName=stream, ShardCount=SHARDS)
            kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
        say("log      %s, streams flights and delays, %d shards each" % (log.url, SHARDS))
        rows = produce.read_rows(arguments.csv, arguments.year)
        plan = plan_for(millrace, folder, log.url, arguments.compile)
        job = Job(millrace, plan, folder)
        say("job      %s  %s" % (job.id, job.url))
        put = [0]
        start = time.time()
        producer = threading.Thread(target=produce.put_all,
                                    args=(kinesis, "flights", rows, lambda n: put.__setitem__(0, n)))
        producer.start()
        terminal = sys.stdout.isatty()
        read = 0
        last_words = 0
        while producer.is_alive() or read < len(rows):
            if job.process.poll() is not None:
                raise SystemExit("the job ended:\n" + job.words())
            read = job.rows_read()
            checkpoints = job.get("/jobs/%s/checkpoints" % job.id)["counts"]["completed"]
            line = "flights  %d put, %d read, %d checkpoints" % (put[0], read, checkpoints)
            if terminal:
                say("\r\033[K" + line, end="")
            elif time.time() - last_words > 2:
                say(line)
                last_words = time.time()
            time.sleep(0.2)
            if not producer.is_alive() and put[0] < len(rows):
                raise SystemExit("the producer failed")
        if terminal:
            say("")
        late = job.metric("numLateRecordsDropped")
        code = job.stop_with_drain()
        if code != 0:
            raise SystemExit("the job failed with exit code %d:\n%s" % (code, job.words()))
        seconds = time.time() - start
        say("stopped with a drain: every window is closed, everything is committed")
        delays = read_stream(kinesis, "delays")
        files = read_files(os.path.join(folder, "long_delays"))
        report(delays, files, seconds, len(rows), late, folder)
        if arguments.json:
            with open(arguments.json, "w") as file:
                json.dump({"flights": len(rows), "late": late, "delays": delays, "long_delays": files,
                           "seconds": seconds}, file)
        total = sum(row["flights"] for row in delays)
        if total != len(rows) or late:
            say("WRONG: %d flights went in, %d are counted, %d were late" % (len(rows), total, late))
            return 1
    finally:
        log.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
