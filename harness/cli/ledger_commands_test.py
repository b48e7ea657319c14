"""run, status, report, promote and verify, as a user meets them: a real refute, a contract and a worker of our own.

usage: ledger_commands_test.py REFUTE
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

REFUTE = os.path.abspath(sys.argv.pop(1))

CONTRACT = """\
metadata:
  id: TOY-DOUBLE
  version: 1.0.0
  created: "2026-11-20"
  author: the Refute developers
  description: Doubling an integer.
  references: ["none: a contract for tests"]
equations:
  double:
    formula: "y = 2 x"
    domain: "0 <= x < 100"
falsification_tests:
  - id: FALSIFY-TOY-DOUBLE-001
    rule: Doubling adds a number to itself.
    prediction: For every x below the limit the result is x + x.
    if_fails: The doubling is wrong.
    binds_to: double
    subjects: [cpu_scalar]
    parameters:
      limit: 100
    requires:
      PARTIAL_ALGORITHM_LEVEL: {subjects: [cpu_scalar]}
      FUNCTIONAL: {live: true}
      DISCHARGED: {agreement: exhaustive}
    mutants: [adds_one]
"""

# A falsifier that follows harness/PROTOCOL.md. The test writes it anew with other knobs.
WORKER = '''\
#!/usr/bin/env python3
import hashlib, json, os, sys
SOURCE = hashlib.sha256(b"%(source)s").hexdigest()
DOUBLE = %(double)s
LISTING = {"protocol": 1, "kind": "falsifier", "worker": "falsify_toy", "contract": "TOY-DOUBLE",
           "source": {"cpu": SOURCE, "cuda": SOURCE},
           "toolchain": {"compiler": "none", "flags": "", "sanitizers": "none"},
           "rows": [{"claim": "FALSIFY-TOY-DOUBLE-001", "help": "doubles", "subjects": ["cpu_scalar"],
                     "mutants": ["adds_one"], "controls": [], "parameters": ["limit"], "fixtures": [],
                     "operations": [], "exclusive": False}]}
if sys.argv[1:] == ["--list"]:
    print(json.dumps(LISTING))
    sys.exit(0)
job = json.load(sys.stdin)
subject = (lambda x: 2 * x + 1) if job["arm"] == "mutant" else DOUBLE
bad = [x for x in range(job["parameters"]["limit"]) if (subject(x) != x + x) != (job["arm"] == "negated")]
record = {"protocol": 1, "job": job["job"], "nonce": job["nonce"], "claim": job["claim"],
          "subject": job["subject"], "outcome": "refuted" if bad else "survived",
          "message": "x = %%d: got %%d" %% (bad[0], subject(bad[0])) if bad else "", "reason": "",
          "cases": 100, "comparisons": 100, "discards": 0, "shrinks": 0, "domain": "exhaustive",
          "agreement": "bytewise", "result_digest": "", "inputs": [], "measurements": {"largest": 198},
          "parameters_read": ["limit"], "counterexample": {"x": bad[0]} if bad else None,
          "environment": {"simd": "none"}}
os.write(3, json.dumps(record).encode())
'''


class LedgerCommands(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        (self.root / "contracts").mkdir()
        (self.root / "workers").mkdir()
        (self.root / "contracts" / "toy.yaml").write_text(CONTRACT)
        self.write_worker()

    def tearDown(self):
        self.folder.cleanup()

    def write_worker(self, source="one", double="lambda x: 2 * x"):
        path = self.root / "workers" / "falsify_toy"
        path.write_text(WORKER % {"source": source, "double": double})
        path.chmod(0o755)

    def refute(self, *args, expect=0):
        done = subprocess.run([REFUTE, *args], cwd=self.root, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, expect, f"refute {' '.join(args)}\n{done.stdout}\n{done.stderr}")
        return done

    def project(self, command, *args, expect=0):
        return self.refute(command, "--worker-dir", "workers", *args, expect=expect)

    def run_and_promote(self):
        self.project("run")
        return self.project("promote")

    def level(self):
        status = json.loads(self.project("status", "--json").stdout)
        return status["claims"][0]["level"]

    def test_from_nothing_to_a_committed_ledger(self):
        self.assertIn("no run", self.project("report", expect=4).stderr)
        self.assertIn("no run", self.project("promote", expect=4).stderr)
        self.refute("verify", expect=4)
        self.assertIn("no ledger is committed", self.project("status", "--check", expect=6).stderr)
        self.assertEqual(self.level(), "OPEN")

        self.run_and_promote()
        self.assertEqual(self.level(), "DISCHARGED")
        self.assertIn("3 records", self.refute("verify").stdout)
        self.project("promote", "--check")
        self.project("status", "--check")
        ledger = json.loads((self.root / "reports" / "ledger.json").read_text())
        self.assertEqual(ledger["claims"][0]["subjects"], {"cpu_scalar": "DISCHARGED"})

    def test_validate_compares_typed_levels_with_the_committed_ledger(self):
        contract = CONTRACT.replace("      FUNCTIONAL: {live: true}\n      DISCHARGED: {agreement: exhaustive}\n", "")
        path = self.root / "contracts" / "toy.yaml"
        path.write_text(contract)
        self.run_and_promote()
        self.assertEqual(self.level(), "PARTIAL_ALGORITHM_LEVEL")
        # Nothing is started: validate must do without the workers.
        (self.root / "workers" / "falsify_toy").unlink()
        path.write_text(contract + "    status: PARTIAL_ALGORITHM_LEVEL\n    blocked_on: 'BLOCKER-FIXTURE-ABSENT: real numbers'\n")
        self.refute("validate")
        path.write_text(contract + "    status: DISCHARGED\n")
        for arguments in ([], ["."], ["contracts/toy.yaml"]):
            done = self.refute("validate", *arguments, expect=1)
            self.assertIn("RF0405", done.stdout, arguments)
            self.assertIn("typed DISCHARGED, the evidence gives PARTIAL_ALGORITHM_LEVEL", done.stdout)

        (self.root / "reports" / "ledger.json").write_text("{}")
        self.assertIn("ledger.json", self.refute("validate", expect=3).stderr)

    def test_the_committed_evidence_stands_without_the_store(self):
        self.run_and_promote()
        before = {p: p.read_bytes() for p in (self.root / "reports").rglob("*") if p.is_file()}
        subprocess.run(["rm", "-rf", str(self.root / ".refute")], check=True)
        self.assertEqual(self.level(), "DISCHARGED")
        self.project("promote", "--check")
        # The same run again, here, makes the same bytes.
        self.run_and_promote()
        after = {p: p.read_bytes() for p in (self.root / "reports").rglob("*") if p.is_file()}
        self.assertEqual(before, after)

    def test_evidence_names_no_host_path_or_clock(self):
        self.run_and_promote()
        for path in (self.root / "reports").rglob("*"):
            if path.is_file():
                text = path.read_text()
                for secret in (os.uname().nodename, str(self.root), "/tmp", "202"):
                    self.assertNotIn(f'"{secret}', text, path)

    def test_a_changed_source_makes_the_ledger_stale(self):
        self.run_and_promote()
        self.write_worker(source="two")
        done = self.project("status", "--check", expect=6)
        self.assertIn("the source of cpu changed", done.stderr)
        self.assertIn("source of cpu", self.project("promote", "--check", expect=6).stdout)
        self.assertEqual(self.level(), "OPEN")
        self.run_and_promote()
        self.project("status", "--check")

    def test_a_changed_claim_makes_the_ledger_stale(self):
        self.run_and_promote()
        path = self.root / "contracts" / "toy.yaml"
        path.write_text(CONTRACT.replace("limit: 100", "limit: 50"))
        self.assertIn("the claim changed", self.project("status", "--check", expect=6).stderr)
        # Prose around the claim is not part of it.
        path.write_text(CONTRACT.replace("Doubling an integer.", "Doubling, of an integer."))
        self.project("status", "--check")

    def test_who_only_looks_leaves_no_store_behind(self):
        # A fixture that is there is digested, and digests are worth remembering.
        worker = self.root / "workers" / "falsify_toy"
        worker.write_text(worker.read_text().replace('"fixtures": []', '"fixtures": ["ggml-golden"]'))
        self.project("status")
        self.project("status", "--check", expect=6)
        self.project("promote", "--check", expect=6)
        self.assertFalse((self.root / ".refute").exists())
        self.project("run")
        self.assertIn("ggml_golden", (self.root / ".refute" / "cache" / "file_digests.jsonl").read_text())

    def test_every_kind_of_damage_is_refused(self):
        self.run_and_promote()
        records = self.root / "reports" / "evidence" / "TOY-DOUBLE" / "FALSIFY-TOY-DOUBLE-001.jsonl"
        good = records.read_bytes()
        for bad in (good[:-1], good + b"\n", good.replace(b"100", b"101", 1), b""):
            records.write_bytes(bad)
            self.assertIn("FALSIFY-TOY-DOUBLE-001.jsonl", self.refute("verify", expect=7).stdout)
            self.project("status", "--check", expect=7)
            self.project("promote", expect=7)
            self.assertEqual(records.read_bytes(), bad)
        records.write_bytes(good)
        (records.parent / "more.jsonl").write_text("{}\n")
        self.assertIn("extra", self.refute("verify", expect=7).stdout)

    def test_a_refutation_is_reported_and_promoted(self):
        self.run_and_promote()
        self.write_worker(source="two", double="lambda x: 2 * x if x != 41 else 0")
        self.project("run", expect=1)
        text = self.project("report", "--baseline", "reports", expect=1).stdout
        self.assertLess(text.index("DISCHARGED → REFUTED"), text.index("counterexample"))
        self.assertIn("x = 41: got 0", text)
        self.assertIn("refute replay FALSIFY-TOY-DOUBLE-001 --subject cpu_scalar", text)
        self.assertIn("DISCHARGED → REFUTED", self.project("promote").stdout)
        self.assertEqual(self.level(), "REFUTED")
        self.project("promote", "--check")

    def test_a_report_and_a_replay_know_what_their_run_was_given(self):
        self.write_worker(double="lambda x: 2 * x if x != 41 else 0")
        (self.root / "contracts").rename(self.root / "my contracts")
        store = str(self.root / "a store")
        self.refute("run", "my contracts", "--worker-dir", "workers", "--store", store, expect=1)
        text = self.refute("report", "--store", store, expect=1).stdout
        self.assertIn("x = 41: got 0", text)
        replay = next(line.split("replay", 1)[1] for line in text.splitlines() if line.startswith("    replay "))
        # The printed line is enough for a shell, whatever the paths look like.
        done = subprocess.run(["sh", "-c", replay.replace("refute", REFUTE, 1)], cwd=self.root,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("bit for bit", done.stdout)
        # Another run in between takes nothing from it.
        self.write_worker()
        self.refute("run", "my contracts", "--worker-dir", "workers", "--store", store)
        self.write_worker(double="lambda x: 2 * x if x != 41 else 0")
        done = subprocess.run(["sh", "-c", replay.replace("refute", REFUTE, 1)], cwd=self.root,
                              capture_output=True, text=True, timeout=60)
        self.assertIn("bit for bit", done.stdout + done.stderr)
        self.refute("run", "my contracts", "--worker-dir", "workers", "--store", store, expect=1)
        for format in ("md", "json", "junit"):
            report = self.refute("report", "--store", store, "--format", format, expect=1).stdout
            self.assertIn("my contracts", report)

    def test_a_report_exits_as_its_run_did(self):
        self.project("run", "--min-level", "DISCHARGED")
        path = self.root / "contracts" / "toy.yaml"
        path.write_text(CONTRACT.replace("      DISCHARGED: {agreement: exhaustive}\n", ""))
        self.project("run", "--min-level", "DISCHARGED", expect=1)
        self.assertIn("exit 1", self.project("report", expect=1).stdout)

    def test_a_replay_that_has_nothing_to_run_says_why(self):
        self.write_worker(double="lambda x: 2 * x if x != 41 else 0")
        self.project("run", expect=1)
        done = self.project("replay", "FALSIFY-TOY-DOUBLE-001", "--subject", "cpu_simd", expect=4)
        self.assertIn("there is one on cpu_scalar", done.stderr)
        self.assertIn("FALSIFY-TOY-DOUBLE-001", self.project("replay", "", expect=4).stderr)

    def test_a_replay_that_survives_on_unchanged_code_is_no_good_news(self):
        # A fault that needs the calls before it: the third call of a process is wrong.
        double = "(lambda n: lambda x: (n.append(x), 2 * x + (len(n) == 3))[1])([])"
        self.write_worker(double=double)
        path = self.root / "workers" / "falsify_toy"
        text = path.read_text().replace('range(job["parameters"]["limit"])',
                                        '([job["replay"]["x"]] if job["replay"] else range(100))')
        # Asked twice, the lambda counts on: the message must not.
        path.write_text(text.replace(", subject(bad[0]))", ", -1)"))
        self.project("run", expect=1)
        done = self.project("replay", "FALSIFY-TOY-DOUBLE-001", expect=3)
        self.assertIn("does not come out when this input is run alone", done.stdout)
        self.assertIn("refute run --claim FALSIFY-TOY-DOUBLE-001", done.stdout)
        self.write_worker(source="two")
        self.assertIn("no longer refutes", self.project("replay", "FALSIFY-TOY-DOUBLE-001").stdout)

    def test_a_replay_names_the_earlier_run_that_has_the_refutation(self):
        self.write_worker(double="lambda x: 2 * x if x != 41 else 0")
        self.project("run", expect=1)
        earlier = self.run_folder().name
        self.write_worker(source="two")
        self.project("run")
        done = self.project("replay", "FALSIFY-TOY-DOUBLE-001", expect=4)
        self.assertIn(f"--run {earlier}", done.stderr)
        self.assertNotIn("did you mean", done.stderr)
        self.project("replay", "FALSIFY-TOY-DOUBLE-001", "--run", earlier)

    def test_promote_takes_no_run_that_was_cut_short(self):
        self.project("run")
        run = self.root / ".refute" / "runs" / (self.root / ".refute" / "latest").read_text().strip() / "run.json"
        facts = json.loads(run.read_text())
        run.write_text(json.dumps(facts | {"interrupted": True}))
        self.assertIn("cut short", self.project("promote", expect=2).stderr)
        self.assertFalse((self.root / "reports").exists())
        self.project("promote", "--interrupted")

    def run_folder(self):
        return self.root / ".refute" / "runs" / (self.root / ".refute" / "latest").read_text().strip()

    def test_an_edited_run_is_refused_by_all_that_read_it(self):
        # The contract asks for exhaustive agreement: a run that tried some values says it tried all.
        worker = self.root / "workers" / "falsify_toy"
        worker.write_text(worker.read_text().replace('"exhaustive"', '"generated"'))
        self.project("run")
        record = self.run_folder() / "record.jsonl"
        good = record.read_text()
        lines = good.splitlines(keepends=True)
        for bad in (good.replace('"generated"', '"exhaustive"'), "".join(lines[1:]), "".join(lines[:-1]), good[:-1]):
            record.write_text(bad)
            for command in ("promote", "report", "status"):
                done = self.project(command, expect=7)
                self.assertIn("record.jsonl", done.stderr)
                self.assertIn("run again", done.stderr)
            self.assertFalse((self.root / "reports").exists())
            self.project("replay", "FALSIFY-TOY-DOUBLE-001", expect=7)
        record.write_text(good)
        self.project("promote")

    def test_a_newer_run_that_was_killed_is_told_and_stands_in_promotes_way(self):
        self.project("run")
        done = self.run_folder()
        killed = done.with_name("29991231-235959-0")
        shutil.copytree(done, killed)
        facts = json.loads((killed / "run.json").read_text())
        del facts["records"]
        (killed / "run.json").write_text(json.dumps(facts | {"id": killed.name, "finished": False}))
        for name in ("record.jsonl", "observations.jsonl"):
            (killed / name).write_text((killed / name).read_text().splitlines(keepends=True)[0])
        document = json.loads(self.project("report", "--json").stdout)
        self.assertIn(killed.name, document["notes"][0])
        for format in ("text", "md"):
            self.assertIn(f"{killed.name}, did not finish", self.project("report", "--format", format).stdout)
        self.assertIn("run again", self.project("promote", expect=2).stderr)
        self.assertFalse((self.root / "reports").exists())
        self.project("promote", "--run", done.name)
        self.project("run")
        self.project("promote", expect=2)  # the killed one is still the newest
        shutil.rmtree(killed)
        self.project("promote")

    def test_promote_does_not_only_take_away(self):
        self.run_and_promote()
        self.write_worker(source="two")
        done = self.project("promote", expect=6)
        self.assertIn("1 claim would be left without evidence: 3 committed records are stale", done.stderr)
        self.refute("verify")
        self.project("promote", "--drop-stale")
        self.assertEqual(self.level(), "OPEN")

    def test_promote_forgets_only_what_is_there(self):
        self.run_and_promote()
        done = self.project("promote", "--forget", "TOY-DUBBLE", expect=2)
        self.assertIn("TOY-DOUBLE", done.stderr)

    def test_report_formats_and_files(self):
        self.project("run")
        self.project("report", "--output", "junit=out/run.xml", "--output", "json=out/run.json",
                     "--output", "md=out/run.md", "--output", "text=out/run.txt")
        xml.dom.minidom.parse(str(self.root / "out" / "run.xml"))
        document = json.loads((self.root / "out" / "run.json").read_text())
        self.assertEqual(document["exits"], [{"code": 0, "meaning": "everything asked for holds"}])
        self.assertEqual(document["jobs"], {"passed": 3, "failed": 0, "skipped": 0})
        self.assertIn("No claim changed", self.project("report", "--format", "md", "--baseline", "out/run.json").stdout)
        self.project("report", "--run", document["run"]["id"])

    def test_mistakes_on_the_command_line(self):
        self.project("run")
        for command, args, says in (
            ("report", ("--format", "pdf"), "pdf"),
            ("report", ("--output", "run.xml"), "FORMAT=PATH"),
            ("report", ("--run", "20200101-000000-0"), "20200101-000000-0"),
            ("report", ("--run", "../../etc"), "there is no run"),
            ("report", ("--baseline", "absent.json"), "absent.json"),
            ("status", ("--level", "DONE"), "DISCHARGED"),
            ("status", ("--format", "pdf"), "pdf"),
        ):
            self.assertIn(says, self.project(command, *args, expect=2).stderr)
        self.project("status", "--level", "REFUTED", expect=4)
        self.project("status", "--claim", "C-NF4-*", expect=4)

    def test_promote_drops_no_contract_that_was_not_given(self):
        self.run_and_promote()
        other = CONTRACT.replace("TOY-DOUBLE", "TOY-OTHER")
        (self.root / "contracts" / "toy.yaml").write_text(other)
        (self.root / "workers" / "falsify_toy").write_text(
            (self.root / "workers" / "falsify_toy").read_text().replace("TOY-DOUBLE", "TOY-OTHER"))
        self.project("run")
        self.assertIn("--forget TOY-DOUBLE", self.project("promote", expect=2).stderr)
        self.project("promote", "--forget", "TOY-DOUBLE")
        self.project("promote", "--check")

    def test_a_damaged_store_is_a_clear_error(self):
        self.project("run")
        (self.root / ".refute" / "latest").write_text("nonsense\n")
        self.assertIn("latest", self.project("report", expect=3).stderr)

    def test_a_folder_that_cannot_be_written(self):
        self.project("run")
        done = self.project("promote", "--reports", "/proc/reports", expect=3)
        self.assertIn("/proc/reports", done.stderr)
        done = self.project("report", "--output", "md=/proc/run.md", expect=3)
        self.assertIn("/proc/run.md", done.stderr)


if __name__ == "__main__":
    unittest.main()
