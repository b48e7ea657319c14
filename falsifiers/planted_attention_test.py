#!/usr/bin/env python3
"""What refute says of attention kernels whose fault is known.

usage: planted_attention_test.py REFUTE SERVER WORKER SOURCE_ROOT
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import worker_harness

REFUTE, SERVER, WORKER, ROOT = (pathlib.Path(p).resolve() for p in sys.argv[1:5])
del sys.argv[1:5]
CONTRACT = "contracts/crux-L-02-v1.yaml"
PARITY = "FALSIFY-CRUX-L-02-010"  # bf16 against the f64 oracle
NONE = "no common fault explains it"
# Of the parity claims; the numbers are the contract's.
PARAMETERS = {
    "families": ["normal"], "seeds": 1, "kernels": ["flash2"], "probabilities": ["keep_f32"],
    "shapes": ["B2 H4/2 S65x65 D64 causal", "B1 H2/1 S33x129 D128", "B1 H2/1 S80x64 D64 causal"],
    "lambda": 3.4641016151377544, "exp_ulps": 2.0, "row_rms_factor": 2.0, "row_max_factor": 3.0,
    "row_floor_factor": 4.0, "row_share": 0.001, "sign_deviations": 6.0, "sign_drift": 0.03, "sign_ruled": 0.25,
    "sign_least": 64,
}

# What a server does with a request: ask(a kernel of that name), or say(an answer without bytes).
NOT_SERVED = 'say({"error": "not_served", "why": "head_dim %d" % r["head_dim"]})'
SERVER_IN_PYTHON = """#!/usr/bin/env python3
import json, pathlib, subprocess, sys
if "--list" in sys.argv:
    print(json.dumps({{"protocol": 1, "kind": "subject", "subject": "{name}", "contract": "CRUX-L-02",
                      "operations": ["attention.forward"]}}))
    sys.exit()
kernels = {{}}
def ask(name):
    if name not in kernels:
        path = str(pathlib.Path(__file__).parent / name)
        kernels[name] = subprocess.Popen([path, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    kernel = kernels[name]
    kernel.stdin.write(line + data)
    kernel.stdin.flush()
    head = kernel.stdout.readline()
    return head + kernel.stdout.read(json.loads(head)["bytes"])
def say(answer):
    return json.dumps(answer).encode() + b"\\n"
while line := sys.stdin.buffer.readline():
    r = json.loads(line)
    data = sys.stdin.buffer.read(r["bytes"])
    sys.stdout.buffer.write({kernel} if {served} else {otherwise})
    sys.stdout.buffer.flush()
"""


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

    def run_with(self, fault, *claims):
        server = self.path / fault
        if not server.is_symlink():
            server.symlink_to(SERVER)
        chosen = [word for claim in claims or [PARITY] for word in ("--claim", claim)]
        return self.refute("run", CONTRACT, "--worker", server, "--subject", fault, *chosen)

    def test_right_kernels_survive_everything(self):
        # What all mutants are made of: they have to die of their fault. One thread is no split.
        for name in ("right", "split_by_threads"):
            with self.subTest(name=name):
                status, out = self.run_with(name, *(f"FALSIFY-CRUX-L-02-0{tens}?" for tens in "01"),
                                            *(f"FALSIFY-CRUX-L-02-02{ones}" for ones in range(8)))
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
                self.assertEqual(out.count(words), 1, out)
                self.assertRegex(out, r"\n    where           (on B\S.*: )?\d+ of \d+ elements: ")
                self.assertRegex(out, rf"\n    fault           .*{words}")
                self.assertIn(f"refute replay {PARITY} --subject {fault}", out)

    def explained(self, fault, dtype):
        server = self.path / fault
        if not server.is_symlink():
            server.symlink_to(SERVER)
        job = worker_harness.job("CRUX-L-02", PARITY, subject=fault, external_subject=str(server),
                                 parameters=PARAMETERS | {"dtypes": [dtype]})
        record = worker_harness.record(WORKER, job)
        self.assertEqual(record["outcome"], "refuted", f"{fault} in {dtype}: {record}")
        return record["counterexample"]["where"], record["counterexample"]["fault"]

    def test_faults_from_outside_are_named_and_nothing_else_is(self):
        named, planted, quiet, unlike = 0, 0, 0, 0
        faults = json.loads(subprocess.run([SERVER, "--faults"], capture_output=True, text=True, check=True).stdout)
        for fault in faults:
            for dtype in [fault["dtype"]] if fault["dtype"] else ["f32", "bf16"]:
                with self.subTest(fault=fault["name"], dtype=dtype):
                    _, said = self.explained(fault["name"], dtype)
                    if fault["called"]:
                        planted += 1
                        named += said.startswith(fault["called"] + ":")
                        self.assertTrue(said.startswith(fault["called"] + ":"), said)
                    else:
                        unlike += 1
                        quiet += said == NONE
                        self.assertEqual(said, NONE)
        print(f"named {named} of {planted} faults from outside; no name for {quiet} of {unlike} that are like none",
              file=sys.stderr)
        self.assertGreaterEqual(planted, 80)
        self.assertGreaterEqual(unlike, 10)

    def test_a_place_is_the_sharpest_that_is_no_chance(self):
        for fault, words in {
            "own_last_key": "the error lies along the last key that a row sees",
            "key_17": "the error lies along key 17 (tile 0, 17 modulo 64)",
            "first_key": "the error lies along key 0 (tile 0, 0 modulo 64)",
            "last_tile": "the error lies along key tile 2",
            "interleaved": "heads 1-2 of 4",
            "one_batch": "batch entry 1 of 2",
            "negative": "all 50 rows that see a key, all 64 columns; worst",
            "noisy": "all 64 columns; worst",
        }.items():
            with self.subTest(fault=fault):
                where, _ = self.explained(fault, "f32")
                self.assertIn(words, where)
        for fault in ("noisy", "noisy_rows", "noisy_here_and_there", "two_to_the", "heads_turned"):
            with self.subTest(fault=fault):
                where, _ = self.explained(fault, "f32")
                for claim in ("along", "only rows", ", each "):
                    self.assertNotIn(claim, where)

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

    def test_a_counterexample_is_shrunk_within_what_its_check_allows(self):
        # Whether a score may be shifted is known of whole numbers only: no other family, no other scale.
        for fault, claim in {"scores_in_storage": "FALSIFY-CRUX-L-02-021", "drops_last_key": "FALSIFY-CRUX-L-02-024"}.items():
            with self.subTest(fault=fault):
                status, out = self.run_with(fault, claim)
                self.assertEqual(status, 1, out)
                self.assertIn("refuted on " + fault, out)
                self.assertNotIn("broken", out)
                self.assertIn("ties" if claim.endswith("021") else "normal", out)

    def partial(self, name, fault, served, otherwise=NOT_SERVED):
        """A server that has the fault where `served` says, and does `otherwise` elsewhere."""
        for kernel in (fault, "right"):
            if not (self.path / kernel).is_symlink():
                (self.path / kernel).symlink_to(SERVER)
        server = self.path / f"{name}_server"
        server.write_text(SERVER_IN_PYTHON.format(name=name, kernel=f"ask({fault!r})", served=served,
                                                  otherwise=otherwise))
        server.chmod(0o755)
        return server

    def partly(self, name, fault, served, otherwise=NOT_SERVED, replay=None, **parameters):
        job = worker_harness.job("CRUX-L-02", PARITY, subject=name, replay=replay,
                                 external_subject=str(self.partial(name, fault, served, otherwise)),
                                 parameters=PARAMETERS | {"dtypes": ["f32", "bf16"]} | parameters)
        return worker_harness.record(WORKER, job)

    def test_a_case_that_is_not_served_is_left_out_and_declines_the_claim(self):
        some = self.partly("some", "right", "r['head_dim'] == 64")
        self.assertEqual((some["outcome"], some["reason"]), ("declined", "not_served"))
        self.assertIn("2 of 6 cases are not served: head_dim 128 (2)", some["message"])
        self.assertEqual(some["measurements"]["cases_not_served"], 2)
        self.assertEqual(some["cases"], 4)
        none = self.partly("none", "right", "False")
        self.assertEqual((none["outcome"], none["reason"], none["cases"]), ("declined", "not_served", 0))
        self.assertIn("nothing ran", none["message"])
        every = self.partly("every", "right", "True")
        self.assertEqual((every["outcome"], every["measurements"].get("cases_not_served")), ("survived", None))

    def test_what_is_wrong_where_it_is_served_is_refuted(self):
        # The case before is not served, and so is one of those that the fault is explained on.
        record = self.partly("wrong", "drops_last_key", "r['head_dim'] == 128")
        self.assertEqual(record["outcome"], "refuted", record)
        self.assertIn(" D128", record["counterexample"]["shape"])
        self.assertIn("drops_last_key", record["counterexample"]["fault"])

    def test_what_is_refuted_is_not_lost_where_a_smaller_case_ends_the_server(self):
        for otherwise in ('say({"error": "too small"})', "sys.exit(1)"):
            with self.subTest(otherwise=otherwise):
                ask = ["fragile", "drops_last_key", "r['seq_kv'] > 64", otherwise]
                record = self.partly(*ask)
                self.assertEqual(record["outcome"], "refuted", record)
                found = record["counterexample"]
                self.assertIn("x65 D64", found["shape"])
                self.assertIn("made smaller, on B1 H1/1 S1x1 D64 causal, the subject ends or gives an error", found["fault"])
                self.assertEqual(self.partly(*ask, replay=found)["counterexample"], found)

    def test_where_a_small_case_is_like_many_faults_the_one_it_came_from_tells(self):
        # None of the inputs that are made for telling faults apart has one head only.
        ask = ["lonely", "drops_last_key", "r['heads_q'] == 1"]
        record = self.partly(*ask, shapes=["B1 H1/1 S9x130 D64 causal"])
        found = record["counterexample"]
        self.assertIn("S1x1 ", found["shape"])
        self.assertEqual(found["shrunk_from"]["shape"], "B1 H1/1 S9x130 D64 causal")
        self.assertTrue(found["fault"].startswith("drops_last_key: "), found["fault"])
        self.assertEqual(self.partly(*ask, replay=found)["counterexample"], found)
        # Nothing else to look at: that many explain it is all there is to say.
        found = self.partly(*ask, shapes=["B1 H1/1 S1x1 D64"])["counterexample"]
        self.assertRegex(found["fault"], r"^\d+ common faults explain it alike, so none is named$")

    def test_a_case_that_a_check_cannot_be_asked_about_is_an_error_of_the_contract(self):
        for claim, shape, words in (
            (17, "B1 H1/1 S5x5 D64 causal", "only without a causal mask"),
            (21, "B1 H1/1 S5x5 D64", "scores are exact only for family ties"),
            (24, "B1 H1/1 S5x5 D32", "selecting a key takes a head_dim of 64 or more"),
            (24, "B1 H1/1 S5x5 D64 scale 1/64", "scores that the scale leaves apart"),
            (26, "B1 H1/1 S5x5 D3", "a head_dim of 4 or more"),
        ):
            with self.subTest(claim=claim, shape=shape):
                job = worker_harness.job("CRUX-L-02", f"FALSIFY-CRUX-L-02-0{claim}",
                                         parameters=PARAMETERS | {"dtypes": ["f32"], "shapes": [shape], "shift": 1,
                                                                  "kernels": ["naive"]})
                status, record, error = worker_harness.run(WORKER, job)
                self.assertEqual((status, record), (64, b""))
                self.assertIn(words, error)

    def test_no_level_is_reached_with_cases_left_out(self):
        server = self.partial("half", "right", "not r['causal']")
        status, out = self.refute("run", CONTRACT, "--worker", server, "--subject", "half", "--claim", PARITY,
                                  "--require", "half")
        self.assertEqual(status, 5, out)
        self.assertIn("15 of 18 cases are not served", out)
        self.assertNotIn("survived on half", out)

    def test_state_from_another_call_is_seen(self):
        status, out = self.run_with("keeps_last_key", "FALSIFY-CRUX-L-02-023")
        self.assertEqual(status, 1, out)
        self.assertIn("after a call on other inputs", out)


if __name__ == "__main__":
    unittest.main()
