#!/usr/bin/env python3
"""Runs Flink's own test programs on millrace and compares what their sinks receive.

    ./run.py [--millrace PATH] [--only REGEX] [--json FILE] [--work DIR]

Needs JDK 17 and Maven for the dump (made once per work folder), see README.md. A program takes
part if it is pure (SQL, rows expected, no Java function) and each node of its plan is supported.
The raw changelog of every sink must equal the expected one as a multiset, at each batch size;
programs with rows to feed after a restore also go through a savepoint, at the same and at another
parallelism. Exit status 1 if any program failed.
"""

import argparse
import concurrent.futures
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent

# Until `millrace plan --supported --json` answers.
SUPPORTED = [
    "stream-exec-calc_1",
    "stream-exec-drop-update-before_1",
    "stream-exec-exchange_1",
    "stream-exec-global-window-aggregate_1",
    "stream-exec-group-aggregate_1",
    "stream-exec-local-window-aggregate_1",
    "stream-exec-sink_1",
    "stream-exec-sink_2",
    "stream-exec-table-source-scan_1",
    "stream-exec-table-source-scan_2",
    "stream-exec-union_1",
    "stream-exec-values_1",
    "stream-exec-watermark-assigner_1",
    "stream-exec-window-aggregate_1",
    "stream-exec-window-table-function_1",
]


COLUMNS = [("programs", 9), ("pass", 6), ("fail", 6), ("refused", 9)]


class Refused(Exception):
    """The program can't take part, or millrace said that it can't run it."""


class Failed(Exception):
    """millrace ran the program and did something else than Flink."""


def build_dump(path):
    """Writes the dump of all programs (README.md, "The dump")."""
    print("building the tools and dumping Flink's test programs ...", file=sys.stderr)
    subprocess.run(["mvn", "-B", "-q", "package"], cwd=HERE, check=True)
    jars = sorted(HERE.glob("target/lib/flink-table-planner_*-tests.jar"))
    jars += sorted(HERE.glob("target/lib/flink-table-api-java-*-tests.jar"))
    command = [HERE / "java.sh", "io.millrace.conformance.Programs", path, *jars]
    subprocess.run(command, check=True, stdout=sys.stderr)


def supported_nodes(millrace):
    """The node types that the binary can run."""
    try:
        answer = subprocess.run(
            [millrace, "plan", "--supported", "--json"], capture_output=True, text=True, timeout=60
        )
        nodes = json.loads(answer.stdout)
        return set(nodes["nodes"] if isinstance(nodes, dict) else nodes)
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return set(SUPPORTED)


def materialized(changes, table):
    """The rows that a changelog leaves: by primary key, or as a multiset."""
    names = [column["name"] for column in table["columns"] if column["physical"]]
    keys = [names.index(key) for key in table["primaryKey"]]
    if keys:
        rows = {}
        for change in changes:
            fields = split_row(change)
            key = tuple(fields[index] for index in keys)
            if change[:2] in ("+I", "+U"):
                rows[key] = "+I" + change[2:]
            else:
                rows.pop(key, None)
        return list(rows.values())
    count = collections.Counter()
    for change in changes:
        count["+I" + change[2:]] += 1 if change[:2] in ("+I", "+U") else -1
    if min(count.values(), default=0) < 0:
        raise Failed("a row was retracted that had not been there")
    return list(count.elements())


def split_row(text):
    """The fields of Flink's row form; brackets nest."""
    fields, depth, field = [], 0, ""
    for char in text[3:-1]:
        if char == "," and depth == 0:
            fields.append(field.strip())
            field = ""
            continue
        depth += char in "[{("
        depth -= char in "]})"
        field += char
    return fields + [field.strip()]


def difference(got, wanted):
    """Words for how two multisets differ, or ''."""
    got, wanted = collections.Counter(got), collections.Counter(wanted)
    if got == wanted:
        return ""
    missing = list((wanted - got).elements())
    extra = list((got - wanted).elements())
    words = []
    if missing:
        words.append(f"{len(missing)} missing: " + " ".join(missing[:3]))
    if extra:
        words.append(f"{len(extra)} too many: " + " ".join(extra[:3]))
    return "; ".join(words)


class Program:
    """One program of the dump, in a folder of its own."""

    def __init__(self, node, folder, options):
        self.node = node
        self.folder = folder
        self.options = options
        self.sources = {t["name"]: t for t in node["tables"] if t["role"] == "source"}
        self.sinks = {t["name"]: t for t in node["tables"] if t["role"] == "sink"}

    @property
    def name(self):
        return f'{self.node["class"]}/{self.node["id"]}'

    def write_rows(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        for table in self.sources.values():
            for phase in ("before", "after"):
                lines = [json.dumps(row, ensure_ascii=False) for row in table[phase]]
                text = "".join(line + "\n" for line in lines)
                (self.folder / f'{table["name"]}.{phase}.jsonl').write_text(text)

    def plan(self, phase, tag):
        """Writes the plan with its tables' options for a phase: 'before', 'after' or 'once'."""
        plan = json.loads(json.dumps(self.node["plans"][0]))
        for node in plan["nodes"]:
            for field in ("scanTableSource", "dynamicTableSink", "lookupTableSource"):
                table = node.get(field, {}).get("table")
                if table:
                    self.set_options(table, phase, tag)
        path = self.folder / f"{tag}.plan.json"
        path.write_text(json.dumps(plan, indent=1))
        return path

    def set_options(self, table, phase, tag):
        name = table["identifier"].split(".")[-1].strip("`")
        options = table["resolvedTable"]["options"]
        if name in self.sources:
            source = self.sources[name]
            options["values.rows-file"] = str(self.folder / f"{name}.before.jsonl")
            if phase == "after":
                options["values.rows-after-file"] = str(self.folder / f"{name}.after.jsonl")
            ends = phase == "once" or (phase == "after" and self.node["restore"] != "INFINITE")
            options["terminating"] = "true" if ends else "false"
            if source["metadata"]:
                keys = [column["key"] for column in source["metadata"]]
                options["values.metadata"] = ",".join(keys)
        if name in self.sinks:
            options["values.output-file"] = str(self.output(name, tag))

    def output(self, sink, tag):
        return self.folder / f"{tag}.{sink}.out"

    def run(self, phase, tag, batch_size, parallelism, savepoint=None):
        """Runs one phase and returns the savepoint that it left, if any."""
        for sink in self.sinks:
            self.output(sink, tag).unlink(missing_ok=True)
        command = [self.options.millrace, "run", self.plan(phase, tag)]
        command += ["-p", str(parallelism), "--batch-size", str(batch_size)]
        if savepoint:
            command += ["-s", savepoint]
        target = self.folder / f"{tag}.savepoint"
        stops = phase == "before" or (phase == "after" and self.node["restore"] == "INFINITE")
        if stops:
            shutil.rmtree(target, ignore_errors=True)
            command += ["--stop-with-savepoint", target]
            # INFINITE programs have windows of 10 s of processing time, which must fire first.
            is_slow = self.node["restore"] == "INFINITE"
            idle_ms = max(self.options.idle_ms, 12_000 if is_slow else 0)
            command += ["--stop-after-idle-ms", str(idle_ms)]
        # Plans do not keep this option.
        nested = (self.node.get("config") or {}).get("table.exec.sink.nested-constraint-enforcer")
        if nested:
            command += ["-D", f"table.exec.sink.nested-constraint-enforcer={nested}"]
        command += self.options.extra.split()
        try:
            done = subprocess.run(
                list(map(str, command)),
                capture_output=True,
                text=True,
                timeout=self.options.timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{phase}: no end after {self.options.timeout_s} s") from None
        (self.folder / f"{tag}.log").write_text(done.stdout + done.stderr)
        if done.returncode != 0:
            words = (done.stderr.strip() or done.stdout.strip()).splitlines()
            reason = words[-1] if words else f"exit status {done.returncode}"
            # A plan that can't be run is refused before anything starts.
            if re.search(r"not supported|unsupported|unknown (node|function|type)", reason, re.I):
                raise Refused(reason)
            raise Failed(f"{phase}: {reason}")
        return savepoint_of(target, done.stdout) if stops else None

    def changes(self, sink, tag):
        path = self.output(sink, tag)
        return path.read_text().splitlines() if path.exists() else []

    def compare(self, tags, side):
        """Compares all that the sinks received in the phases `tags` with the expected `side`."""
        for name, sink in self.sinks.items():
            expected = sink["expected"]
            got = [change for tag in tags for change in self.changes(name, tag)]
            if self.node["restore"] == "INFINITE" and side == "all":
                # Flink's test cancels the job once these have come; here it runs on, and the further windows
                # of the same rows fire.
                got = got[: len(expected["all"] or [])]
            if not sink["testsChangelog"] and expected["materialized"] is not None:
                if side == "before":
                    continue
                got, wanted = materialized(got, sink), expected["materialized"]
            elif side == "before":
                wanted = expected["before"] or []
            else:
                wanted = expected["all"] or []
            words = difference(got, wanted)
            if words:
                raise Failed(f"{name}: {words}")

    def has_restore(self):
        return self.node["restore"] in ("FINITE", "INFINITE")


def savepoint_of(target, stdout):
    """The savepoint that a run names on a line 'savepoint: PATH', else the newest in the folder."""
    match = re.search(r"^savepoint:\s*(\S+)", stdout, re.I | re.M)
    if match:
        return match.group(1)
    folders = sorted(target.glob("*/"), key=lambda path: path.stat().st_mtime)
    return str(folders[-1] if folders else target)


def check(program, results, options):
    """Runs a program in all its modes; appends to `results`."""

    def attempt(mode, action):
        try:
            action()
            results.append((program, mode, "pass", ""))
            return True
        except Refused as error:
            results.append((program, mode, "refused", str(error)))
        except Failed as error:
            results.append((program, mode, "fail", str(error)))
        return False

    program.write_rows()
    for batch_size in options.batch_sizes:
        tag = f"b{batch_size}"
        if not program.has_restore():

            def once():
                program.run("once", tag, batch_size, 1)
                program.compare([tag], "all")

            attempt(f"changelog, batch {batch_size}", once)
            continue
        savepoints = []

        def before():
            savepoints.append(program.run("before", tag, batch_size, 1))
            program.compare([tag], "before")

        if not attempt(f"changelog, batch {batch_size}", before):
            continue
        for parallelism in options.restore_parallelism:
            after_tag = f"{tag}.restored{parallelism}"

            def after():
                program.run("after", after_tag, batch_size, parallelism, savepoints[0])
                program.compare([tag, after_tag], "all")

            attempt(f"restore at {parallelism}, batch {batch_size}", after)


def obstacle(node, supported):
    """Why a program takes no part, or ''."""
    if not node["pure"]:
        return "not pure"
    if node.get("error"):
        return "Flink compiles no plan: " + node["error"]
    if len(node["plans"]) != 1:
        return "more than one job"
    unsupported = sorted({n["type"] for n in node["plans"][0]["nodes"]} - supported)
    if unsupported:
        return "nodes: " + ", ".join(unsupported)
    for table in node["tables"]:
        if table.get("rowsError"):
            return table["rowsError"]
    return ""


def table(nodes, outcomes, reasons):
    """Prints programs, passed, failed, refused by class."""
    by_class = collections.defaultdict(collections.Counter)
    for node in nodes:
        name = f'{node["class"]}/{node["id"]}'
        by_class[node["class"]]["programs"] += 1
        by_class[node["class"]][outcomes[name]] += 1
    total = collections.Counter()
    print(f'{"class":44}' + "".join(f"{key:>{width}}" for key, width in COLUMNS))
    for name, count in sorted(by_class.items()):
        total.update(count)
        numbers = "".join(f"{count[key]:{width}}" for key, width in COLUMNS)
        print(f"{name:44}{numbers}")
    numbers = "".join(f"{total[key]:{width}}" for key, width in COLUMNS)
    print(f'{"total":44}{numbers}')
    for outcome in ("fail", "refused"):
        for name in sorted(reasons):
            if outcomes[name] == outcome:
                print(f"{outcome:8} {name}: {reasons[name]}")
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millrace", default="build/release/millrace", help="the binary")
    parser.add_argument("--work", type=pathlib.Path, default=HERE / "target" / "programs")
    parser.add_argument("--dump", type=pathlib.Path, help="dump to use; made when there is none")
    parser.add_argument("--only", default="", help="regular expression on CLASS/ID")
    parser.add_argument("--json", type=pathlib.Path, help="write name, mode, result, reason")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 1024])
    parser.add_argument("--restore-parallelism", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--idle-ms", type=int, default=300, help="idle time that ends a phase")
    parser.add_argument("--jobs", type=int, default=4, help="programs at a time")
    parser.add_argument("--quick", action="store_true", help="without those that wait for the clock")
    parser.add_argument("--timeout-s", type=int, default=60)
    parser.add_argument("--extra", default="", help="further arguments of millrace run")
    parser.add_argument("--list", action="store_true", help="only list the programs that take part")
    options = parser.parse_args()

    dump = options.dump or options.work / "programs.jsonl"
    if not dump.exists():
        dump.parent.mkdir(parents=True, exist_ok=True)
        build_dump(dump)
    supported = supported_nodes(options.millrace)
    results, outcomes, reasons, nodes, programs = [], {}, {}, [], []
    for line in dump.read_text().splitlines():
        node = json.loads(line)
        name = f'{node["class"]}/{node["id"]}'
        if not node["pure"] or not re.search(options.only, name):
            continue
        nodes.append(node)
        words = obstacle(node, supported)
        if options.list:
            print(name if not words else f"{name}: refused, {words}")
            continue
        if words:
            outcomes[name], reasons[name] = "refused", words
            continue
        if options.quick and node["restore"] == "INFINITE":
            outcomes[name], reasons[name] = "refused", "processing time: takes minutes, left out by --quick"
            continue
        programs.append(Program(node, (options.work / node["class"] / node["id"]).resolve(), options))

    def run_all_modes(program):
        mine = []
        check(program, mine, options)
        return program, mine

    # They mostly wait: for a process to start, for a source to fall idle.
    for program, mine in concurrent.futures.ThreadPoolExecutor(options.jobs).map(run_all_modes, programs):
        name = program.name
        results += mine
        kinds = [result for _, _, result, _ in mine]
        outcomes[name] = "fail" if "fail" in kinds else "refused" if "refused" in kinds else "pass"
        reasons[name] = next((f"{mode}: {why}" for _, mode, _, why in mine if why), "")
        print(f"{outcomes[name]:8} {name}", file=sys.stderr)
    if options.list:
        return 0
    total = table(nodes, outcomes, reasons)
    if options.json:
        rows = [
            {"name": program.name, "mode": mode, "result": result, "reason": reason}
            for program, mode, result, reason in results
        ]
        rows += [
            {"name": name, "mode": "all", "result": "refused", "reason": reason}
            for name, reason in sorted(reasons.items())
            if outcomes[name] == "refused" and not any(r["name"] == name for r in rows)
        ]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if total["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())
