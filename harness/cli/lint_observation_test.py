#!/usr/bin/env python3
"""refute lint-observation from outside: usage: lint_observation_test.py REFUTE

Files that are no observation, and what our own commands print.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

REFUTE = sys.argv[1]
GOOD = '{"max_abs_diff": 0.001, "cosine_sim": 0.99999}'


def run(*args, text=None, env=None):
    done = subprocess.run([REFUTE, *args], input=text, capture_output=True, check=False, env=os.environ | (env or {}))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lint(text, *args):
    if isinstance(text, str):
        text = text.encode()
    return run("lint-observation", "-", *args, text=text)


def outcomes(text, *args):
    code, out, _ = lint(text, "--json", *args)
    return code, [f["outcome"] for f in json.loads(out)["findings"]]


class Hostile(unittest.TestCase):
    def refused(self, text, part):
        code, out, err = lint(text, "--kind", "parity")
        self.assertEqual((code, out), (2, ""), text[:80])
        self.assertIn(part, err)
        self.assertLess(len(err), 1000)

    def test_what_is_no_json(self):
        for text in ("", " ", "{", GOOD + GOOD, GOOD[:-1], "{'a': 1}", '{"max_abs_diff": NaN, "cosine_sim": 1}',
                     '{"max_abs_diff": 1e999, "cosine_sim": 1}', '{"max_abs_diff": Infinity}'):
            self.refused(text, "-: ")
        self.refused(b'{"max_abs_diff": "\xff"}', "-: ")

    def test_messages_cannot_drive_a_terminal(self):
        for text in (b'{"a\x1b[2J": 1}', b'{"\\u001b[2J": 1, "\\u001b[2J": 1}', b'{"\\u001b[2J": 1}', b'{"\xc2\x9b": }'):
            code, _, err = lint(text)
            self.assertEqual(code, 2)
            self.assertTrue(all(c == "\n" or " " <= c <= "~" for c in err), repr(err))

    def test_duplicate_keys(self):
        self.refused('{"max_abs_diff": 9, "max_abs_diff": 0, "cosine_sim": 1}', "max_abs_diff")

    def test_deep_and_large(self):
        self.refused("[" * 100_000, "deep")
        self.refused('{"a":' * 5000 + "1" + "}" * 5000, "deep")
        self.refused("[" + "0," * 2_000_000 + "0]", "")
        self.refused('"' + "a" * (17 << 20) + '"', "16 MiB")

    def test_what_is_no_file(self):
        with tempfile.TemporaryDirectory() as folder:
            fifo = pathlib.Path(folder) / "fifo"
            os.mkfifo(fifo)
            for path in (folder, folder + "/none", "/dev/zero", str(fifo)):
                code, out, err = run("lint-observation", path)
                self.assertEqual((code, out), (2, ""), path)
                self.assertIn(path, err)

    def test_bad_options(self):
        for args in (["--kind", "partity"], ["--format", "yaml"], ["--min-cosine", "2"], ["--max-abs-diff", "-1"]):
            self.assertEqual(lint(GOOD, *args)[0], 2, args)
        self.assertIn("parity", lint(GOOD, "--kind", "partity")[2])
        self.assertEqual(run("lint-observation")[0], 2)

    def test_what_is_not_known(self):
        code, _, err = lint('{"speed": 3}')
        self.assertEqual(code, 2)
        self.assertIn("speed", err)
        self.assertIn("--kind", err)


class Outcomes(unittest.TestCase):
    def test_exit_codes(self):
        self.assertEqual(outcomes(GOOD), (0, ["within_tolerance"]))
        self.assertEqual(outcomes('{"max_abs_diff": 1, "cosine_sim": 1}'), (1, ["max_abs_diff_above_tolerance"]))
        self.assertEqual(outcomes('{"sm": 0}'), (5, ["not_measured"]))
        self.assertEqual(outcomes("[]", "--kind", "parity"), (1, ["not_an_object"]))
        self.assertEqual(outcomes("{}", "--kind", "parity", "--kind", "provenance"),
                         (1, ["missing_max_abs_diff", "missing_attn_impl"]))

    def test_limits(self):
        self.assertEqual(outcomes(GOOD, "--max-abs-diff", "1e-4")[0], 1)
        self.assertEqual(outcomes(GOOD, "--min-cosine", "nan")[0] == 0, False)

    def test_text_names_outcome_and_figures(self):
        code, out, _ = lint('{"max_abs_diff": 0.25, "cosine_sim": 1}')
        self.assertEqual(code, 1)
        for part in ("violated", "max_abs_diff_above_tolerance", "0.25", "0.005"):
            self.assertIn(part, out)


class OurOwn(unittest.TestCase):
    def piped(self, *args, env=None):
        return outcomes(run("parity", *args, "--json", env=env)[1])

    def test_parity(self):
        self.assertEqual(self.piped("--dtype", "f16"), (0, ["within_tolerance", "flash2_named"]))

    def test_the_published_gate_refuses_a_correct_bf16_kernel(self):
        code, out, _ = run("parity", "--dtype", "bf16", "--scale", "1", "--heads", "32", "--json")
        self.assertEqual(json.loads(out)["calibrated"]["verdict"], "accepted")
        self.assertEqual(outcomes(out), (1, ["max_abs_diff_above_tolerance", "flash2_named"]))

    def test_fallback(self):
        self.assertEqual(self.piped("--device", "cuda", "--allow-fallback", env={"CUDA_VISIBLE_DEVICES": ""}),
                         (5, ["flash2_did_not_run", "fallback_named"]))

    def test_head_dim(self):
        self.assertEqual(self.piped("--head-dim", "96"), (0, ["unsupported_head_dim"]))

    def test_declined(self):
        self.assertEqual(self.piped("--impl", "naive"), (5, ["flash2_did_not_run", "naive_as_requested"]))
        self.assertEqual(self.piped("--seq-q", "64"), (5, ["single_key_tile", "flash2_named"]))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
