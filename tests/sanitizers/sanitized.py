"""Builds test programs under a sanitizer and runs them: what asan_test.py and tsan_test.py share."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(preset, programs, environment, command=(), jobs=None):
    """`programs`: name and arguments of each. `command`: what starts them. Prints the counts; gives the exit status."""
    subprocess.run(["cmake", "--preset", preset], cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    build = subprocess.run(["cmake", "--build", "build/" + preset, "-j", str(jobs or os.cpu_count()), "--target",
                            *[name for name, _ in programs]], cwd=TOP, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    if build.returncode:
        print(build.stdout[-4000:])
        print("0 passed, 1 failed")
        return 1
    passed = failed = 0
    for name, arguments in programs:
        test = subprocess.run([*command, os.path.join("build", preset, "tests", name), *arguments], cwd=TOP,
                              env=dict(os.environ, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        match = re.search(r"All tests passed \(\d+ assertions? in (\d+) test cases?\)", test.stdout)
        if test.returncode or not match or "WARNING: ThreadSanitizer" in test.stdout:
            print(name + ":\n" + test.stdout[-6000:])
            failed += 1
        else:
            print("%s: %s test cases clean" % (name, match.group(1)))
            passed += int(match.group(1))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0
