#!/usr/bin/env python3
"""Calls a running log service with stock boto3: every operation, and every error type and text.

    log_boto3.py PORT [--access-key-id ID --secret-access-key SECRET] [--endpoint URL]

The service must be fresh or at least hold no streams called t-*. Prints one line a check and
"N passed, N failed" at the end; the exit code is the number of failures.
"""
import argparse
import base64
import concurrent.futures
import hashlib
import http.client
import json
import random
import time

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions

CHECKS = []
RING = 2**128


def check(function):
    CHECKS.append(function)
    return function


class Service:
    def __init__(self, arguments):
        self.port = arguments.port
        self.endpoint = arguments.endpoint or f"http://127.0.0.1:{arguments.port}"
        self.account = arguments.account
        self.credentials = (arguments.access_key_id, arguments.secret_access_key)
        self.client = self.make_client(*self.credentials)

    def make_client(self, key, secret, headers=None):
        client = boto3.client(
            "kinesis", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=botocore.config.Config(retries={"max_attempts": 0}, parameter_validation=False))
        if headers:
            def add(request, **_):
                for name, value in headers.items():
                    request.headers[name] = value
            client.meta.events.register("before-sign.kinesis.*", add)
        return client

    def raw(self, target, body, headers=None, method="POST"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        all_headers = {"Content-Type": "application/x-amz-json-1.1"}
        if target:
            all_headers["X-Amz-Target"] = target
        all_headers.update(headers or {})
        connection.request(method, "/", body, all_headers)
        response = connection.getresponse()
        text = response.read().decode("latin-1")
        connection.close()
        return response, text

    def signed_headers(self, target, body):
        request = botocore.awsrequest.AWSRequest("POST", self.endpoint + "/", data=body, headers={
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target})
        credentials = botocore.credentials.Credentials(*self.credentials)
        botocore.auth.SigV4Auth(credentials, "kinesis", "us-east-1").add_auth(request)
        return dict(request.headers.items())

    def millrace(self, operation, **members):
        """A call of the transaction extension, signed as boto3 signs its own."""
        body = json.dumps(members)
        headers = self.signed_headers("Millrace_20261124." + operation, body)
        response, text = self.raw(None, body, headers)
        return response.status, json.loads(text)

    def make_stream(self, shards=1):
        name = f"t-{random.randrange(10**12)}"
        self.client.create_stream(StreamName=name, ShardCount=shards)
        return name

    def iterator(self, stream, shard, kind="TRIM_HORIZON", **more):
        return self.client.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]

    def read_all(self, stream, shard, **more):
        token, records = self.iterator(stream, shard, **more), []
        while True:
            reply = self.client.get_records(ShardIterator=token)
            records += reply["Records"]
            if not reply["Records"] and reply["MillisBehindLatest"] == 0:
                return records
            token = reply["NextShardIterator"]


def expect_error(call, kind, text, status=400):
    try:
        call()
    except botocore.exceptions.ClientError as error:
        got = error.response["Error"]
        assert got["Code"] == kind, (got, kind)
        message = got.get("Message", "")
        assert message == text or (text.endswith("*") and message.startswith(text[:-1])), \
            f"\n  got:  {message}\n  want: {text}"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
    else:
        raise AssertionError(f"no error; expected {kind}")


def shard_id(index):
    return f"shardId-{index:012d}"


@check
def create_describe_list_delete(s):
    name = s.make_stream(3)
    s.client.get_waiter("stream_exists").wait(StreamName=name)
    description = s.client.describe_stream(StreamName=name)["StreamDescription"]
    assert description["StreamStatus"] == "ACTIVE" and not description["HasMoreShards"]
    assert description["StreamARN"] == f"arn:aws:kinesis:us-east-1:{s.account}:stream/{name}"
    assert description["RetentionPeriodHours"] == 24 and description["EncryptionType"] == "NONE"
    assert description["EnhancedMonitoring"] == [{"ShardLevelMetrics": []}]
    width = RING // 3
    for index, shard in enumerate(description["Shards"]):
        assert shard["ShardId"] == shard_id(index)
        keys = shard["HashKeyRange"]
        assert int(keys["StartingHashKey"]) == index * width
        assert int(keys["EndingHashKey"]) == (RING if index == 2 else (index + 1) * width) - 1
        assert len(shard["SequenceNumberRange"]["StartingSequenceNumber"]) == 56
    page = s.client.describe_stream(StreamName=name, Limit=2)["StreamDescription"]
    assert page["HasMoreShards"] and len(page["Shards"]) == 2
    page = s.client.describe_stream(StreamName=name, Limit=2, ExclusiveStartShardId=shard_id(1))
    assert [x["ShardId"] for x in page["StreamDescription"]["Shards"]] == [shard_id(2)]
    summary = s.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3 and summary["ConsumerCount"] == 0
    by_arn = s.client.describe_stream_summary(StreamARN=description["StreamARN"])
    assert by_arn["StreamDescriptionSummary"]["StreamName"] == name
    assert name in s.client.list_streams()["StreamNames"]
    s.client.delete_stream(StreamName=name)
    s.client.get_waiter("stream_not_exists").wait(StreamName=name)
    assert name not in s.client.list_streams()["StreamNames"]


@check
def list_streams_pages(s):
    names = sorted(s.make_stream() for _ in range(5))
    pages = s.client.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2})
    seen = [name for page in pages for name in page["StreamNames"]]
    assert [name for name in seen if name in names] == names and len(seen) == len(set(seen))
    page = s.client.list_streams(Limit=1, ExclusiveStartStreamName=names[0])
    assert page["StreamNames"] and page["StreamNames"][0] > names[0]
    for name in names:
        s.client.delete_stream(StreamName=name)


@check
def list_shards_pages(s):
    name = s.make_stream(5)
    # Not by boto3's paginator: it sends StreamName with NextToken, which Kinesis refuses.
    page = s.client.list_shards(StreamName=name, MaxResults=2)
    seen = page["Shards"]
    while "NextToken" in page:
        page = s.client.list_shards(NextToken=page["NextToken"], MaxResults=2)
        seen += page["Shards"]
    assert [x["ShardId"] for x in seen] == [shard_id(i) for i in range(5)]
    after = s.client.list_shards(StreamName=name, ExclusiveStartShardId=shard_id(3))["Shards"]
    assert [x["ShardId"] for x in after] == [shard_id(4)]
    latest = s.client.list_shards(StreamName=name, ShardFilter={"Type": "AT_LATEST"})["Shards"]
    assert len(latest) == 5
    expect_error(lambda: s.client.list_shards(), "InvalidArgumentException",
                 "Either NextToken or StreamName should be provided.")
    expect_error(lambda: s.client.list_shards(StreamName=name, NextToken="x"),
                 "InvalidArgumentException", "NextToken and StreamName cannot be provided together.")


@check
def on_demand_stream(s):
    name = f"t-{random.randrange(10**12)}"
    s.client.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    summary = s.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert summary["OpenShardCount"] == 4


@check
def put_and_read_back_in_order(s):
    name = s.make_stream(4)
    shards = s.client.list_shards(StreamName=name)["Shards"]
    wanted = {shard["ShardId"]: [] for shard in shards}

    def owner(key):
        value = int.from_bytes(hashlib.md5(key.encode()).digest(), "big")
        return next(x["ShardId"] for x in shards
                    if int(x["HashKeyRange"]["StartingHashKey"]) <= value
                    <= int(x["HashKeyRange"]["EndingHashKey"]))

    for batch in range(5):
        records = [{"PartitionKey": f"key \"\\ü𝄞 {i}", "Data": f"{batch}/{i}".encode() * (i % 7)}
                   for i in range(100)]
        reply = s.client.put_records(StreamName=name, Records=records)
        assert reply["FailedRecordCount"] == 0 and len(reply["Records"]) == 100
        for record, result in zip(records, reply["Records"]):
            assert result["ShardId"] == owner(record["PartitionKey"])
            wanted[result["ShardId"]].append(
                (result["SequenceNumber"], record["PartitionKey"], record["Data"]))
    single = s.client.put_record(StreamName=name, PartitionKey="one", Data=b"\0\xff",
                                 ExplicitHashKey="0")
    assert single["ShardId"] == shard_id(0)
    wanted[shard_id(0)].append((single["SequenceNumber"], "one", b"\0\xff"))
    for shard, rows in wanted.items():
        got = s.read_all(name, shard)
        assert [(x["SequenceNumber"], x["PartitionKey"], x["Data"]) for x in got] == rows
        numbers = [x["SequenceNumber"] for x in got]
        assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
        assert all(len(x) == 56 for x in numbers)
        for record in got:
            age = time.time() - record["ApproximateArrivalTimestamp"].timestamp()
            assert -1 < age < 60


@check
def iterators_of_all_types(s):
    name = s.make_stream()
    shard = shard_id(0)
    start = s.client.list_shards(StreamName=name)["Shards"][0]["SequenceNumberRange"]
    start = start["StartingSequenceNumber"]
    latest_before = s.iterator(name, shard, "LATEST")
    numbers = []
    for i in range(3):
        numbers.append(s.client.put_record(StreamName=name, PartitionKey="k", Data=b"%d" % i)
                       ["SequenceNumber"])
        time.sleep(0.02)
    middle = s.read_all(name, shard)[1]["ApproximateArrivalTimestamp"]

    def data(token):
        return [x["Data"] for x in s.client.get_records(ShardIterator=token)["Records"]]

    assert data(latest_before) == [b"0", b"1", b"2"]
    assert data(s.iterator(name, shard, "LATEST")) == []
    assert data(s.iterator(name, shard, "TRIM_HORIZON")) == [b"0", b"1", b"2"]
    assert data(s.iterator(name, shard, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1])) \
        == [b"1", b"2"]
    assert data(s.iterator(name, shard, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1])) \
        == [b"2"]
    for kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
        assert data(s.iterator(name, shard, kind, StartingSequenceNumber=start)) == \
            [b"0", b"1", b"2"]
    # boto3 cuts times to whole seconds; the protocol takes milliseconds.
    body = json.dumps({"StreamName": name, "ShardId": shard, "ShardIteratorType": "AT_TIMESTAMP",
                       "Timestamp": middle.timestamp()})
    _, text = s.raw(None, body, s.signed_headers("Kinesis_20131202.GetShardIterator", body))
    assert data(json.loads(text)["ShardIterator"]) == [b"1", b"2"]
    assert data(s.iterator(name, shard, "AT_TIMESTAMP", Timestamp=1)) == [b"0", b"1", b"2"]
    assert data(s.iterator(name, "0", "TRIM_HORIZON")) == [b"0", b"1", b"2"]
    reply = s.client.get_records(ShardIterator=s.iterator(name, shard), Limit=2)
    assert len(reply["Records"]) == 2 and reply["MillisBehindLatest"] > 0
    reply = s.client.get_records(ShardIterator=reply["NextShardIterator"], Limit=2)
    assert len(reply["Records"]) == 1 and reply["MillisBehindLatest"] == 0
    again = s.client.get_records(ShardIterator=reply["NextShardIterator"])
    assert again["Records"] == []
    decoded = base64.b64decode(again["NextShardIterator"])
    assert decoded[:8] == b"\0\0\0\0\0\0\0\1" and (len(decoded) - 152) % 16 == 0


@check
def large_answers_are_cut(s):
    name = s.make_stream()
    for _ in range(12):
        s.client.put_record(StreamName=name, PartitionKey="k", Data=b"x" * 1048576)
    reply = s.client.get_records(ShardIterator=s.iterator(name, shard_id(0)))
    size = sum(len(x["Data"]) for x in reply["Records"])
    assert 1048576 <= size <= 10 * 1048576, size
    assert len(s.read_all(name, shard_id(0))) == 12
    s.client.delete_stream(StreamName=name)


@check
def errors_of_streams(s):
    none = f"Stream t-none under account {s.account} not found."
    for call in (s.client.describe_stream, s.client.describe_stream_summary, s.client.delete_stream,
                 s.client.list_shards):
        expect_error(lambda call=call: call(StreamName="t-none"), "ResourceNotFoundException", none)
    expect_error(lambda: s.client.put_record(StreamName="t-none", PartitionKey="k", Data=b""),
                 "ResourceNotFoundException", none)
    expect_error(lambda: s.client.put_records(
        StreamName="t-none", Records=[{"PartitionKey": "k", "Data": b""}]),
        "ResourceNotFoundException", none)
    name = s.make_stream()
    expect_error(lambda: s.client.create_stream(StreamName=name, ShardCount=1),
                 "ResourceInUseException",
                 f"Stream {name} under account {s.account} already exists.")
    expect_error(lambda: s.client.create_stream(StreamName="t-big", ShardCount=100000),
                 "LimitExceededException",
                 f"This request would exceed the shard limit for the account {s.account} in "
                 "us-east-1. Current shard count for the account: *")


@check
def errors_of_validation(s):
    def invalid(call, *parts):
        count = len(parts)
        expect_error(call, "ValidationException",
                     f"{count} validation error{'s' if count > 1 else ''} detected: " +
                     "; ".join(parts))

    invalid(lambda: s.client.create_stream(StreamName="a b", ShardCount=0),
            "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value "
            "greater than or equal to 1",
            "Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: [a-zA-Z0-9_.-]+")
    invalid(lambda: s.client.create_stream(StreamName="a" * 129, ShardCount=100001),
            "Value '100001' at 'shardCount' failed to satisfy constraint: Member must have value "
            "less than or equal to 100000",
            f"Value '{'a' * 129}' at 'streamName' failed to satisfy constraint: Member must have "
            "length less than or equal to 128")
    invalid(lambda: s.client.describe_stream(StreamName="x", Limit=10001),
            "Value '10001' at 'limit' failed to satisfy constraint: Member must have value less "
            "than or equal to 10000")
    invalid(lambda: s.client.describe_stream(),
            "Value null at 'streamName' failed to satisfy constraint: Member must not be null")
    invalid(lambda: s.client.put_records(StreamName="x", Records=[]),
            "Value '[]' at 'records' failed to satisfy constraint: Member must have length greater "
            "than or equal to 1")
    invalid(lambda: s.client.put_records(StreamName="x", Records=[{"Data": b"", "PartitionKey": ""},
                                                                  {"PartitionKey": "k"}]),
            "Value '' at 'records.1.member.partitionKey' failed to satisfy constraint: Member must "
            "have length greater than or equal to 1",
            "Value null at 'records.2.member.data' failed to satisfy constraint: Member must not "
            "be null")
    invalid(lambda: s.client.put_record(StreamName="x", PartitionKey="k" * 257, Data=b"",
                                        ExplicitHashKey="01"),
            f"Value '{'k' * 257}' at 'partitionKey' failed to satisfy constraint: Member must have "
            "length less than or equal to 256",
            "Value '01' at 'explicitHashKey' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: 0|([1-9]\\d{0,38})")
    invalid(lambda: s.client.put_record(StreamName="x", PartitionKey="k", Data=b"x" * 1048577),
            "Value 'java.nio.HeapByteBuffer[pos=0 lim=1048577 cap=1048577]' at 'data' failed to "
            "satisfy constraint: Member must have length less than or equal to 1048576")
    invalid(lambda: s.client.get_shard_iterator(StreamName="x", ShardId="0",
                                                ShardIteratorType="SOON"),
            "Value 'SOON' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy "
            "enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, "
            "TRIM_HORIZON]")
    too_many = [{"PartitionKey": "k", "Data": b""}] * 501
    expect_error(lambda: s.client.put_records(StreamName="x", Records=too_many),
                 "ValidationException", "1 validation error detected: Value '[com.amazonaws.*")


@check
def errors_of_puts(s):
    name = s.make_stream()
    expect_error(lambda: s.client.put_record(StreamName=name, PartitionKey="k", Data=b"",
                                             ExplicitHashKey=str(RING)),
                 "InvalidArgumentException",
                 "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. "
                 f"Specified value was {RING}")
    expect_error(lambda: s.client.put_record(StreamName=name, PartitionKey="k", Data=b"",
                                             SequenceNumberForOrdering="5"),
                 "InvalidArgumentException",
                 "ExclusiveMinimumSequenceNumber 5 used in PutRecord on stream "
                 f"{name} under account {s.account} is invalid.")
    first = s.client.put_record(StreamName=name, PartitionKey="k", Data=b"")["SequenceNumber"]
    second = s.client.put_record(StreamName=name, PartitionKey="k", Data=b"",
                                 SequenceNumberForOrdering=first)["SequenceNumber"]
    assert second > first


@check
def errors_of_iterators(s):
    name, other = s.make_stream(2), s.make_stream()
    number = s.client.put_record(StreamName=name, PartitionKey="k", Data=b"",
                                 ExplicitHashKey="0")["SequenceNumber"]
    account = s.account

    def bad(kind, text, error="InvalidArgumentException", stream=name, shard=shard_id(0), **more):
        expect_error(lambda: s.client.get_shard_iterator(
            StreamName=stream, ShardId=shard, ShardIteratorType=kind, **more), error, text)

    bad("LATEST", f"Could not find shard abc in stream {name} under account {account}.",
        "ResourceNotFoundException", shard="abc")
    bad("LATEST", f"Shard {shard_id(9)} in stream {name} under account {account} does not exist",
        "ResourceNotFoundException", shard=shard_id(9))
    bad("LATEST", f"Shard {shard_id(0)} in stream t-none under account {account} does not exist",
        "ResourceNotFoundException", stream="t-none")
    either = ("Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and "
              "StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. "
              "Request specified ")
    bad("LATEST", either + "LATEST and also a StartingSequenceNumber.",
        StartingSequenceNumber=number)
    bad("AT_SEQUENCE_NUMBER", either + "AT_SEQUENCE_NUMBER and no StartingSequenceNumber.")
    bad("AT_SEQUENCE_NUMBER", "StartingSequenceNumber 5 used in GetShardIterator on shard "
        f"{shard_id(0)} in stream {name} under account {account} is invalid.",
        StartingSequenceNumber="5")
    bad("AFTER_SEQUENCE_NUMBER", f"Invalid StartingSequenceNumber. It encodes {shard_id(0)}, while "
        f"it was used in a call to a shard with {shard_id(1)}",
        shard=shard_id(1), StartingSequenceNumber=number)
    bad("AT_TIMESTAMP", "Must specify timestampInMillis parameter for iterator of type "
        "AT_TIMESTAMP. Current request has no timestamp parameter.")
    bad("AT_TIMESTAMP", "The timestampInMillis parameter cannot be greater than the "
        "currentTimestampInMillis. timestampInMillis: *", Timestamp=time.time() + 1000)
    expect_error(lambda: s.client.get_records(ShardIterator="AAAA"), "InvalidArgumentException",
                 "Invalid ShardIterator.")
    token = s.iterator(other, shard_id(0))
    forged = bytearray(base64.b64decode(token))
    forged[40] ^= 1
    expect_error(lambda: s.client.get_records(ShardIterator=base64.b64encode(forged).decode()),
                 "InvalidArgumentException", "Invalid ShardIterator.")
    s.client.delete_stream(StreamName=other)
    expect_error(lambda: s.client.get_records(ShardIterator=token), "ResourceNotFoundException",
                 f"Shard {shard_id(0)} in stream {other} under account {account} does not exist")


@check
def a_stream_made_again_is_another(s):
    name = s.make_stream()
    s.client.put_record(StreamName=name, PartitionKey="k", Data=b"old")
    token = s.iterator(name, shard_id(0))
    s.client.delete_stream(StreamName=name)
    s.client.create_stream(StreamName=name, ShardCount=1)
    assert s.read_all(name, shard_id(0)) == []
    expect_error(lambda: s.client.get_records(ShardIterator=token), "ResourceNotFoundException",
                 f"Shard {shard_id(0)} in stream {name} under account {s.account} does not exist")


@check
def retention_periods(s):
    name = s.make_stream()
    s.client.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    summary = s.client.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 48
    expect_error(lambda: s.client.increase_stream_retention_period(
        StreamName=name, RetentionPeriodHours=25), "InvalidArgumentException",
        f"Requested retention period (25 hours) for stream {name} can not be shorter than existing "
        "retention period (48 hours). Use DecreaseRetentionPeriod API.")
    expect_error(lambda: s.client.decrease_stream_retention_period(
        StreamName=name, RetentionPeriodHours=23), "InvalidArgumentException",
        "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is "
        "too short.")
    s.client.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=24)


@check
def protocol_errors(s):
    target = "Kinesis_20131202.ListStreams"
    response, text = s.raw(target, "", method="GET")
    assert response.status == 403 and "<AccessDeniedException>" in text
    response, text = s.raw(target, "")
    assert (response.status, json.loads(text)) == (400, {"__type": "SerializationException"})
    response, text = s.raw("Kinesis_20131202.Nothing", "")
    assert (response.status, json.loads(text)) == (400, {"__type": "UnknownOperationException"})
    response, text = s.raw("Kinesis_20131202.Nothing", "{}")
    assert (response.status, json.loads(text)) == (400, {"__type": "UnknownOperationException"})
    response, text = s.raw(target, "{", {"Content-Type": "text/plain"})
    assert (response.status, text) == (404, "<UnknownOperationException/>\n")
    for operation in ("ListStreams", "PutRecords", "PutRecord"):
        response, text = s.raw(None, "{'", s.signed_headers("Kinesis_20131202." + operation, "{'"))
        assert (response.status, json.loads(text)) == (400, {"__type": "SerializationException"})
    assert len(response.getheader("x-amzn-RequestId")) == 36
    assert len(base64.b64decode(response.getheader("x-amz-id-2"))) == 72


@check
def type_errors(s):
    def wrong(operation, members, text):
        response, body = s.raw("Kinesis_20131202." + operation, json.dumps(members),
                               s.signed_headers("Kinesis_20131202." + operation,
                                                json.dumps(members)))
        got = json.loads(body)
        assert response.status == 400 and got["__type"] == "SerializationException", got
        assert got["Message"] == text, f"\n  got:  {got['Message']}\n  want: {text}"

    number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to "
    wrong("CreateStream", {"StreamName": True}, "class java.lang.Boolean can not be converted to an "
          "String")
    wrong("CreateStream", {"StreamName": 5}, number + "an String")
    wrong("CreateStream", {"StreamName": []}, "Start of list found where not expected")
    wrong("CreateStream", {"StreamName": {}}, "Start of structure or map found where not expected.")
    wrong("CreateStream", {"ShardCount": "1"}, "class java.lang.String can not be converted to an "
          "Integer")
    wrong("PutRecords", {"Records": "x"}, "Expected list or null")
    wrong("PutRecords", {"Records": ["x"]}, "Expected null")
    wrong("PutRecord", {"Data": 4}, number + "a Blob")
    wrong("PutRecord", {"Data": "abc"}, "'abc' can not be converted to a Blob: Base64 encoded length "
          "is expected a multiple of 4 bytes but found: 3")
    wrong("PutRecord", {"Data": "=+/="}, "'=+/=' can not be converted to a Blob: Invalid Base64 "
          "character: '='")
    wrong("PutRecord", {"Data": "+/+="}, "'+/+=' can not be converted to a Blob: Invalid last "
          "non-pad Base64 character dectected")
    wrong("GetShardIterator", {"Timestamp": "x"}, "class java.lang.String can not be converted to "
          "milliseconds since epoch")


@check
def signatures(s):
    """Only where the service was started with credentials."""
    if s.credentials[0] == "any":
        return
    wrong = s.make_client(s.credentials[0], "wrong")
    expect_error(wrong.list_streams, "InvalidSignatureException",
                 "The request signature we calculated does not match the signature you provided. "
                 "Check your AWS Secret Access Key and signing method. Consult the service "
                 "documentation for details.")
    unknown = s.make_client("AKIDNOBODY", "x")
    expect_error(unknown.list_streams, "UnrecognizedClientException",
                 "The security token included in the request is invalid.")
    response, text = s.raw("Kinesis_20131202.ListStreams", "{}")
    assert json.loads(text) == {"__type": "MissingAuthenticationTokenException",
                                "message": "Missing Authentication Token"}
    response, text = s.raw("Kinesis_20131202.ListStreams", "{}", {"Authorization": "AWS4 x=y"})
    assert json.loads(text)["message"] == (
        "Authorization header requires 'Credential' parameter. Authorization header requires "
        "'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. "
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        "Authorization=AWS4 x=y")


@check
def transactions(s):
    name = s.make_stream(2)
    records = [{"PartitionKey": str(i), "Data": b"%d" % i} for i in range(50)]
    prefix = f"job-{random.randrange(10**9)}/"
    a = s.make_client(*s.credentials, headers={"x-millrace-transaction": prefix + "a",
                                               "x-millrace-transaction-batch": "1"})
    b = s.make_client(*s.credentials, headers={"x-millrace-transaction": prefix + "b"})

    def count():
        return sum(len(s.read_all(name, shard_id(i))) for i in range(2))

    reply = a.put_records(StreamName=name, Records=records)
    assert reply["FailedRecordCount"] == 0
    assert all("SequenceNumber" not in x for x in reply["Records"])
    a.put_records(StreamName=name, Records=records)  # the same batch again: stored once
    b.put_records(StreamName=name, Records=records)
    s.client.put_records(StreamName=name, Records=records[:10])
    assert count() == 10
    status, listed = s.millrace("ListTransactions", Prefix=prefix)
    assert [(x["TransactionId"], x["State"], x["Records"]) for x in listed["Transactions"]] == \
        [(prefix + "a", "OPEN", 50), (prefix + "b", "OPEN", 50)]
    status, done = s.millrace("CommitTransaction", TransactionId=prefix + "a")
    assert (status, done["State"], done["AlreadyDone"]) == (200, "COMMITTED", False)
    status, done = s.millrace("CommitTransaction", TransactionId=prefix + "a")
    assert (status, done["AlreadyDone"]) == (200, True)
    assert count() == 60
    status, done = s.millrace("AbortTransaction", TransactionId=prefix + "b")
    assert (status, done["State"]) == (200, "ABORTED")
    status, error = s.millrace("CommitTransaction", TransactionId=prefix + "b")
    assert (status, error["__type"]) == (400, "TransactionAbortedException")
    status, error = s.millrace("CommitTransaction", TransactionId=prefix + "none")
    assert (status, error["__type"]) == (400, "TransactionNotFoundException")
    status, error = s.millrace("AbortTransaction", TransactionId=prefix + "a")
    assert (status, error["__type"]) == (400, "TransactionCommittedException")
    expect_error(lambda: s.make_client(*s.credentials, headers={
        "x-millrace-transaction": prefix + "a"}).put_records(StreamName=name, Records=records),
        "TransactionCommittedException",
        f"transaction is committed and takes no more records: {prefix}a")
    expect_error(lambda: b.put_records(StreamName=name, Records=records[:5]),
                 "TransactionAbortedException",
                 f"transaction is aborted and takes no more records, begin one under another id: {prefix}b")
    assert count() == 60
    for i in range(2):
        numbers = [x["SequenceNumber"] for x in s.read_all(name, shard_id(i))]
        assert numbers == sorted(numbers)


@check
def many_at_once(s):
    name = s.make_stream(8)

    def run(worker):
        client = s.make_client(*s.credentials)
        for batch in range(20):
            records = [{"PartitionKey": f"{worker}", "Data": b"%d" % (batch * 50 + i)}
                       for i in range(50)]
            assert client.put_records(StreamName=name, Records=records)["FailedRecordCount"] == 0

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    seen = {}
    for i in range(8):
        for record in s.read_all(name, shard_id(i)):
            seen.setdefault(record["PartitionKey"], []).append(int(record["Data"]))
    assert seen == {str(worker): list(range(1000)) for worker in range(8)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--endpoint")
    parser.add_argument("--account", default="000000000000")
    parser.add_argument("--access-key-id", default="any")
    parser.add_argument("--secret-access-key", default="any")
    service = Service(parser.parse_args())
    failed = 0
    for function in CHECKS:
        started = time.time()
        try:
            function(service)
            print(f"ok    {function.__name__} ({time.time() - started:.2f} s)")
        except Exception as error:  # noqa: BLE001: every failure is reported, none stops the rest
            failed += 1
            print(f"FAIL  {function.__name__}: {type(error).__name__}: {error}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
