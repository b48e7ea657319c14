#!/usr/bin/env python3
"""What refute says of attention kernels whose fault is known.

usage: planted_attention_test.py REFUTE SERVER SOURCE_ROOT
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

REFUTE, SERVER, ROOT = (pathlib.Path(p).resolve() for p in sys.argv[1:4])
del sys.argv[1:]
CONTRACT = "contracts/crux-L-02-v1.yaml"
PARITY = "FALSIFY-CRUX-L-02-010"  # bf16 against the f64 oracle


class Planted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.path = pathlib.Path(folder.name)
        cls.addClassCleanup(folder.cleanup)

    def refute(self, *arguments):
        done = subprocess.run([REFUTE, *map(str, arguments), "--store", self.path / "store"], cwd=ROOT, text=True,
                              capture_output=True, check=False, timeout=240)
        return done.returncode, done.stdout

    def run_with(self, fault, claim=PARITY):
        server = self.path / fault
        if not server.is_symlink():
            server.symlink_to(SERVER)
        return self.refute("run", CONTRACT, "--worker", server, "--subject", fault, "--claim", claim)

    def test_right_kernels_survive_everything(self):
        # What all mutants are made of: they have to die of their fault. One thread is no split.
        for name in ("right", "split_by_threads"):
            with self.subTest(name=name):
                status, out = self.run_with(name, "*")
                self.assertEqual(status, 0, out)
                self.assertIn("survived on " + name, out)
                self.assertNotIn("refuted on " + name, out)

    def test_a_fault_of_one_type_scale_or_size_is_found(self):
        for fault, claim in {
            "ignores_scale": "FALSIFY-CRUX-L-02-011",
            "rows_from_200_zero": "FALSIFY-CRUX-L-02-011",
            "heads_from_6_zero": "FALSIFY-CRUX-L-02-011",
            "wide_full_zero": "FALSIFY-CRUX-L-02-011",
            "f16_long": "FALSIFY-CRUX-L-02-011",
            "mask_by_weight_in_f16": "FALSIFY-CRUX-L-02-014",
        }.items():
            with self.subTest(fault=fault):
                status, out = self.run_with(fault, claim)
                self.assertEqual(status, 1, out)
                self.assertIn("refuted on " + fault, out)

    def test_a_report_names_the_fault_and_the_place(self):
        for fault, words in {
            "drops_last_key": "the last key is left out",
            "gqa_interleaved": "query head h reads key head h mod H_kv",
            "scale_of_64": "scores are scaled by 1/8 whatever D is",
            "truncated": "the output is rounded towards zero",
            "last_row_zero": "whole rows are zero",
        }.items():
            with self.subTest(fault=fault):
                status, out = self.run_with(fault)
                self.assertEqual(status, 1, out)
                self.assertIn(words, out)
                self.assertRegex(out, r"where: (on B\S.*: )?\d+ of \d+ elements: ")
                self.assertIn(f"refute replay {PARITY} --subject {fault}", out)

    def test_a_replay_says_the_same(self):
        self.run_with("drops_last_key")
        status, out = self.refute("replay", PARITY, "--subject", "drops_last_key", "--contracts", CONTRACT,
                                  "--worker", self.path / "drops_last_key")
        self.assertEqual(status, 1, out)
        self.assertIn("refuted again, bit for bit", out)
        self.assertIn("the last key is left out", out)

    def test_the_counterexample_is_small(self):
        _, out = self.run_with("drops_last_key")
        self.assertIn('"shape":"B1 H1/1 S1x1 D64"', out)


if __name__ == "__main__":
    unittest.main()
