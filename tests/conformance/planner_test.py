#!/usr/bin/env python3
"""Tests jobs/flink: answers to requests, and that its `values` tables plan as Flink's own.

    ./planner_test.py [--dump FILE]      after `mvn -q package` here and in jobs/flink

For each of Flink's test programs that needs no Java, the plan made by the planner process must
equal the one in the dump, which Flink's own test connector made.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import unittest

import run

HERE = pathlib.Path(__file__).resolve().parent
PLANNER = HERE.parents[1] / "jobs" / "flink" / "planner"
DUMP = HERE / "target" / "programs" / "programs.jsonl"


# DISTRIBUTED BY and indexes aren't in the dump; lookups and vector search are not planned yet.
LEFT_OUT = "bucket|stream-exec-(lookup|delta)-join|stream-exec-vector-search"


class Planner:
    """The planner as a child process."""

    def __init__(self):
        self.process = subprocess.Popen(
            [PLANNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, script, **fields):
        self.process.stdin.write(json.dumps({"id": 7, "script": script, **fields}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def script_of(program):
    """The SQL of a program, as one script."""
    lines = [f"SET {quoted(key)} = {quoted(value)};" for key, value in program["config"].items()]
    for table in program["tables"]:
        keys = ", ".join(f"`{key}`" for key in table["partitionKeys"])
        options = ", ".join(f"{quoted(k)} = {quoted(v)}" for k, v in table["options"].items())
        schema = ",\n".join(table["ddl"])
        partitioned = f" PARTITIONED BY ({keys})" if keys else ""
        lines.append(f'CREATE TABLE {table["name"]} ({schema}){partitioned} WITH ({options});')
    lines += [sql.rstrip().rstrip(";") + ";" for sql in program["setup"]]
    for sql in program["run"]:
        if isinstance(sql, list):
            lines.append("EXECUTE STATEMENT SET BEGIN " + "; ".join(sql) + "; END;")
        else:
            lines.append(sql.rstrip().rstrip(";") + ";")
    return "\n".join(lines)


class Requests(unittest.TestCase):
    """Forms of the answers."""

    @classmethod
    def setUpClass(cls):
        cls.planner = Planner()

    @classmethod
    def tearDownClass(cls):
        assert cls.planner.close() == 0

    SOURCE = "CREATE TABLE s (k INT, ts TIMESTAMP(3)) WITH ('connector' = 'datagen');\n"
    SINK = "CREATE TEMPORARY TABLE p (k INT, c BIGINT) WITH ('connector' = 'print');\n"

    def error(self, script):
        answer = self.planner.ask(script)
        self.assertNotIn("plans", answer)
        return answer["error"]

    def test_each_insert_is_a_plan_numbered_from_one(self):
        script = self.SOURCE + self.SINK + "INSERT INTO p SELECT k, 1 FROM s;" * 2
        answer = self.planner.ask(script)
        self.assertEqual(answer["id"], 7)
        first, second = answer["plans"]
        self.assertEqual(first["plan"], second["plan"])
        self.assertEqual([node["id"] for node in first["plan"]["nodes"]], [1, 2, 3])
        self.assertEqual(first["name"], "insert-into_default_catalog.default_database.p")
        # A temporary table would stand in the plan by its name alone.
        sink = first["plan"]["nodes"][-1]["dynamicTableSink"]["table"]
        self.assertEqual(sink["resolvedTable"]["options"], {"connector": "print"})

    def test_a_statement_set_is_one_plan(self):
        inserts = "INSERT INTO p SELECT k, 1 FROM s; INSERT INTO p SELECT k, 2 FROM s; "
        for begin in ("EXECUTE STATEMENT SET BEGIN ", "BEGIN STATEMENT SET; "):
            answer = self.planner.ask(self.SOURCE + self.SINK + begin + inserts + "END;")
            self.assertEqual(len(answer["plans"]), 1)

    def test_a_select_is_collected(self):
        answer = self.planner.ask(self.SOURCE + "SELECT k, COUNT(*) AS c FROM s GROUP BY k")
        (plan,) = answer["plans"]
        self.assertTrue(plan["collect"])
        columns = [{"name": "k", "type": "INT"}, {"name": "c", "type": "BIGINT NOT NULL"}]
        self.assertEqual(plan["columns"], columns)

    def test_settings_go_with_the_plan(self):
        answer = self.planner.ask(
            "SET 'parallelism.default' = '2';" + self.SOURCE + "SELECT k FROM s;",
            options={"table.local-time-zone": "UTC"},
        )
        expected = {"parallelism.default": "2", "table.local-time-zone": "UTC"}
        self.assertEqual(answer["plans"][0]["options"], expected)

    def test_a_session_remembers(self):
        self.planner.ask(self.SOURCE, session="a")
        self.assertEqual(len(self.planner.ask("SELECT k FROM s", session="a")["plans"]), 1)
        self.assertIn("error", self.planner.ask("SELECT k FROM s", session="b"))
        self.planner.ask("", session="a", close=True)
        self.assertIn("error", self.planner.ask("SELECT k FROM s", session="a"))

    def test_an_error_has_its_place_in_the_script(self):
        error = self.error("-- x\n" + self.SOURCE + "  SELECT\n    kk FROM s")
        self.assertEqual((error["line"], error["column"]), (4, 5))
        self.assertIn("Column 'kk' not found", error["message"])
        self.assertEqual(error["statement"], "SELECT")
        error = self.error("SELECT 1;\nSELECT FROM;")
        self.assertEqual(error["line"], 2)

    def test_options_are_checked_with_flinks_words(self):
        def source(options):
            return f"CREATE TABLE t (a INT) WITH ({options}); SELECT * FROM t"

        message = self.error(source("'connector' = 'kinesis', 'format' = 'json'"))["message"]
        self.assertIn("One or more required options are missing.", message)
        self.assertIn("stream.arn", message)
        message = self.error(source("'connector' = 'datagen', 'rows-per-secnd' = '1'"))["message"]
        self.assertIn("Unsupported options found for 'datagen'.", message)
        self.assertIn("Did you mean 'rows-per-second'", message)
        message = self.error(source("'connector' = 'nope'"))["message"]
        self.assertIn("Could not find any factory for identifier 'nope'", message)
        message = self.error(source("'connector' = 'print'"))["message"]
        self.assertIn("can only be used as a sink", message)

    def test_a_secret_is_not_in_a_message(self):
        options = "'connector' = 'kinesis', 'aws.credentials.basic.secretkey' = 'geheim'"
        error = self.error(f"CREATE TABLE t (a INT) WITH ({options}); SELECT * FROM t")
        self.assertNotIn("geheim", json.dumps(error))

    def test_what_is_not_supported_is_refused(self):
        self.assertIn("user-defined functions", self.error("CREATE FUNCTION f AS 'x'")["message"])
        self.assertIn("batch", self.error("SET 'execution.runtime-mode' = 'batch'")["message"])

    def test_a_bad_request_is_answered(self):
        self.planner.process.stdin.write("{nonsense\n")
        self.planner.process.stdin.flush()
        answer = json.loads(self.planner.process.stdout.readline())
        self.assertIn("bad request", answer["error"]["message"])


class SamePlans(unittest.TestCase):
    """Plans of Flink's test programs."""

    def test_values_tables_plan_as_flinks(self):
        if not DUMP.exists():
            DUMP.parent.mkdir(parents=True, exist_ok=True)
            run.build_dump(DUMP)
        planner = Planner()
        different, count = [], 0
        for line in DUMP.read_text().splitlines():
            program = json.loads(line)
            if not program["pure"] or program.get("error"):
                continue
            if any(re.search(LEFT_OUT, json.dumps(plan)) for plan in program["plans"]):
                continue
            answer = planner.ask(script_of(program), options=program["settings"])
            count += 1
            plans = [plan["plan"] for plan in answer.get("plans", [])]
            if plans != program["plans"]:
                different.append((program["id"], answer.get("error", "another plan")))
        planner.close()
        print(f"{count} programs planned", file=sys.stderr)
        self.assertEqual(different, [])
        self.assertGreater(count, 200)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--dump", type=pathlib.Path, default=DUMP)
    parser.add_argument("--build")
    parser.add_argument("--nightly", action="store_true")
    known, rest = parser.parse_known_args()
    DUMP = known.dump
    ran = unittest.main(argv=[sys.argv[0], *rest], exit=False).result
    bad = len(ran.failures) + len(ran.errors)
    print(f"{ran.testsRun - bad - len(ran.skipped)} passed, {bad} failed")
    sys.exit(1 if bad else 0)
