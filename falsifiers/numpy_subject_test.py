#!/usr/bin/env python3
"""A stranger's quantiser under our contract: the right one survives, the one that rounds ties away is caught.

usage: numpy_subject_test.py FOLDER_OF_WORKERS SERVER        (exit 77: no numpy, skipped)
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from worker_harness import FP8, TENSORS, job, record

SERVER = pathlib.Path(sys.argv.pop())
WORKER = pathlib.Path(sys.argv.pop()) / "falsify_crux_b_11"
SATFINITE = FP8 | {"overflow": ["satfinite"]}


def outcome(number, parameters, server):
    a_job = job("CRUX-B-11", f"FALSIFY-CRUX-B-11-{number:03}", "numpy", parameters=parameters, external_subject=str(server))
    return record(WORKER, a_job)


class NumpySubject(unittest.TestCase):
    def test_it_survives_what_it_serves(self):
        for number, parameters in ((3, {"formats": ["e4m3", "e5m2"]}), (4, FP8), (5, FP8),
                                   (7, FP8 | {"rounding": "ties_lower"}), (12, FP8 | TENSORS), (14, FP8 | TENSORS),
                                   (13, SATFINITE | TENSORS | {"families": ["zeros", "subnormals", "near_overflow"]}),
                                   (11, SATFINITE | TENSORS | {"relative_slack": 1.2e-7})):
            with self.subTest(number=number):
                result = outcome(number, parameters, SERVER)
                self.assertEqual(result["outcome"], "survived", result["message"])
                self.assertGreater(result["comparisons"], 0)

    def test_the_negated_check_refutes_it(self):
        a_job = job("CRUX-B-11", "FALSIFY-CRUX-B-11-004", "numpy", parameters=FP8, external_subject=str(SERVER), arm="negated")
        self.assertEqual(record(WORKER, a_job)["outcome"], "refuted")

    def test_a_mutant_stands_in_for_it(self):
        a_job = job("CRUX-B-11", "FALSIFY-CRUX-B-11-004", "numpy", parameters=FP8, external_subject="/no/such/server",
                    arm="mutant", mutant="ties_away")
        self.assertEqual(record(WORKER, a_job)["outcome"], "refuted")

    def test_rounding_ties_away_is_caught(self):
        with tempfile.TemporaryDirectory() as folder:
            away = pathlib.Path(folder) / "away"
            away.write_text(f'#!/bin/sh\nexec "{SERVER.resolve()}" --ties-away "$@"\n')
            os.chmod(away, 0o755)
            for number in (4, 5):
                result = outcome(number, FP8, away)
                self.assertEqual(result["outcome"], "refuted")
                self.assertIn("e4m3", result["message"])


if __name__ == "__main__":
    interpreter = SERVER.read_text().splitlines()[0][2:]
    if subprocess.run([interpreter, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode != 0:
        sys.exit(77)
    unittest.main()
