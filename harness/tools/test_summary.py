#!/usr/bin/env python3
"""Prints the closing line of ./x test: N passed, N failed, N skipped.

usage: test_summary.py TESTLOG.json MESON_STATUS

A Catch2 program counts by its test cases, any other test as one. Exits non-zero when Meson did, when something
failed, and when nothing ran at all: an empty run must not look like a passed one.
"""

import json
import re
import sys

ALL_PASSED = re.compile(r"All tests passed \((\d+) assertions? in (\d+) test cases?\)")
SOME_FAILED = re.compile(r"^test cases:\s*(\d+)(.*)$", re.MULTILINE)


def counts(test):
    """(passed, failed, skipped) of one entry of Meson's log."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    passed = test["result"] in ("OK", "EXPECTEDFAIL")
    output = test.get("stdout", "") or ""
    if match := ALL_PASSED.search(output):
        cases = int(match.group(2))
        return (cases, 0, 0) if passed else (cases, 1, 0)
    if match := SOME_FAILED.search(output):
        total = int(match.group(1))
        failed = re.search(r"(\d+) failed", match.group(2))
        failures = max(int(failed.group(1)) if failed else 0, 0 if passed else 1)
        return max(total - failures, 0), failures, 0
    return (1, 0, 0) if passed else (0, 1, 0)


def main():
    path, meson_status = sys.argv[1], int(sys.argv[2])
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log if line.strip()]
    totals = [sum(column) for column in zip(*map(counts, tests))] or [0, 0, 0]
    passed, failed, skipped = totals
    for test in tests:
        if test["result"] not in ("OK", "EXPECTEDFAIL", "SKIP"):
            print(f"{test['result']}: {test['name']}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if passed == 0 or failed > 0 or meson_status != 0:
        sys.exit(1)


if __name__ == "__main__":
    main()
