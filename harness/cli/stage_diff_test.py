#!/usr/bin/env python3
"""refute diff of stage files and captures, as a user meets it: usage: stage_diff_test.py SOURCE_ROOT REFUTE"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT, REFUTE = pathlib.Path(sys.argv[1]), str(pathlib.Path(sys.argv[2]).resolve())
sys.path.append(str(ROOT / "fixtures" / "generators"))
sys.dont_write_bytecode = True

import tiny_model  # noqa: E402


def run(*args):
    done = subprocess.run([REFUTE, *map(str, args)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    def setUp(self):
        keeper = tempfile.TemporaryDirectory()
        self.addCleanup(keeper.cleanup)
        self.folder = pathlib.Path(keeper.name)

    def refused(self, *args, words=()):
        code, out, err = run("diff", *args)
        self.assertEqual((code, out), (2, ""), err)
        for word in words:
            self.assertIn(word, err)

    def report(self, *args, status=0):
        code, out, err = run("diff", *args, "--json")
        self.assertEqual(code, status, (out, err))
        return json.loads(out)


class Files(Case):
    def stage(self, name, values, layer=3, count=None, magic=b"APRT"):
        path = self.folder / name
        count = len(values) if count is None else count
        path.write_bytes(magic + struct.pack("<II", layer, count) + struct.pack(f"<{len(values)}f", *values))
        return path

    def test_numbers(self):
        a = self.stage("a.bin", [3.0, 0.0, -4.0, 0.0])
        b = self.stage("b.bin", [3.0, 0.0, -4.0, 0.5])
        record = self.report(a, b, "--values", "--tolerance", "0.5")
        self.assertEqual((record["numel"], record["max_abs"], record["max_abs_index"]), (4, 0.5, 3))
        self.assertEqual((record["rmse"], record["relative_error"]), (0.25, 0.1))
        self.assertEqual((record["verdict"], record["layer"]), ("within", 3))
        self.assertEqual(record["top"], [{"index": 3, "a": 0.0, "b": 0.5, "diff": 0.5}])
        self.assertEqual(self.report(a, b, "--tolerance", "0.4", status=1)["verdict"], "above")
        self.assertEqual(self.report(a, b, "--relative-tolerance", "0.05", status=1)["verdict"], "above")
        self.assertEqual(self.report(a, b, "--tolerance", "4", status=5)["verdict"], "no-power")
        self.assertEqual(self.report(a, b)["verdict"], "not-judged")
        self.assertEqual(self.report(a, a, "--tolerance", "0")["verdict"], "identical")

    def test_nan_is_counted_first(self):
        a = self.stage("a.bin", [1.0, float("nan"), float("inf")])
        code, out, _ = run("diff", a, a, "--values", "--tolerance", "1e30")
        self.assertEqual(code, 1)
        self.assertLess(out.index("1 NaN, 1 +Inf"), out.index("max|diff|"))
        self.assertEqual(self.report(a, a, status=1)["non_finite"]["a"],
                         {"nan": 1, "positive_infinity": 1, "negative_infinity": 0, "first": 1})

    def test_two_stages_are_not_one(self):
        (self.folder / "layer-3").mkdir()
        gate, up = self.stage("layer-3/ffn_gate.bin", [1.0, 2.0]), self.stage("layer-3/ffn_up.bin", [1.0, 2.0])
        self.refused(gate, up, words=["ffn_gate.bin is of ffn_gate", "ffn_up.bin of ffn_up"])
        self.assertEqual(self.report(gate, up, status=2)["error"], "cannot-compare")
        # A name that says nothing is compared with anything of the layer.
        self.assertEqual(self.report(gate, self.stage("mine.bin", [1.0, 2.0]))["verdict"], "identical")

    def test_no_values_are_nothing_to_compare(self):
        a, b = self.stage("a.bin", []), self.stage("b.bin", [])
        code, _, err = run("diff", a, b)
        self.assertEqual(code, 4)
        self.assertIn("nothing to compare", err)

    def test_a_refusal_is_json_where_json_was_asked_for(self):
        a = self.stage("a.bin", [1.0])
        record = self.report(a, self.folder / "nope", status=2)
        self.assertIn("nope", record["message"])
        self.assertEqual(self.report(a, a, "--tolerance", "-1", status=2)["error"], "cannot-compare")

    def test_the_top(self):
        a, b = self.stage("a.bin", [0.0] * 50), self.stage("b.bin", [float(i % 7) for i in range(50)])
        record = self.report(a, b, "--values", "--top", "3")
        self.assertEqual([place["index"] for place in record["top"]], [6, 13, 20])
        self.assertEqual(len(self.report(a, b)["top"]), 10)

    def test_what_cannot_be_compared(self):
        a = self.stage("a.bin", [1.0, 2.0])
        self.refused(a, self.stage("b.bin", [1.0]), "--values", words=["has 2 values", "has 1"])
        self.refused(a, self.stage("b.bin", [1.0, 2.0], layer=4), words=["layer 3", "layer 4"])
        self.refused(a, self.stage("b.bin", [1.0, 2.0], layer=2**32 - 1), words=["the whole model"])
        self.refused(a, self.stage("b.bin", [1.0, 2.0], count=3), words=["b.bin", "cut short"])
        self.refused(a, self.stage("b.bin", [1.0, 2.0], count=1), words=["b.bin", "bytes after the end"])
        self.refused(a, self.stage("b.bin", [1.0, 2.0], count=2**32 - 1), words=["b.bin", "4294967295"])
        self.refused(a, self.folder / "absent.bin", words=["absent.bin"])
        short = self.folder / "short.bin"
        short.write_bytes(b"APRT\0\0")
        self.refused(a, short, words=["short.bin", "header"])

    def test_a_mixed_pair_goes_the_way_of_models(self):
        a = self.stage("a.bin", [1.0, 2.0])
        model = self.folder / "m.safetensors"
        text = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        model.write_bytes(struct.pack("<Q", len(text)) + text + struct.pack("<2f", 1, 2))
        self.refused(a, model, "--values", words=["a.bin", "safetensors"])
        self.assertEqual(run("diff", model, model, "--values")[0], 0)
        self.refused(model, model, "--tolerance", "1", words=["for stages"])

    def test_options(self):
        a = self.stage("a.bin", [1.0, 2.0])
        self.refused(a, a, "--tolerance", "nan", words=["tolerance"])
        self.refused(a, a, "--tolerance=-1", words=["tolerance"])
        self.refused(a, a, "--format", "md", words=["text or json"])
        self.refused(a, a, "--svg", "x.svg", words=["--tolerance"])
        self.refused(a, a, "--threshold", "0.5", words=["--tolerance"])


class Captures(Case):
    TOKENS = "3,60,0,17,17,42,9"

    def setUp(self):
        super().setUp()
        self.spec = tiny_model.spec_of({"family": "qwen3"})
        tiny_model.write(self.folder / "m", self.spec)
        self.a, self.b = self.capture("a"), self.capture("b")

    def capture(self, name, *args, model="m", tokens=TOKENS):
        args = args or ("--save-tensor", "all")
        code, _, err = run("trace", self.folder / model, "--tokens", tokens, "-o", self.folder / name, *args)
        self.assertEqual(code, 0, err)
        return self.folder / name

    def test_the_same_run_twice(self):
        record = self.report(self.a, self.b, "--tolerance", "0")
        self.assertTrue(record["same_path"])
        self.assertEqual({s["verdict"] for s in record["stages"]}, {"identical"})
        self.assertEqual(record["stages"][0]["stage"], "embedding")
        self.assertEqual([s["stage"] for s in record["stages"][-2:]], ["final_norm", "lm_head"])
        self.assertEqual(record["compared"], 2 * 18 + 3)

    def test_stages_without_power_are_no_success(self):
        wrong = self.wrong_model("model.layers.1.mlp.up_proj.weight", 1.02)
        record = self.report(self.a, wrong, "--across-models", "--relative-tolerance", "1", status=5)
        self.assertIn("no-power", {s["verdict"] for s in record["stages"]})

    def wrong_model(self, name, factor):
        keep, weights = tiny_model.tensors, dict(tiny_model.tensors(self.spec))
        shape, dtype, _, values = weights[name]
        weights[name] = (shape, dtype, *tiny_model.stored([factor * v for v in values], dtype))
        tiny_model.tensors = lambda _: weights
        try:
            tiny_model.write(self.folder / "wrong", self.spec)
        finally:
            tiny_model.tensors = keep
        return self.capture("w", model="wrong")

    def test_the_first_stage_that_is_off(self):
        wrong = self.wrong_model("model.layers.1.mlp.up_proj.weight", 1.02)
        self.refused(self.a, wrong, words=["model", "--across-models"])
        record = self.report(self.a, wrong, "--across-models", "--relative-tolerance", "1e-5", status=1)
        self.assertEqual(record["first_finding"], "layer-1/ffn_up.bin")
        up = [s for s in record["stages"] if s["file"] == "layer-1/ffn_up.bin"][0]
        self.assertAlmostEqual(up["norm_ratio"], 1.02, places=6)
        self.assertTrue(all(s["identical"] for s in record["stages"] if s["layer"] == 0))
        code, out, _ = run("diff", self.a, wrong, "--across-models", "--relative-tolerance", "1e-5")
        self.assertEqual(code, 1)
        self.assertIn("first in layer-1/ffn_up.bin", out)
        self.assertIn("differs in model", out)

    def test_another_path_is_labelled(self):
        model = tiny_model.spec_of({"head_dim": 64, "hidden": 96})
        tiny_model.write(self.folder / "wide", model)
        flash = self.capture("f", "--save-tensor", "all", "--attn", "flash2", model="wide")
        naive = self.capture("n", "--save-tensor", "all", model="wide")
        record = self.report(naive, flash, "--relative-tolerance", "1e-5")
        self.assertFalse(record["same_path"])
        self.assertTrue(any(d.startswith("attention: naive in A, flash2 in B") for d in record["differences"]))
        self.assertIn("flash2", [s for s in record["stages"] if s["stage"] == "attn_scores"][0]["note"])

    def test_refusals(self):
        other = self.capture("t", "--save-tensor", "all", tokens="3,60,0")
        self.refused(self.a, other, words=["tokens", "7", "3"])
        self.refused(self.a, self.folder / "m", words=["manifest.json"])
        self.refused(self.a, self.folder / "absent", words=["absent"])
        (self.b / "manifest.json").unlink()
        self.refused(self.a, self.b, words=["manifest.json"])

    def test_damage(self):
        stage, other = self.b / "layer-1" / "ffn_gate.bin", self.b / "layer-1" / "ffn_up.bin"
        data, kept = stage.read_bytes(), other.read_bytes()
        for name, damage in (("cut", data[:-4]), ("longer", data + b"\0\0\0\0"), ("lying", data[:8] + b"\1\0\0\0" + data[12:]),
                             ("layer", data[:4] + b"\0\0\0\0" + data[8:]), ("swapped", kept),
                             ("edited", data[:-1] + bytes([data[-1] ^ 1]))):
            with self.subTest(name):
                stage.write_bytes(damage)
                record = self.report(self.a, self.b, status=1)
                self.assertEqual(record["first_finding"], "layer-1/ffn_gate.bin")
        stage.write_bytes(data)
        (self.b / "layer-7").mkdir()
        (self.b / "layer-7" / "ffn_up.bin").write_bytes(kept)
        record = self.report(self.a, self.b, status=1)
        self.assertEqual([f["kind"] for f in record["findings"]], ["stale"])

    def test_missing_and_extra(self):
        fewer = self.capture("x", "--save-tensor", "attn_norm,lm_head")
        record = self.report(self.a, fewer, status=1)
        self.assertEqual({f["kind"] for s in record["stages"] for f in s["findings"]}, {"missing"})
        record = self.report(fewer, self.a, status=1)
        self.assertEqual({f["kind"] for s in record["stages"] for f in s["findings"]}, {"extra"})
        disjoint = self.capture("y", "--save-tensor", "ffn_up")
        self.assertEqual(self.report(fewer, disjoint, status=1)["compared"], 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
