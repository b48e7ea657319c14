"""validate, schema and explain, as a user meets them: a real refute on real files.

usage: validate_test.py REFUTE
"""

import json
import os
import pathlib
import pty
import re
import subprocess
import sys
import tempfile
import unittest

REFUTE = os.path.abspath(sys.argv.pop(1))
ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "fixtures" / "sample_contracts"

GOOD = """\
metadata:
  version: 1.0.0
  description: A legacy contract without faults.
equations:
  e: {formula: a = b}
falsification_tests:
  - id: FALSIFY-CLI-001
    rule: Both sides are equal
    prediction: a equals b for every input
    if_fails: One of the sides is computed otherwise
"""
WARNED = GOOD.replace("  e: {formula", "  e: {colour: red, formula")
WRONG = GOOD.replace("version: 1.0.0", "version: banana")


def refute(*arguments, cwd=None, env=None):
    return subprocess.run([REFUTE, *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


class Validate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.contracts = self.root / "contracts"
        self.contracts.mkdir()

    def tearDown(self):
        self.folder.cleanup()

    def write(self, text, name="cli-v1.yaml"):
        path = self.contracts / name
        path.write_text(text, encoding="utf-8")
        return path

    def test_exit_status(self):
        self.write(GOOD)
        self.assertEqual(refute("validate", cwd=self.root).returncode, 0)
        self.write(WARNED)
        self.assertEqual(refute("validate", cwd=self.root).returncode, 0)
        self.assertEqual(refute("validate", "--strict", cwd=self.root).returncode, 1)
        self.write(WRONG)
        self.assertEqual(refute("validate", cwd=self.root).returncode, 1)
        self.write(GOOD + "  - *alias\n")
        self.assertEqual(refute("validate", cwd=self.root).returncode, 2)

    def test_nothing_and_nowhere_are_told_apart(self):
        empty = refute("validate", cwd=self.root)
        self.assertEqual(empty.returncode, 4)
        self.assertIn("nothing was validated", empty.stderr)
        absent = refute("validate", "absent", cwd=self.root)
        self.assertEqual(absent.returncode, 2)
        self.assertIn("absent: there is no such file or folder", absent.stdout)

    def test_an_absent_path_does_not_hide_the_others(self):
        path = self.write(WRONG)
        done = refute("validate", "--json", path, "absent.yaml", cwd=self.root)
        self.assertEqual(done.returncode, 2)
        self.assertIn("absent.yaml", done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["exit_statuses"], [2, 1])
        self.assertEqual([f["code"] for f in found["findings"] if f["severity"] == "error"], ["RF0209"])
        self.assertEqual(found["findings"][0]["start"], {"line": 2, "column": 12})

    def test_options_that_are_wrong_run_nothing(self):
        self.write(GOOD)
        for options in (["--format", "xml"], ["--output", "json"], ["--output", "xml=a"], ["--no-such-option"]):
            done = refute("validate", *options, cwd=self.root)
            self.assertEqual(done.returncode, 2, options)
            self.assertEqual(done.stdout, "", options)

    def test_several_outputs_of_one_run(self):
        self.write(WRONG)
        done = refute("validate", "--output", "sarif=a.sarif", "--output", "github=b.txt", cwd=self.root)
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 error", done.stdout)
        log = json.loads((self.root / "a.sarif").read_text())
        result = next(r for r in log["runs"][0]["results"] if r["ruleId"] == "RF0209")
        region = result["locations"][0]["physicalLocation"]["region"]
        self.assertEqual((region["startLine"], region["startColumn"], region["endColumn"]), (2, 12, 18))
        self.assertIn("::error file=contracts/cli-v1.yaml,line=2,", (self.root / "b.txt").read_text())

    def test_an_output_that_cannot_be_written_is_not_passed_over(self):
        self.write(GOOD)
        done = refute("validate", "--output", "json=/proc/nowhere/a.json", cwd=self.root)
        self.assertEqual(done.returncode, 3)
        self.assertIn("/proc/nowhere/a.json", done.stderr)

    def on_a_terminal(self, env):
        parent, child = pty.openpty()
        subprocess.run([REFUTE, "validate"], cwd=self.root, env=env, stdout=child, stderr=child, timeout=60, check=False)
        os.close(child)
        text = b""
        try:
            while piece := os.read(parent, 65536):
                text += piece
        except OSError:  # Linux reports the closed end this way
            pass
        os.close(parent)
        return text

    def test_colour_only_where_somebody_looks(self):
        self.write(WRONG)
        plain = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        self.assertIn(b"\x1b[", self.on_a_terminal(plain))
        self.assertNotIn(b"\x1b[", self.on_a_terminal({**plain, "NO_COLOR": "1"}))
        self.assertNotIn("\x1b[", refute("validate", cwd=self.root).stdout)

    def test_output_is_the_same_every_time(self):
        runs = {refute("validate", "--json", "--jobs", jobs, SAMPLES).stdout for jobs in (1, 2, 7, 7)}
        self.assertEqual(len(runs), 1)

    def test_our_own_contracts_hold(self):
        done = refute("validate", cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stdout)


class Explain(unittest.TestCase):
    def test_a_code(self):
        done = refute("explain", "rf0207")
        self.assertEqual(done.returncode, 0)
        self.assertIn("RF0207: a text is blank", done.stdout)

    def codes_of(self, *parts):
        rows = re.findall(r'{"(RF\d{4})",', ROOT.joinpath("harness", "pipeline", *parts).read_text(encoding="utf-8"))
        self.assertGreater(len(rows), 15)
        return rows

    def test_every_code_of_both_tables_is_listed_and_explained(self):
        codes = self.codes_of("load", "codes.hpp") + self.codes_of("execute", "diagnostic_codes.hpp")
        listed = [line.split()[0] for line in refute("explain").stdout.splitlines()]
        self.assertEqual(listed, codes)
        self.assertEqual(len(set(codes)), len(codes))
        pages = refute("explain", *codes)
        self.assertEqual(pages.returncode, 0, pages.stderr)
        for code in codes:
            self.assertRegex(pages.stdout, rf"(?m)^{code}: .+\n\n.{{20,}}")

    def test_every_code_that_is_printed_is_in_a_table(self):
        known = {line.split()[0] for line in refute("explain").stdout.splitlines()}
        for folder in ("load", "execute"):
            for path in (ROOT / "harness" / "pipeline" / folder).glob("*.cpp"):
                printed = set(re.findall(r'"(RF\d{4})"', path.read_text(encoding="utf-8")))
                self.assertLessEqual(printed if not path.stem.endswith("_test") else set(), known, path.name)

    def test_a_slip_in_a_code_gets_the_near_one(self):
        self.assertIn("did you mean `RF0801`?", refute("explain", "RF0801X").stderr)

    def test_a_claim(self):
        done = refute("explain", "FALSIFY-CRUX-Z-01-001", "--contracts", SAMPLES / "valid")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("half a step is the widest rounding error", done.stdout)

    def test_an_option_does_not_swallow_the_claim(self):
        done = refute("explain", "--contracts", SAMPLES / "valid", "FALSIFY-CRUX-Z-01-001")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("half a step is the widest rounding error", done.stdout)

    def test_what_does_not_exist_gets_the_near_one(self):
        done = refute("explain", "FALSIFY-CRUX-Z-01-010", "--contracts", SAMPLES / "valid")
        self.assertEqual(done.returncode, 2)
        self.assertIn("did you mean `FALSIFY-CRUX-Z-01-001`?", done.stderr)


class Schema(unittest.TestCase):
    def test_it_is_the_one_beside_the_contracts(self):
        done = refute("schema")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, (ROOT / "contracts" / "schema" / "contract.schema.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
