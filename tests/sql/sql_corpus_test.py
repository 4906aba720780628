#!/usr/bin/env python3
"""Runs the queries of the .test files (README.md) on millrace and compares with the rows that Flink gave.

    tests/sql/sql_corpus_test.py [--build DIR] [--nightly] [--keep DIR] [FILE.test ...]

Needs JDK 17 for the planner (jobs/flink), which is built by Maven if it isn't yet. Every query runs in every
configuration, and passes if all of them pass. One whose plan millrace can't run is refused, not failed. The test passes
if at least MUST_PASS queries pass and at most KNOWN_WRONG fail; with FILEs these numbers are left aside. --keep keeps
plans, rows and outputs: FILE/QUERY-LINE.*.
"""
import argparse
import collections
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PLANNER = os.path.join(TOP, "jobs/flink")

# Set to what passes and fails, so that neither fewer passes nor one more failure goes unseen.
MUST_PASS = 382
# The one that fails: TRY_CAST of odd strings to DECIMAL. Up to 18 digits Flink reads what stands before the first
# character that is no digit ("1a" is 1, "." is 0), above that digits of any script; Millrace refuses both.
KNOWN_WRONG = 1

TINY_STATE = ["-D", "state.backend.rocksdb.memory.fixed-per-tm=64kb"]
NORMAL = [("p 1, batch 1024", ["-p", "1", "--batch-size", "1024"]),
          ("p 1, batch 1", ["-p", "1", "--batch-size", "1"]),
          # The least budget: all rows of state leave memory after each batch.
          ("rocksdb in 64 KB, batch 1", ["-p", "1", "--batch-size", "1", *TINY_STATE])]
NIGHTLY = [("p 4, batch 1024", ["-p", "4", "--batch-size", "1024"]),
           ("p 4, batch 1", ["-p", "4", "--batch-size", "1"]),
           ("rocksdb in 64 KB, batch 1024", ["-p", "1", "--batch-size", "1024", *TINY_STATE]),
           ("rocksdb in 64 KB, p 4", ["-p", "4", "--batch-size", "32", *TINY_STATE]),
           ("hashmap", ["-p", "1", "--batch-size", "1024", "-D", "state.backend.type=hashmap"])]

TABLE = re.compile(r"table\s+(\w+)\s*(\(.*\))\s*(?:with\s+(.*))?", re.S)
ROW = re.compile(r"(?:([+-][IUD])\s*)?(\[.*\])")
SETTING = re.compile(r"set\s+'([^']*)'\s*=\s*'([^']*)'")
REFUSAL = re.compile(r"not supported|there is no operator|unknown function|does not take .* yet", re.I)
TIMEOUT_S = 60


class Block:
    """Lines before the ---- and after it (None without)."""

    def __init__(self, line):
        self.line, self.head, self.rows = line, [], None

    def text(self):
        return "\n".join(line for line in self.head if not line.startswith("#"))

    def split(self):
        """The first line that is no comment, and the SQL behind it."""
        first, _, rest = self.text().partition("\n")
        return first, re.sub(r";$", "", rest.strip())


def blocks_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        lines = re.split(r"\r\n|\n|\r", file.read())
    blocks, block = [], None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            block = None
            continue
        if block is None:
            block = Block(number)
            blocks.append(block)
        if block.rows is not None:
            block.rows.append(line)
        elif line == "----":
            block.rows = []
        else:
            block.head.append(line.rstrip())
    return [b for b in blocks if b.text()]


def has_disorder(block):
    """Whether rows stand out of order in a watermarked column, so that some may come late."""
    table = TABLE.fullmatch(block.text())
    watermark = re.search(r"WATERMARK\s+FOR\s+`?(\w+)", table.group(2), re.I)
    if not watermark:
        return False
    # Physical columns only: a comma between parentheses or within a computed column is no border.
    flat = table.group(2).strip()[1:-1]
    while re.search(r"\([^()]*\)", flat):
        flat = re.sub(r"\([^()]*\)", "", flat)
    columns = [c.split()[0].strip("`") for c in flat.split(",")
               if c.split() and not re.search(r"^\s*\S+\s+AS\s|^\s*WATERMARK\s|^\s*PRIMARY\s", c, re.I)]
    if watermark.group(1) not in columns:
        return True
    column = columns.index(watermark.group(1))
    rows = [json.loads(ROW.fullmatch(line.strip()).group(2)) for line in block.rows or []]
    times = [row[column].rstrip("Z") for row in rows if row[column] is not None]
    return times != sorted(times)


class Planner:
    """The planner as a child process that stays warm."""

    def __init__(self, connectors):
        self.process = subprocess.Popen([os.path.join(PLANNER, "planner"), "--connectors", connectors],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                                        env={"LOG": "error", **os.environ})

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the planner ended, see standard error")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Query:
    def __init__(self, where, mode, expected, base):
        self.where, self.mode, self.expected, self.base = where, mode, expected, base
        self.plan = None        # path
        self.options = []       # arguments of millrace run
        self.error = None       # the planner's
        self.is_late = False    # an exchange, and rows that may come late
        self.results = []       # (configuration, "pass" | "fail" | "refused", words)

    def outcome(self):
        kinds = {kind for _, kind, _ in self.results}
        return "fail" if "fail" in kinds or not kinds else "refused" if "refused" in kinds else "pass"


def connectors_file(millrace, folder):
    """The binary's connectors, but `values` as the planner has it: with the options of Flink's test connector."""
    made = json.loads(subprocess.run([millrace, "options", "--json"], check=True, capture_output=True).stdout)
    own = os.path.join(PLANNER, "src/main/resources/io/millrace/planner/connectors.json")
    with open(own, encoding="utf-8") as file:
        values = [c for c in json.load(file)["connectors"] if c["name"] == "values"]
    made["connectors"] = [c for c in made["connectors"] if c["name"] != "values"] + values
    path = os.path.join(folder, "connectors.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(made, file)
    return path


def write_rows(block, path):
    with open(path, "w", encoding="utf-8") as file:
        for line in block.rows or []:
            row = ROW.fullmatch(line.strip())
            if not row:
                raise ValueError("not a row: " + line)
            # The row stays as it is written, so that no digit of a number is lost.
            file.write('{"kind": "%s", "row": %s}\n' % (row.group(1) or "+I", row.group(2)))


def create_table(block, folder):
    table = TABLE.fullmatch(block.text())
    if not table:
        raise ValueError("not a table: " + block.text())
    name, schema, given = table.groups()
    rows = os.path.join(folder, name + ".rows.jsonl")
    write_rows(block, rows)
    options = ["'connector' = 'values'", "'values.rows-file' = '%s'" % rows.replace("'", "''")]
    if "WATERMARK FOR" in schema.upper():
        options += ["'disable-lookup' = 'true'", "'enable-watermark-push-down' = 'true'",
                    "'scan.watermark.emit.strategy' = 'on-event'"]
    if given:
        options.append(given)
    return "CREATE TABLE %s %s WITH (%s)" % (name, schema, ", ".join(options))


def count_nodes(plan, kind):
    return sum(kind in node["type"] for node in plan["nodes"])


def sources_of(plan):
    return {node["scanTableSource"]["table"]["identifier"].split(".")[-1].strip("`")
            for node in plan["nodes"] if "scanTableSource" in node}


def compile_file(path, planner, folder, queries, problems):
    """Sends a file's blocks to the planner, as one session, and appends its queries."""
    name = os.path.basename(path)[:-len(".test")]
    folder = os.path.join(folder, name)
    os.makedirs(folder, exist_ok=True)
    late = set()

    def ask(script):
        return planner.ask(id=1, session=name, script=script, options={"table.local-time-zone": "UTC"})

    for block in blocks_of(path):
        where = "%s:%d" % (os.path.basename(path), block.line)
        directive, sql = block.split()
        try:
            if re.match(r"query\b", directive):
                mode = directive[len("query"):].strip()
                if mode.split(" ")[0] not in ("", "ordered", "materialized", "error"):
                    raise ValueError("unknown mode of a query: " + mode)
                query = Query(where, mode, block.rows or [], os.path.join(folder, str(block.line)))
                queries.append(query)
                answer = ask(sql)
                if "error" in answer:
                    query.error = answer["error"]["message"]
                else:
                    take_plan(query, answer["plans"])
                    is_late = bool(late & sources_of(query.plan))
                    query.is_late = is_late and count_nodes(query.plan, "exchange") > 0
                continue
            if directive.startswith("table "):
                script = create_table(block, folder)
                if has_disorder(block):
                    late.add(TABLE.fullmatch(block.text()).group(1))
            elif directive.startswith("set "):
                settings = [SETTING.fullmatch(line) for line in block.text().split("\n")]
                script = ";\n".join("SET '%s' = '%s'" % setting.groups() for setting in settings)
            elif directive == "statement":
                script = sql
            else:
                raise ValueError("unknown block: " + directive)
            answer = ask(script)
            if "error" in answer:
                raise ValueError(answer["error"]["message"])
        except (ValueError, AttributeError) as error:
            problems.append("%s: %s" % (where, error))
    planner.ask(id=1, session=name, close=True)


def take_plan(query, plans):
    if len(plans) != 1:
        raise ValueError("%d plans rather than one" % len(plans))
    for key, value in plans[0]["options"].items():
        query.options += ["-D", "%s=%s" % (key, value)]
    query.plan = plans[0]["plan"]


def run_query(query, millrace, configurations):
    for number, (name, arguments) in enumerate(configurations):
        kind, words = run_once(query, millrace, "%s.%d" % (query.base, number), arguments)
        query.results.append((name, kind, words))
        if kind == "refused" or query.error is not None:
            return


def run_once(query, millrace, base, arguments):
    if query.error is not None:
        return "fail", "the planner fails: " + query.error.split("\n")[0]
    output = base + ".out"
    if os.path.exists(output):
        os.remove(output)       # the sink appends
    for node in query.plan["nodes"]:
        if "dynamicTableSink" in node:
            options = node["dynamicTableSink"]["table"]["resolvedTable"]["options"]
            options.clear()
            options.update({"connector": "values", "values.output-file": output})
    plan = base + ".plan.json"
    with open(plan, "w", encoding="utf-8") as file:
        json.dump(query.plan, file)
    command = [millrace, "run", plan, "-q", "--rest-port", "-1"] + arguments + query.options
    try:
        run = subprocess.run(command, capture_output=True, encoding="utf-8", errors="surrogateescape",
                             stdin=subprocess.DEVNULL, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return "fail", "no end after %d s" % TIMEOUT_S
    said = run.stderr.strip()
    last = said.splitlines()[-1] if said else "no words"
    if run.returncode == 2 and REFUSAL.search(said):
        return "refused", last
    if run.returncode == 1:
        return judge_error(query, said)
    if run.returncode != 0:
        return "fail", "exit status %d: %s" % (run.returncode, last)
    lines = []
    if os.path.exists(output):
        with open(output, encoding="utf-8", errors="surrogateescape", newline="") as file:
            lines = file.read().split("\n")
        if lines[-1] == "":
            lines.pop()
    if query.mode.startswith("error"):
        return "fail", "should fail with %r, but gives %s" % (" ".join(query.expected), " ".join(lines[:6]))
    mode, expected = query.mode, query.expected
    if arguments[:2] != ["-p", "1"]:
        if query.is_late:
            return "pass", ""   # several subtasks feed the watermark, so it is open which rows come late
        if mode == "ordered":
            mode = ""
        if mode == "" and count_nodes(query.plan, "exchange") > 1:
            # The order among the keys of the first decides which changes the second gives.
            mode, expected = "materialized", materialized(expected)[0]
    if mode == "materialized":
        lines, left_over = materialized(lines)
        if left_over:
            return "fail", "retracted, but had not been there: " + " ".join(left_over[:6])
    if mode == "ordered":
        words = "" if lines == expected else difference(lines, expected) or "another order"
    else:
        words = difference(lines, expected)
    return ("fail", words) if words else ("pass", "")


def judge_error(query, said):
    if not query.mode.startswith("error"):
        return "fail", "the job fails: " + said
    wanted = query.mode[len("error"):].strip()
    if wanted not in said:
        return "fail", "the job fails with other words than %r: %s" % (wanted, said)
    return "pass", ""


def materialized(changes):
    """The rows that a changelog leaves, and those that it takes away without their being there."""
    count = collections.Counter()
    left_over = []
    for change in changes:
        row = "+I" + change[2:]
        if change.startswith("+"):
            count[row] += 1
        elif count[row] > 0:
            count[row] -= 1
        else:
            left_over.append(change)
    return list(count.elements()), left_over


def difference(got, wanted):
    """Words for how two multisets differ, or ''."""
    got, wanted = collections.Counter(got), collections.Counter(wanted)
    missing, extra = list((wanted - got).elements()), list((got - wanted).elements())
    words = []
    for name, rows in (("missing", missing), ("too many", extra)):
        if rows:
            words.append("%d %s: %s%s" % (len(rows), name, " ".join(rows[:4]), " ..." if len(rows) > 4 else ""))
    return "\n    ".join(words)


def report(queries, problems):
    outcomes = collections.Counter(query.outcome() for query in queries)
    for query in queries:
        if query.outcome() == "fail":
            configurations = collections.defaultdict(list)
            for name, kind, words in query.results:
                if kind == "fail":
                    configurations[words].append(name)
            for words, names in configurations.items():
                where = "all" if len(names) == len(query.results) else "; ".join(names)
                print("fail %s (%s)\n    %s" % (query.where, where, words))
    reasons = collections.defaultdict(list)
    for query in queries:
        if query.outcome() == "refused":
            words = next(words for _, kind, words in query.results if kind == "refused")
            # The same reason at other nodes of other plans.
            reasons[re.sub(r"\bnode \d+", "node N", words)].append(query.where)
    for words, places in sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0])):
        print("refused %d: %s (%s%s)" % (len(places), words, places[0], ", ..." if len(places) > 1 else ""))
    for problem in problems:
        print("problem " + problem)
    return outcomes


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build/release"))
    parser.add_argument("--nightly", action="store_true")
    parser.add_argument("--keep", help="folder for plans, rows and outputs")
    parser.add_argument("files", nargs="*")
    arguments = parser.parse_args()
    millrace = os.path.join(os.path.abspath(arguments.build), "millrace")
    if not glob.glob(os.path.join(PLANNER, "target/millrace-planner-*.jar")):
        subprocess.run(["mvn", "-q", "-B", "package"], cwd=PLANNER, check=True)
    configurations = NORMAL + (NIGHTLY if arguments.nightly else [])
    files = arguments.files or sorted(glob.glob(os.path.join(HERE, "*.test")))
    queries, problems, start = [], [], time.time()
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.abspath(arguments.keep or temporary)
        os.makedirs(folder, exist_ok=True)
        planner = Planner(connectors_file(millrace, folder))
        for path in files:
            compile_file(path, planner, folder, queries, problems)
        planner.close()
        compiled = time.time()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda query: run_query(query, millrace, configurations), queries))
    outcomes = report(queries, problems)
    print("planning %.1f s, running %.1f s" % (compiled - start, time.time() - compiled))
    passed, failed = outcomes["pass"], outcomes["fail"]
    print("%d queries: %d passed, %d failed, %d refused" % (len(queries), passed, failed, outcomes["refused"]))
    wrong = len(problems) + failed
    if not arguments.files:
        if passed > MUST_PASS or failed < KNOWN_WRONG:
            print("better than MUST_PASS = %d, KNOWN_WRONG = %d: set them anew" % (MUST_PASS, KNOWN_WRONG))
        wrong = len(problems) + max(0, failed - KNOWN_WRONG) + max(0, MUST_PASS - passed)
    print("%d passed, %d failed" % (passed, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
