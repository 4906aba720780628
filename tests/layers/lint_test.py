#!/usr/bin/env python3
"""Holds the tree against the rules that the compiler can't see.

    lint_test.py [--top DIR]

Which layer may use which, and which library belongs to which, is read from CMakeLists.txt and tests/CMakeLists.txt.
Every rule is first shown a small tree that breaks it and must find that, then it is run over the files that git
knows. Prints what is wrong as FILE:LINE: WORDS; the last line is "N passed, N failed", counted in rules.
"""
import argparse
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MOST_LINES = 1000
CPP = (".h", ".cpp")
SOURCES = CPP + (".py", ".java", ".sh", ".cmake", ".js", ".ts")

# Headers of a library by how their name begins, the CMake targets that stand for it, and the layers that may
# link it at all (None: any; a trailing * takes all below). CMakeLists.txt decides within these.
LIBRARIES = {
    "boost/asio": (("Boost::headers",), ("runtime/net",)),
    "boost/beast": (("Boost::headers",), ("runtime/net",)),
    "boost/": (("Boost::headers",), ("runtime/types", "runtime/net")),
    "date/": (("date::date-tz", "date::date"), ("runtime/types",)),
    "openssl/": (("OpenSSL::SSL", "OpenSSL::Crypto"), ("runtime/net", "connectors")),
    "nghttp2/": (("PkgConfig::NGHTTP2",), ("runtime/net",)),
    "curl/": (("CURL::libcurl",), ("runtime/net",)),
    "thrift/": (("PkgConfig::THRIFT",), ("runtime/cluster",)),
    "prometheus/": (("prometheus-cpp::core",), ("runtime/cluster",)),
    "rocksdb/": (("RocksDB::rocksdb-shared", "RocksDB::rocksdb"), ("state",)),
    "xxhash.h": (("PkgConfig::XXHASH",), ("state",)),
    "librdkafka/": (("PkgConfig::RDKAFKA", "RdKafka::rdkafka"), ("connectors",)),
    "simdjson.h": (("simdjson::simdjson",), ("connectors", "operators")),
    "pcre2.h": (("PkgConfig::PCRE2",), ("operators",)),
    "unicode/": (("ICU::uc", "ICU::i18n"), ("operators",)),
    "CLI/": (("CLI11::CLI11",), ("jobs",)),
    "nlohmann/": (("nlohmann_json::nlohmann_json",), None),
    "catch2/": (("Catch2::Catch2WithMain",), ("tests*",)),
    "benchmark/": (("benchmark::benchmark",), ("tests*",)),
}
NOT_OF_NLOHMANN = ("runtime/types",)
# Headers that must stay in .cpp files, or in headers that no other folder includes.
HEAVY = ("boost/asio", "boost/beast", "thrift/", "rocksdb/", "librdkafka/", "simdjson.h", "pcre2.h", "prometheus/")
# The C library, POSIX, Linux and the compiler: <name.h> without a folder, or in one of these.
SYSTEM_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "net/", "asm/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


class Tree:
    """Files by path, and the architecture that the two CMakeLists.txt declare."""

    def __init__(self, files):
        self.files = files
        self.uses, self.links = {}, {}
        self.declare(files.get("CMakeLists.txt", ""), "layer", "")
        self.declare(files.get("tests/CMakeLists.txt", ""), "test_program", "tests/")
        self.declare(files.get("tests/CMakeLists.txt", "").replace("bench_programs(", "bench_programs(bench "),
                     "bench_programs", "tests/")
        if "tests/CMakeLists.txt" in files:
            self.uses["tests/harness"], self.links["tests/harness"] = ["runtime/api"], []
        for folder in self.links:
            if folder.startswith("tests/"):
                self.links[folder].append("Catch2::Catch2WithMain")
        self.layers = {folder for folder in self.uses if not folder.startswith("tests/")}

    def declare(self, text, function, prefix):
        text = re.sub(r"#.*", "", text)
        for call in re.findall(r"(?<![\w(])%s\(([^)$]*)\)" % function, text):
            words = call.split()
            if not words or words[0] == function:
                continue
            folder, lists, current = prefix + words[0], {"USES": [], "LINKS": []}, None
            for word in words[1:]:
                if word in lists:
                    current = lists[word]
                elif current is not None:
                    current.append(word)
            self.uses[folder], self.links[folder] = lists["USES"], lists["LINKS"]

    def folder_of(self, path):
        """The layer or test program that a file belongs to: the longest that begins its path; None: no one's."""
        found = [folder for folder in self.uses if path.startswith(folder + "/")]
        return max(found, key=len) if found else None

    def visible(self, folder):
        """What a folder may include: itself, and whatever it uses, over any number of steps."""
        seen, waiting = set(), [folder]
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += self.uses.get(one, [])
        return seen

    def linked(self, folder):
        """Libraries of a folder. A test may name those of the layers that it uses itself."""
        return set(self.links.get(folder, []))

    def includes(self):
        """(path, line, '<' or '"', name) of every #include in C++ files."""
        for path, text in self.files.items():
            if path.endswith(CPP):
                for match in INCLUDE.finditer(text):
                    yield path, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def library_of(name):
    found = [prefix for prefix in LIBRARIES if name.startswith(prefix)]
    return max(found, key=len) if found else None


def relative_includes(tree):
    for path, line, kind, name in tree.includes():
        if kind == '"' and (name.startswith(".") or "/../" in name):
            yield path, line, "an include by a relative path hides which layer it is of: " + name


def is_generated(name):
    """Thrift makes X_types.h of X.thrift in the build tree."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return name.endswith("_types.h") and os.path.exists(os.path.join(top, name[:-len("_types.h")] + ".thrift"))


def direction(tree):
    """An include names its file from the top, and its layer is one that CMakeLists.txt lets it use."""
    for path, line, kind, name in tree.includes():
        folder = tree.folder_of(path)
        if kind != '"' or folder is None or name.startswith("."):
            continue
        if folder.startswith("tests/") and name.startswith("tests/"):
            other = tree.folder_of(name)
            if other not in (folder, "tests/harness"):
                yield path, line, "a test includes another folder's tests: " + name
            continue
        other = tree.folder_of(name)
        if other is None or other not in tree.layers:
            yield path, line, "an include of no layer (paths begin at the top): " + name
        elif other not in tree.visible(folder):
            yield path, line, "%s does not use %s, but includes %s" % (folder, other, name)
        elif name not in tree.files and not is_generated(name):
            yield path, line, "no such file: " + name


def third_party(tree):
    for path, line, kind, name in tree.includes():
        folder = tree.folder_of(path)
        if kind != "<" or folder is None:
            continue
        library = library_of(name)
        if library is None:
            plain = "/" not in name or name.startswith(SYSTEM_FOLDERS)
            if not plain or name.endswith(".hpp"):
                yield path, line, "a library that the lint does not know: <%s>" % name
            continue
        targets, folders = LIBRARIES[library]
        allowed = folders is None or any(
            folder == one or (one.endswith("*") and folder.startswith(one[:-1])) for one in folders)
        if library == "nlohmann/" and folder in NOT_OF_NLOHMANN:
            allowed = False
        if not allowed:
            yield path, line, "<%s> has no place in %s" % (name, folder)
        elif not any(target in tree.linked(folder) for target in targets):
            yield path, line, "<%s>, but %s does not name its library under LINKS" % (name, folder)


def library_links(tree):
    """LINKS of a layer stay within the design, so that the rule above can't be widened unseen."""
    for folder in tree.layers:
        for target in tree.links[folder]:
            owners = [folders for targets, folders in LIBRARIES.values() if target in targets]
            fits = any(folders is None or folder in folders for folders in owners)
            if not fits or (target.startswith("nlohmann") and folder in NOT_OF_NLOHMANN):
                yield "CMakeLists.txt", 1, "layer %s may not link %s" % (folder, target)


def heavy_headers(tree):
    """A header with RocksDB, Asio, ... in it is not for other folders."""
    heavy = {path for path, _, kind, name in tree.includes()
             if path.endswith(".h") and kind == "<" and name.startswith(HEAVY)}
    for path, line, kind, name in tree.includes():
        if kind == '"' and name in heavy and os.path.dirname(name) != os.path.dirname(path):
            yield path, line, "includes %s of another folder, which includes a library's headers" % name


def claimed(tree):
    for path in tree.files:
        if path.endswith(CPP) and tree.folder_of(path) is None:
            yield path, 1, "a C++ file in no layer and no test program"


def length(tree):
    for path, text in tree.files.items():
        lines = text.count("\n")
        if (path.endswith(SOURCES) or path == "dev") and lines > MOST_LINES:
            yield path, lines, "%d lines; over %d a file is split" % (lines, MOST_LINES)


def readmes(tree):
    """A folder with sources has a README.md, or the nearest one above it names the folder."""
    maven = {os.path.dirname(path) for path in tree.files if path.endswith("pom.xml")}
    for folder in sorted({os.path.dirname(path) for path in tree.files if path.endswith(SOURCES)}):
        for module in maven:  # below src/ the folders are Maven's and Java's
            if folder.startswith(module + "/src/"):
                folder = module
        above = folder
        while above and above + "/README.md" not in tree.files:
            above = os.path.dirname(above)
        if not above:
            if folder not in ("", "cmake"):
                yield folder or ".", 1, "no README.md here or above"
        elif above != folder and folder[len(above) + 1:] not in tree.files[above + "/README.md"]:
            yield folder, 1, "no README.md, and %s/README.md does not speak of %s" % (above, folder[len(above) + 1:])


def unfinished(tree):
    word = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    for path, text in tree.files.items():
        if path.endswith(SOURCES) or path.endswith((".md", "CMakeLists.txt")) or path == "dev":
            for match in word.finditer(text):
                yield path, text.count("\n", 0, match.start()) + 1, "unfinished work: " + match.group()


def places(tree):
    """No file knows where it lies on the machine of whoever wrote it."""
    place = re.compile(r"(?<![\w.$}/~-])/(wo" r"rk|home/\w+|Us" r"ers/\w+)/[\w.]")
    for path, text in tree.files.items():
        for match in place.finditer(text):
            yield path, text.count("\n", 0, match.start()) + 1, "a path of one machine: " + match.group()


CMAKE = "layer(runtime/types LINKS date::date-tz)\nlayer(runtime/api USES runtime/types)\n" \
        "layer(runtime/net USES runtime/api LINKS Boost::headers)\nlayer(state USES runtime/api)\n"
NET = {"CMakeLists.txt": CMAKE, "runtime/net/socket.h": "#include <boost/asio.hpp>\n"}
# Each rule with trees that break it.
RULES = [
    (relative_includes, [{"state/a.cpp": '#include "../runtime/api/b.h"\n'}]),
    (direction, [{"CMakeLists.txt": CMAKE, "runtime/types/a.h": '#include "state/b.h"\n', "state/b.h": ""},
                 {"CMakeLists.txt": CMAKE, "state/a.h": '#include "runtime/net/b.h"\n', "runtime/net/b.h": ""},
                 {"CMakeLists.txt": CMAKE, "state/a.h": '#include "b.h"\n', "state/b.h": ""}]),
    (third_party, [{"CMakeLists.txt": CMAKE, "state/a.cpp": "#include <boost/asio.hpp>\n"},
                   {"CMakeLists.txt": CMAKE, "state/a.cpp": "#  include <rocksdb/db.h>\n"},
                   {"CMakeLists.txt": CMAKE, "runtime/types/a.h": "#include <nlohmann/json_fwd.hpp>\n"},
                   {"CMakeLists.txt": CMAKE, "state/a.cpp": "#include <arrow/api.h>\n"}]),
    (library_links, [{"CMakeLists.txt": "layer(state LINKS Boost::headers)\n"},
                     {"CMakeLists.txt": "layer(runtime/types LINKS nlohmann_json::nlohmann_json)\n"}]),
    (heavy_headers, [dict(NET, **{"runtime/net2/a.cpp": '#include "runtime/net/socket.h"\n'})]),
    (claimed, [{"CMakeLists.txt": CMAKE, "extras/a.cpp": ""}]),
    (length, [{"state/a.cpp": "\n" * (MOST_LINES + 1)}]),
    (readmes, [{"state/a.cpp": ""}, {"state/README.md": "", "state/cold/a.cpp": ""}]),
    (unfinished, [{"state/a.cpp": "// TO" "DO: later\n"}]),
    (places, [{"notes.md": "see /wo" "rk/main/a\n"}, {"a.json": '{"path": "/home/some' 'one/x"}'}]),
]


def read_files(top):
    listed = subprocess.run(["git", "-C", top, "ls-files", "-z", "-co", "--exclude-standard"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if listed.returncode == 0:
        paths = [path for path in listed.stdout.decode().split("\0") if path]
    else:  # not a checkout: everything but what builds make
        paths = []
        for root, folders, files in os.walk(top):
            folders[:] = [f for f in folders if f not in ("build", "target", "__pycache__", ".git", ".demo", ".venv")]
            paths += [os.path.relpath(os.path.join(root, name), top) for name in files]
    files = {}
    for path in sorted(paths):
        full = os.path.join(top, path)
        if os.path.isfile(full) and not os.path.islink(full):
            with open(full, "rb") as file:
                content = file.read()
            files[path] = "" if b"\0" in content[:4096] else content.decode("utf-8", "replace")
    return files


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--top", default=TOP)
    parser.add_argument("--build", help="not used")
    parser.add_argument("--nightly", action="store_true", help="not used")
    arguments = parser.parse_args()
    tree = Tree(read_files(arguments.top))
    passed = failed = 0
    for rule, examples in RULES:
        name = rule.__name__.replace("_", " ")
        wrong = ["%s: does not see what breaks it: %s" % (name, sorted(example))
                 for example in examples if not list(rule(Tree(example)))]
        wrong += ["%s:%d: %s" % one for one in rule(tree)]
        print("%-18s %s" % (name, "ok" if not wrong else "%d violations" % len(wrong)))
        for words in wrong:
            print("  " + words)
        passed += not wrong
        failed += bool(wrong)
    if len(tree.layers) < 2 or not any(path.endswith(".cpp") for path in tree.files):
        print("found no layers or no C++ files under " + arguments.top)
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
