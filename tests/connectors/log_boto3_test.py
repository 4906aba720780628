#!/usr/bin/env python3
"""Stock boto3 and the AWS command line against `millrace log`, with and without credentials."""
import argparse
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def start(millrace, folder, *more):
    process = subprocess.Popen([millrace, "log", "--directory", folder, "--port", "0", *more],
                               stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().split()[1]


def run_checks(url, *more):
    run = subprocess.run([sys.executable, os.path.join(HERE, "log_boto3.py"), url.rsplit(":", 1)[1], *more],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = re.findall(r"^(\d+) passed, (\d+) failed$", run.stdout, re.M)
    passed, failed = map(int, counts[-1]) if counts else (0, 1)
    if failed or run.returncode:
        print(run.stdout)
    return passed, max(failed, 1 if run.returncode and not failed else 0)


def run_command_line(url):
    """The calls of the AWS command line that a first user makes."""
    aws = os.path.join(os.path.dirname(sys.executable), "aws")
    environment = dict(os.environ, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1")
    passed = failed = 0
    for words in ("create-stream --stream-name cli --shard-count 2", "describe-stream-summary --stream-name cli",
                  "put-record --stream-name cli --partition-key k --data aGVsbG8=", "list-streams",
                  "list-shards --stream-name cli", "delete-stream --stream-name cli"):
        run = subprocess.run([aws, "--endpoint-url", url, "kinesis", *words.split()], env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode:
            print("aws kinesis %s: %s" % (words, run.stdout))
        passed += run.returncode == 0
        failed += run.returncode != 0
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    total = [0, 0]
    with tempfile.TemporaryDirectory() as folder:
        for more, checks in (((), ()), (("--credentials", "AKIDX:secret"),
                                        ("--access-key-id", "AKIDX", "--secret-access-key", "secret"))):
            process, url = start(millrace, os.path.join(folder, str(len(more))), *more)
            try:
                results = [run_checks(url, *checks)]
                if not more:
                    results.append(run_command_line(url))
                for passed, failed in results:
                    total[0] += passed
                    total[1] += failed
            finally:
                process.terminate()
                process.wait()
    print("%d passed, %d failed" % tuple(total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
