#!/usr/bin/env python3
"""Fails when a kernel spills registers or keeps arrays in local memory, by what ptxas said while it was compiled.

usage: resource_report_test.py REPORT…
"""
import pathlib
import re
import sys
import unittest

REPORTS = [pathlib.Path(p) for p in sys.argv[1:]]
KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def kernels(text):
    """(name, architecture, stack, stores, loads) of every kernel in a report. A kernel without figures is an error."""
    found, name = [], None
    for line in text.splitlines():
        if match := KERNEL.search(line):
            if name is not None:
                raise ValueError(f"no figures for {name[0]} on {name[1]}")
            name = match.groups()
        elif (match := STACK.search(line)) and name is not None:
            found.append((*name, *map(int, match.groups())))
            name = None
    if name is not None:
        raise ValueError(f"no figures for {name[0]} on {name[1]}")
    return found


class Resources(unittest.TestCase):
    def test_no_kernel_spills(self):
        self.assertTrue(REPORTS, "no report was given")
        for report in REPORTS:
            found = kernels(report.read_text(encoding="utf-8"))
            self.assertTrue(found, f"{report.name} speaks of no kernel")
            self.assertIn("sm_90a", {k[1] for k in found}, report.name)
            for name, architecture, stack, stores, loads in found:
                with self.subTest(kernel=name, architecture=architecture):
                    self.assertEqual((stack, stores, loads), (0, 0, 0))

    def test_a_spill_would_be_seen(self):
        spilled = ("ptxas info    : Compiling entry function '_Z1kv' for 'sm_90a'\n"
                   "ptxas info    : Function properties for _Z1kv\n"
                   "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n")
        self.assertEqual(kernels(spilled), [("_Z1kv", "sm_90a", 8, 4, 12)])
        with self.assertRaises(ValueError):
            kernels(spilled.splitlines()[0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
