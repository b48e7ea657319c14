#!/usr/bin/env python3
"""The workers as processes: the canary's ways to end, determinism, replays, and jobs that are wrong.

usage: workers_test.py FOLDER_OF_WORKERS
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

from worker_harness import FP8, TENSORS, job, record, run

FOLDER = pathlib.Path(sys.argv.pop())
FP8_WORKER, NF4_WORKER, ATTENTION_WORKER, TRACE_WORKER, CANARY = (
    FOLDER / name for name in ("falsify_crux_b_11", "falsify_nf4", "falsify_crux_l_02", "falsify_trace_save_tensor",
                               "falsify_canary"))


def canary(name):
    return job("CANARY", f"CANARY-{name}", "canary")


def fp8(number, **changes):
    return job("CRUX-B-11", f"FALSIFY-CRUX-B-11-{number:03}", **changes)


def attention(number, **changes):
    return job("CRUX-L-02", f"FALSIFY-CRUX-L-02-{number:03}", parameters={
        "reruns": 2, "dtypes": ["f16", "bf16"], "shapes": ["B1 H2/1 S3x70 D64 causal"], "families": ["normal"], "seeds": 1,
        "kernels": ["naive", "flash2"], "probabilities": ["keep_f32", "round_to_storage"]}, **changes)


def gate(**changes):
    return fp8(2, subject="capability", parameters={"capable_from": 90, "highest_sm": 99, "command_sms": [80, 89, 90],
                                                    "refusal_status": 2, "refusal_names": ["hopper", "sm_90"]}, **changes)


class Canary(unittest.TestCase):
    def test_each_row_ends_as_it_should(self):
        self.assertEqual(record(CANARY, canary("REFUTED"))["outcome"], "refuted")
        self.assertEqual(run(CANARY, canary("CRASHED"))[:2], (-11, b""))
        self.assertEqual(run(CANARY, canary("EXITED"))[:2], (9, b""))
        self.assertEqual(run(CANARY, canary("SILENT"))[:2], (0, b""))
        self.assertEqual(record(CANARY, canary("FOREIGN"))["job"], "somebody-elses-job")
        zero = record(CANARY, canary("ZERO"))
        self.assertEqual((zero["outcome"], zero["cases"]), ("survived", 0))
        declined = record(CANARY, canary("DECLINED"))
        self.assertEqual((declined["outcome"], declined["reason"]), ("declined", "no_device"))
        status, data, _ = run(CANARY, canary("GARBAGE"))
        self.assertEqual(status, 0)
        with self.assertRaises(ValueError):
            json.loads(data)
        with self.assertRaises(subprocess.TimeoutExpired):
            run(CANARY, canary("HANGS"), timeout=0.5)

    def test_the_vacuous_check_survives_in_every_arm(self):
        for arm, mutant in (("subject", ""), ("negated", ""), ("mutant", "anything")):
            self.assertEqual(record(CANARY, canary("VACUOUS") | {"arm": arm, "mutant": mutant})["outcome"], "survived")

    def test_the_nondeterministic_one_differs_from_process_to_process(self):
        first, second = (record(CANARY, canary("NONDETERMINISTIC") | {"nonce": n}) for n in "ab")
        self.assertNotEqual(first["counterexample"], second["counterexample"])


class CommandGate(unittest.TestCase):
    """What the worker makes of a command; the real one is run by `refute run`."""

    RIGHT = """#!/bin/sh
[ "$*" = "quantize $2 --format fp8-e4m3 --device cuda -o $8" ] && [ -s "$2" ] || exit 70
[ "$REFUTE_CUDA_SM_OVERRIDE" -ge 90 ] && exit 5
echo "refute: FP8 quantization requires Hopper/Blackwell (sm_90+)" >&2
exit 2
"""

    def outcome(self, a_job, script=RIGHT):
        with tempfile.TemporaryDirectory() as folder:
            command = pathlib.Path(folder, "refute")
            command.write_text(script)
            command.chmod(0o755)
            return record(FP8_WORKER, a_job, environment={"REFUTE_COMMAND": str(command)})

    def test_the_right_command_survives_live(self):
        got = self.outcome(gate())
        self.assertEqual((got["outcome"], got["domain"]), ("survived", "live"), got["message"])
        self.assertEqual(got["cases"], 100 + 3)

    def test_without_a_command_it_is_not_live(self):
        got = record(FP8_WORKER, gate())
        self.assertEqual((got["outcome"], got["domain"]), ("survived", "exhaustive"))

    def test_wrong_commands_are_refuted(self):
        for mutant in ("goes_on", "crashes", "gives_no_reason", "fails_otherwise", "refuses_hopper", "leaves_a_file"):
            with self.subTest(mutant):
                got = self.outcome(gate(arm="mutant", mutant=f"command_{mutant}"))
                self.assertEqual((got["outcome"], got["domain"]), ("refuted", "live"))
                self.assertIn("told sm_", got["message"])
        self.assertEqual(self.outcome(gate(), "#!/bin/sh\necho HOPPER; exit 2\n")["outcome"], "refuted")
        self.assertEqual(self.outcome(gate(arm="negated"))["outcome"], "refuted")

    def test_a_command_that_is_not_there_gives_no_verdict(self):
        status, data, said = run(FP8_WORKER, gate(), environment={"REFUTE_COMMAND": "/gone/refute"})
        self.assertEqual((status, data), (64, b""))
        self.assertIn("cannot be started", said)


class CommandsInFolders(unittest.TestCase):
    """Claims whose commands run in a temporary folder: no record may show which one it was."""

    def claims(self):
        listing = json.loads(subprocess.run([TRACE_WORKER, "--list"], stdout=subprocess.PIPE, check=True).stdout)
        return {row["claim"]: row for row in listing["rows"] if row["parameters"] == ["cases"]}

    def test_two_runs_give_one_record_and_no_path(self):
        refuted = 0
        with tempfile.TemporaryDirectory() as folder:
            command = pathlib.Path(folder, "refute")
            command.write_text("#!/bin/sh\nexit 0\n")
            command.chmod(0o755)
            for claim, row in self.claims().items():
                a_job = job("APR-TRACE-SAVE", claim, row["subjects"][0], parameters={"cases": 1})
                runs = [run(TRACE_WORKER, a_job, environment={"REFUTE_COMMAND": str(command)}) for _ in range(2)]
                with self.subTest(claim):
                    self.assertEqual(runs[0], runs[1])
                    self.assertNotIn(tempfile.gettempdir().encode(), runs[0][1])
                    refuted += b"FOLDER/" in runs[0][1]
        self.assertTrue(refuted, "nothing here would have named its folder")


class AnotherLanguage(unittest.TestCase):
    def test_the_tiny_falsifier_speaks_the_protocol(self):
        tiny = pathlib.Path(__file__).parents[1] / "fixtures/workers/tiny_falsifier.py"
        row = json.loads(subprocess.run([tiny, "--list"], stdout=subprocess.PIPE, check=True).stdout)["rows"][0]
        for arm, mutant, want in (("subject", "", "survived"), ("negated", "", "refuted"), ("mutant", row["mutants"][0], "refuted")):
            a_job = job("TINY", row["claim"], "python", parameters={"cases": 20}, arm=arm, mutant=mutant)
            self.assertEqual(record(tiny, a_job)["outcome"], want)


class Verdicts(unittest.TestCase):
    def test_the_same_job_gives_the_same_record_on_any_number_of_threads(self):
        nf4 = {"decisions": ["thresholds", "nearest"], "every_f32_from": 0.5, "below_step": 4099}
        for worker, a_job in (
            (FP8_WORKER, fp8(4, parameters=FP8)),
            (FP8_WORKER, fp8(12, parameters=FP8 | TENSORS)),
            (FP8_WORKER, fp8(12, parameters=FP8 | TENSORS, arm="mutant", mutant="reciprocal_scale")),
            (FP8_WORKER, fp8(6, parameters=FP8, arm="mutant", mutant="flush_subnormals")),
            (NF4_WORKER, job("C-NF4", "C-NF4-018", parameters=nf4)),
            (NF4_WORKER, job("C-NF4", "C-NF4-018", parameters=nf4, arm="mutant", mutant="not_strict")),
        ):
            records = [record(worker, a_job | {"threads": threads}) for threads in (1, 2, 3)]
            self.assertEqual(records[0], records[1])
            self.assertEqual(records[0], records[2])

    def test_scalar_and_simd_have_the_same_result(self):
        for a_job in (fp8(3, parameters={"formats": ["e4m3", "e5m2"]}), fp8(4, parameters=FP8), fp8(5, parameters=FP8)):
            digests = {record(FP8_WORKER, a_job | {"subject": s})["result_digest"] for s in ("cpu_scalar", "cpu_simd")}
            self.assertEqual(len(digests), 1)
            self.assertRegex(digests.pop(), "^[0-9a-f]{64}$")

    def test_rapidcheck_takes_nothing_from_the_environment(self):
        a_job = fp8(12, parameters=FP8 | TENSORS)
        for parameters in ("max_success=0", "seed=1", "reproduce=abc"):
            again = record(FP8_WORKER, a_job, environment={"RC_PARAMS": parameters})
            self.assertEqual(again, record(FP8_WORKER, a_job))
            self.assertEqual(again["cases"], TENSORS["cases"])

    def test_a_counterexample_replays_whatever_the_seed(self):
        for worker, a_job in (
            (FP8_WORKER, fp8(4, parameters=FP8, arm="mutant", mutant="overflow_at_tie")),
            (FP8_WORKER, fp8(6, parameters=FP8, arm="mutant", mutant="overflow_at_tie")),
            (FP8_WORKER, fp8(12, parameters=FP8 | TENSORS, arm="mutant", mutant="ties_away")),
            (FP8_WORKER, gate(arm="mutant", mutant="gate_from_89")),
        ):
            first = record(worker, a_job)
            self.assertEqual(first["outcome"], "refuted")
            again = record(worker, a_job | {"seed": "99", "replay": first["counterexample"]})
            self.assertEqual((again["message"], again["counterexample"]), (first["message"], first["counterexample"]))

    def test_a_replay_on_the_right_subject_survives(self):
        a_job = fp8(12, parameters=FP8 | TENSORS)
        refuted = record(FP8_WORKER, a_job | {"arm": "mutant", "mutant": "ties_away"})
        again = record(FP8_WORKER, a_job | {"replay": refuted["counterexample"]})
        self.assertEqual((again["outcome"], again["cases"]), ("survived", 1))

    def test_an_absent_fixture_declines_and_a_broken_one_does_not(self):
        a_job = fp8(1, parameters={"max_relative_error": 0.01})
        self.assertEqual(record(FP8_WORKER, a_job)["reason"], "no_fixture")
        status, data, error = run(FP8_WORKER, a_job | {"fixtures": {"minilm-l6-v2": __file__}})
        self.assertEqual((status, data), (64, b""))
        self.assertIn("workers_test.py", error)

    def test_every_fp8_mutant_in_the_list_dies_on_f16_or_on_tensors(self):
        rows = {r["claim"]: r for r in json.loads(subprocess.run([FP8_WORKER, "--list"], stdout=subprocess.PIPE).stdout)["rows"]}
        for number, parameters in ((4, FP8), (5, FP8)):
            for mutant in rows[f"FALSIFY-CRUX-B-11-{number:03}"]["mutants"]:
                with self.subTest(number=number, mutant=mutant):
                    mutated = fp8(number, parameters=parameters, arm="mutant", mutant=mutant)
                    self.assertEqual(record(FP8_WORKER, mutated)["outcome"], "refuted")


class Nf4(unittest.TestCase):
    BOTH = {"decisions": ["thresholds", "nearest"]}
    # A quantiser in the language that everybody reads, with a place for what is wrong in it.
    SERVER = """#!/usr/bin/env python3
import json, struct, sys
LEVELS = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
          -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
          0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
# As bits: four of the published decimals lie so near to the middle of two f32 values that a detour over f64 misses them.
THRESHOLDS = struct.unpack("15f", struct.pack("15I", 0xBF591CD9, 0xBF1C5270, 0xBEEB8480, 0xBEADEA76, 0xBE703CEC,
    0xBE0D38BC, 0xBD3A7871, 0x3D22FAFF, 0x3DF64863, 0x3E5067E0, 0x3E9582D4, 0x3EC753F9, 0x3F006D03,
    0x3F248DAF, 0x3F5C89D9))
f32 = lambda x: struct.unpack("f", struct.pack("f", x))[0]
def nearest(x): return min(range(16), key=lambda i: f32(abs(x - LEVELS[i])))
def below(x): return sum(x > t for t in THRESHOLDS)
def at_or_below(x): return sum(x >= t for t in THRESHOLDS)
while line := sys.stdin.buffer.readline():
    request = json.loads(line)
    w = struct.unpack(f"{request['bytes'] // 4}f", sys.stdin.buffer.read(request["bytes"]))
    code = {"thresholds": THRESHOLD_RULE, "nearest": NEAREST_RULE}[request["decision"]]
    largest = [max(map(abs, w[i:i + 64])) for i in range(0, len(w), 64)]
    codes = bytes(code(x / largest[i // 64]) for i, x in enumerate(w))
    answer = codes + struct.pack(f"{len(largest)}f", *largest)
    sys.stdout.buffer.write(json.dumps({"bytes": len(answer)}).encode() + b"\\n" + answer)
    sys.stdout.buffer.flush()
"""

    def served(self, threshold_rule, nearest_rule):
        with tempfile.TemporaryDirectory() as folder:
            server = pathlib.Path(folder) / "server"
            server.write_text(self.SERVER.replace("THRESHOLD_RULE", threshold_rule).replace("NEAREST_RULE", nearest_rule))
            server.chmod(0o755)
            return record(NF4_WORKER, job("C-NF4", "C-NF4-017", "mine", parameters=self.BOTH | {"drawn_scales": 1},
                                          external_subject=str(server)))

    def test_a_served_quantiser_is_asked_where_codes_change(self):
        not_strict = self.served("at_or_below", "nearest")
        self.assertEqual(not_strict["outcome"], "refuted")
        self.assertIn("got 0x01, want 0x00", not_strict["message"])
        # Right by the thresholds, which are asked for first; the two ways differ at four of them.
        other_way = self.served("below", "below")
        self.assertEqual((other_way["outcome"], other_way["counterexample"]["decision"]), ("refuted", "nearest"))

    def test_our_kernels_survive_at_the_boundaries_and_at_every_scale(self):
        for claim, parameters in (("C-NF4-017", self.BOTH | {"drawn_scales": 5}),
                                  ("C-NF4-006", {"scales": [1.0], "drawn_scales": 500})):
            for subject in ("cpu_scalar", "cpu_simd"):
                survived = record(NF4_WORKER, job("C-NF4", claim, subject, parameters=parameters))
                self.assertEqual((survived["outcome"], survived["domain"]), ("survived", "generated"), survived["message"])
                negated = record(NF4_WORKER, job("C-NF4", claim, subject, parameters=parameters, arm="negated"))
                self.assertEqual((negated["outcome"], negated["counterexample"]["element"]["index"]), ("refuted", 0))

    def test_every_f32_is_in_the_sweep_of_every_f32(self):
        # Small values that are no bfloat16: this one is pattern 0x3a83126f, and the index of the sweep.
        replay = {"decision": "thresholds", "index": 0x3A83126F}
        a_job = job("C-NF4", "C-NF4-007", "cpu_simd", parameters=self.BOTH, replay=replay)
        self.assertEqual(record(NF4_WORKER, a_job)["outcome"], "survived")
        negated = record(NF4_WORKER, a_job | {"arm": "negated"})
        self.assertEqual((negated["outcome"], negated["counterexample"]["input"]), ("refuted", "0x1.0624dep-10 [0x3a83126f]"))
        sampled = job("C-NF4", "C-NF4-018", parameters=self.BOTH | {"every_f32_from": 0.99, "below_step": 6151})
        self.assertEqual(record(NF4_WORKER, sampled)["outcome"], "survived")
        refuted = record(NF4_WORKER, sampled | {"arm": "mutant", "mutant": "wrong_between_bf16"})
        self.assertEqual(refuted["outcome"], "refuted")


class NoDevice(unittest.TestCase):
    HIDDEN = {"CUDA_VISIBLE_DEVICES": ""}

    def test_the_device_is_declined_and_nothing_stands_in_for_it(self):
        formats = {"formats": ["e4m3", "e5m2"]}
        for worker, a_job in (
            (FP8_WORKER, fp8(16, parameters=formats, subject="cuda")),
            (FP8_WORKER, fp8(16, parameters=formats, subject="cuda", arm="negated")),
            (FP8_WORKER, fp8(25, parameters=formats, subject="cuda", arm="mutant", mutant="truncate")),
            (NF4_WORKER, job("C-NF4", "C-NF4-013", subject="cuda",
                             parameters={"scales": [1.0], "drawn_scales": 1})),
            (ATTENTION_WORKER, attention(36, subject="cuda")),
            (ATTENTION_WORKER, attention(36, subject="cuda", arm="negated")),
        ):
            declined = record(worker, a_job, environment=self.HIDDEN)
            self.assertEqual((declined["outcome"], declined["reason"], declined["cases"]), ("declined", "no_device", 0))
            self.assertTrue(declined["message"])
            self.assertNotIn("architecture", declined["environment"])

    def test_no_override_makes_a_device_appear(self):
        a_job = fp8(16, parameters={"formats": ["e4m3"]}, subject="cuda")
        declined = record(FP8_WORKER, a_job, environment=self.HIDDEN | {"REFUTE_CUDA_SM_OVERRIDE": "90"})
        self.assertEqual(declined["reason"], "no_device")
        status, data, error = run(FP8_WORKER, a_job, environment=self.HIDDEN | {"REFUTE_CUDA_SM_OVERRIDE": "sm_90"})
        self.assertEqual((status, data), (64, b""))
        self.assertIn("REFUTE_CUDA_SM_OVERRIDE", error)

    def test_a_mutant_of_a_claim_about_the_device_dies_without_one(self):
        a_job = fp8(17, parameters=FP8, subject="cpu_simd", arm="mutant", mutant="truncate")
        self.assertEqual(record(FP8_WORKER, a_job, environment=self.HIDDEN)["outcome"], "refuted")
        a_job = attention(36, subject="cpu_simd", arm="mutant", mutant="split_by_call")
        self.assertEqual(record(ATTENTION_WORKER, a_job, environment=self.HIDDEN)["outcome"], "refuted")
        self.assertEqual(record(ATTENTION_WORKER, attention(36, subject="cpu_simd"), environment=self.HIDDEN)["outcome"],
                         "survived")


class WrongJobs(unittest.TestCase):
    def refused(self, a_job, part):
        status, data, error = run(FP8_WORKER, a_job)
        self.assertEqual((status, data), (64, b""))
        self.assertIn(part, error)

    def test_a_wrong_job_is_a_message_and_never_a_record(self):
        self.refused("", "no sound JSON")
        self.refused("{", "no sound JSON")
        self.refused("x" * (1 << 21), "larger than 1 MiB")
        self.refused(fp8(4) | {"contract": "OTHER"}, "OTHER")
        self.refused(fp8(99), "FALSIFY-CRUX-B-11-099")
        self.refused(fp8(4, subject="cuda"), "`cuda`")
        self.refused(fp8(4, arm="mutant", mutant="nobody"), "`nobody`")
        self.refused(fp8(4), "is missing; claim FALSIFY-CRUX-B-11-004 has to state it")
        self.refused(fp8(4, parameters=FP8 | {"formats": ["e3m4"]}), "`e3m4`")
        self.refused(fp8(12, parameters=FP8 | TENSORS | {"families": ["gaussian"]}), "`gaussian`")
        self.refused(fp8(12, parameters=FP8 | TENSORS | {"cases": 0}), "`cases`")
        self.refused(fp8(12, parameters=FP8 | TENSORS, replay={"rows": 3}), "`cols`")

    def test_a_subject_server_that_cannot_be_used_is_named(self):
        for path, part in (("/no/such/server", "/no/such/server"), ("/bin/true", "/bin/true")):
            status, data, error = run(FP8_WORKER, fp8(4, parameters=FP8, external_subject=path))
            self.assertEqual((status, data), (3, b""))
            self.assertIn(part, error)

    def test_a_subject_server_may_decline_what_it_is_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            server = pathlib.Path(folder) / "server"
            server.write_text("""#!/usr/bin/env python3
import json, sys
while line := sys.stdin.buffer.readline():
    request = json.loads(line)
    sys.stdin.buffer.read(request["bytes"])
    print(json.dumps({"error": "not_served", "why": "no " + request["op"]}), flush=True)
""")
            server.chmod(0o755)
            nf4 = {"max_normalised_error": 0.05, "rows": 2, "cols": 64}
            for worker, a_job, op in (
                (FP8_WORKER, fp8(4, parameters=FP8), "fp8.encode"),
                (FP8_WORKER, fp8(5, parameters=FP8), "fp8.encode"),
                (FP8_WORKER, fp8(12, parameters=FP8 | TENSORS), "fp8.quantize"),
                (NF4_WORKER, job("C-NF4", "C-NF4-001", parameters=nf4), "nf4.quantize"),
            ):
                with self.subTest(claim=a_job["claim"]):
                    result = record(worker, a_job | {"external_subject": str(server)})
                    self.assertEqual((result["outcome"], result["reason"]), ("declined", "not_served"))
                    self.assertIn("no " + op, result["message"])

    def test_every_parameter_that_a_row_reads_has_a_rule(self):
        for worker in sorted(FOLDER.glob("falsify_*")):
            if worker.suffix or worker == CANARY:
                continue
            listing = json.loads(subprocess.run([worker, "--list"], capture_output=True, check=True).stdout)
            read = {name for row in listing["rows"] for name in row["parameters"]}
            self.assertEqual(read, set(listing["parameters"]), worker.name)

    def test_by_hand_it_explains_itself(self):
        shown = subprocess.run([FP8_WORKER, "--help"], stdout=subprocess.PIPE, text=True)
        self.assertEqual(shown.returncode, 0)
        self.assertIn("FALSIFY-CRUX-B-11-006", shown.stdout)
        self.assertEqual(subprocess.run([FP8_WORKER], stderr=subprocess.DEVNULL).returncode, 2)
        without_record = subprocess.run([FP8_WORKER, "--run"], input=json.dumps(fp8(4, parameters=FP8)), text=True,
                                        stderr=subprocess.PIPE)
        self.assertEqual(without_record.returncode, 64)
        self.assertIn("3>&1", without_record.stderr)


if __name__ == "__main__":
    unittest.main()
