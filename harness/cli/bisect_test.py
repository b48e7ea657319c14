#!/usr/bin/env python3
"""refute bisect from outside: usage: bisect_test.py SOURCE_ROOT REFUTE PLANTED_DECODER

PLANTED_DECODER stands for somebody else's engine: it writes captures, with a fault or without, and nothing of it is
linked into refute.
"""

import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

ROOT = pathlib.Path(sys.argv[1])
REFUTE, PLANTED = (str(pathlib.Path(a).resolve()) for a in sys.argv[2:4])
sys.path += [str(ROOT / "fixtures" / "generators"), str(ROOT / "fixtures" / "oracles")]
sys.dont_write_bytecode = True

import decoder_oracle  # noqa: E402
import hf_trace  # noqa: E402
import tiny_model  # noqa: E402

TOKENS = "3,60,0,17,42,9"
# One of each family, wide enough for every format.
WIDE = {"llama-wide": {"layers": 2, "hidden": 256, "ffn": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "seed": 31},
        "qwen2-wide": {"family": "qwen2", "layers": 2, "hidden": 256, "ffn": 256, "heads": 4, "kv_heads": 2,
                       "head_dim": 64, "tied": True, "seed": 32},
        "qwen3-wide": {"family": "qwen3", "layers": 2, "hidden": 256, "ffn": 256, "heads": 4, "kv_heads": 2,
                       "head_dim": 64, "seed": 33}}
FORMATS = {"q4_k": "model.gguf", "q8_0": "model.gguf", "fp8-e4m3": "model.safetensors", "nf4": "model.safetensors"}
# Where each kind of fault is planted: at every place that it has in layer 2, and in no layer.
PLACES = {"llama4": (), "qwen2-4": ("fast",), "qwen3-4": ("reference",)}


def run(*args, program=REFUTE):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keeper = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.keeper.name)
        for name, changes in {**tiny_model.FAULT_MODELS, **WIDE}.items():
            tiny_model.write(cls.folder / name, tiny_model.spec_of(changes))
        cls.fast = run("decode", cls.folder / "llama4", "--tokens", "1", "--max-tokens", "1", "--path", "fast")[0] == 0

    @classmethod
    def tearDownClass(cls):
        cls.keeper.cleanup()

    def new_folder(self):
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def ok(self, *args, program=REFUTE):
        code, out, err = run(*args, program=program)
        self.assertEqual(code, 0, (args, out, err))
        return out

    def capture(self, model, *args, stages="all", tokens=TOKENS):
        out = self.new_folder()
        self.ok("trace", self.folder / model, "--tokens", tokens, "--save-tensor", stages, "-o", out, *args)
        return out

    def planted(self, fault, model, *path):
        out = self.new_folder()
        self.ok(fault, self.folder / model, TOKENS, out, *path, program=PLANTED)
        return out

    def bisected(self, *args, status):
        code, out, err = run("bisect", *args, "--json")
        self.assertEqual(code, status, (args, out[:3000], err))
        return json.loads(out)

    def quantised(self, name, form):
        folder = self.folder / f"{name}-{form}"
        if not folder.exists():
            folder.mkdir()
            shutil.copy(self.folder / name / "config.json", folder)
            self.ok("quantize", self.folder / name, "--format", form, "-o", folder / FORMATS[form])
        return f"{name}-{form}/{FORMATS[form]}"

    def refused(self, *args, words=(), status=2):
        code, out, err = run("bisect", *args)
        self.assertEqual((code, out), (status, ""), err)
        for word in words:
            self.assertIn(word, err)
        code, out, _ = run("bisect", *args, "--json")
        self.assertEqual(code, status)
        self.assertIn("error", json.loads(out))


class Faults(Case):
    def test_every_kind_of_fault_in_somebody_elses_capture(self):
        for model, path in PLACES.items():
            if path == ("fast",) and not self.fast:
                continue
            good = self.capture(model)
            names = self.ok("--list", self.folder / model, *path, program=PLANTED).split()
            kinds = set()
            for name in names:
                kind, place = name.split("@")
                stage, _, layer = place.partition(".")
                # stale_cache needs a cache, which a capture of one step does not have.
                if layer not in ("2", "0" if stage == "embedding" else "", "") or kind == "stale_cache":
                    continue
                if kind in ("scale", "nan") or kind not in kinds:
                    kinds.add(kind)
                    record = self.bisected(self.folder / model, good, self.planted(name, model, *path), "--replicas", "0",
                                           status=1)
                    verdict = record["verdict"]
                    self.assertEqual((verdict["kind"], verdict["stage"], verdict["layer"]),
                                     ("wrong-stage", stage, int(layer) if layer else None), name)
            self.assertGreater(len(kinds), 15)

    def test_a_healthy_engine_has_none(self):
        for model in ("llama4", "qwen2-4", "qwen3-4", "llama4-flash"):
            good = self.capture(model)
            for path in ("reference", "fast", "fast+bf16", "reference+f16", "fast+flash2"):
                if "fast" in path and not self.fast or "flash2" in path and model != "llama4-flash":
                    continue
                record = self.bisected(self.folder / model, good, self.planted("healthy", model, path), status=0)
                self.assertEqual(record["verdict"]["kind"], "noise", (model, path))

    def test_the_first_of_two(self):
        """A fault, and everything after it is wrong as well: the first is named, and only it is above its floor."""
        record = self.bisected(self.folder / "llama4", self.capture("llama4"),
                               self.planted("scale@k_post_rope.1", "llama4"), status=1)
        above = [s for s in record["stages"] if s["own_in_its_run"]["of_floor"] not in ("inf",)
                 and s["own_in_its_run"]["of_floor"] > 1]
        self.assertEqual([(s["stage"], s["layer"]) for s in above], [("k_post_rope", 1)])
        apart = [s for s in record["stages"] if s["total"]["relative"] > 1e-3]
        self.assertGreater(len(apart), 20)

    def test_one_weight_is_one_column(self):
        _, out, _ = run("bisect", self.folder / "llama4", self.capture("llama4"),
                        self.planted("weight_element@ffn_up.2", "llama4"))
        self.assertIn("6 of 288 elements are beyond, all in column 24", out)
        _, out, _ = run("bisect", self.folder / "llama4", self.capture("llama4"),
                        self.planted("stale_token@ffn_up.2", "llama4"))
        self.assertIn("all in row 5", out)

    def test_nan(self):
        code, out, _ = run("bisect", self.folder / "llama4", self.capture("llama4"), self.planted("nan@ffn_up.1", "llama4"))
        self.assertEqual(code, 1)
        self.assertIn("layer 1, ffn_up is the first stage above its floor", out.splitlines()[0])
        self.assertIn("1 of its 288 values are not finite", out.splitlines()[0])
        self.assertIn("1 of 288 values are NaN or infinite", out)
        svg = self.folder / "nan.svg"
        run("bisect", self.folder / "llama4", self.capture("llama4"), self.planted("nan@ffn_up.1", "llama4"), "--svg", svg)
        words = [t.firstChild.data for t in xml.dom.minidom.parse(str(svg)).getElementsByTagName("text")]
        self.assertIn("layer 1, ffn_up, infinitely", words)
        self.assertIn("infinitely from here on", words)
        self.assertIn("its inputs are not finite", run("bisect", self.folder / "llama4", self.capture("llama4"),
                                                       self.planted("nan@ffn_up.1", "llama4"), "--all")[1])


class ForeignEngine(Case):
    """An engine that shares no code with refute: plain Python in f64, which stores f32 and goes on with what it has."""

    def captured(self, name, change=None, swap=None):
        spec = tiny_model.spec_of(tiny_model.FAULT_MODELS[name])
        weights = dict(tiny_model.tensors(spec))
        if change:
            key, formula = change
            shape, dtype, data, values = weights[key]
            weights[key] = (shape, dtype, data, formula(values))
        tokens = [int(t) for t in TOKENS.split(",")]
        attention = decoder_oracle.attention
        if swap:
            decoder_oracle.attention = swap(attention)
        try:
            kept = decoder_oracle.forward(spec, weights, tokens)
        finally:
            decoder_oracle.attention = attention
        return self.written(name, spec, tokens, kept)

    def written(self, name, spec, tokens, kept):
        out, hidden = self.new_folder(), len(tokens)
        widths = {"attn_scores": [spec["heads"], hidden, hidden], "attn_softmax": [spec["heads"], hidden, hidden],
                  "lm_head": [spec["vocab"]], "q_norm": [hidden, spec["heads"], spec["head_dim"]],
                  "k_norm": [hidden, spec["kv_heads"], spec["head_dim"]]}
        widths |= {"q_post_rope": widths["q_norm"], "k_post_rope": widths["k_norm"]}
        path = {"name": "plain-python", "attention": "naive", "backend": "cpu", "kernels": ["fsum"],
                "weight_dtype": "F32", "activation_dtype": "F64", "accumulate_dtype": "F64"}
        digest = hf_trace.model_digest(self.folder / name)
        run = hf_trace.Fields().add("refute capture", 1, digest, len(tokens), *tokens)
        path["fingerprint"] = hf_trace.feed_path(hf_trace.Fields(), path)
        files = []
        order = sorted(kept, key=lambda at: (at[0] != "embedding", at[1] is None, at[1] or 0, hf_trace.STAGES.index(at[0])))
        for stage, layer in order:
            values = kept[stage, layer]
            number = hf_trace.WHOLE_MODEL if layer is None else layer
            data = struct.pack("<4sII", b"APRT", number, len(values)) + struct.pack(f"<{len(values)}f", *values)
            hf_trace.write_file(out / hf_trace.stage_path(stage, number), data)
            files.append({"file": hf_trace.stage_path(stage, number), "stage": stage, "layer": layer,
                          "shape": widths.get(stage, [hidden, len(values) // hidden]),
                          "sha256": hashlib.sha256(data).hexdigest()})
        manifest = {"format": "refute-capture", "version": 1, "run_id": hf_trace.feed_path(run, path),
                    "producer": "plain Python", "tokens": tokens, "path": path, "files": files,
                    "model": {"name": name, "sha256": digest, "architecture": spec["family"], "layers": spec["layers"]}}
        (out / "manifest.json").write_text(json.dumps(manifest))
        return out

    def test_healthy(self):
        for name in ("llama4", "qwen2-4", "qwen3-4"):
            record = self.bisected(self.folder / name, self.capture(name), self.captured(name), status=0)
            self.assertEqual(record["verdict"]["kind"], "noise", name)
            self.assertEqual(record["symptom"]["differs"], False)

    def test_its_own_faults(self):
        def one_weight(values):
            return [0.0 if i == 5 else v for i, v in enumerate(values)]

        def no_bias(values):
            return [0.0] * len(values)

        def interleaved(right):
            def wrong(spec, qkv, layer, keep, weights):
                out = right(spec, qkv, layer, keep, weights)
                if layer == 2:  # two heads of what attention gives have changed places
                    d = spec["head_dim"]
                    out = [row[d:2 * d] + row[:d] + row[2 * d:] for row in out]
                return out
            return wrong

        cases = [("llama4", {"change": ("model.layers.1.mlp.gate_proj.weight", one_weight)}, "ffn_gate", 1),
                 ("llama4", {"change": ("model.norm.weight", one_weight)}, "final_norm", None),
                 ("qwen2-4", {"change": ("model.layers.3.self_attn.k_proj.bias", no_bias)}, "qkv_bias", 3),
                 ("qwen3-4", {"change": ("model.layers.0.self_attn.q_norm.weight", lambda v: [1.0] * len(v))}, "q_norm", 0),
                 ("qwen3-4", {"swap": interleaved}, "attention", 2)]
        for name, how, stage, layer in cases:
            record = self.bisected(self.folder / name, self.capture(name), self.captured(name, **how), status=1)
            verdict = record["verdict"]
            self.assertEqual((verdict["stage"], verdict["layer"]), (stage, layer), verdict["headline"])


class Story(Case):
    """A quantised model talks gibberish, or seems to. The rule that was used, "the first stage whose cosine is under
    0.999", blamed attention, which was healthy; what was traced was not what failed."""

    def setUp(self):
        self.model = self.folder / self.quantised("qwen2-wide", "q4_k")
        self.original = self.folder / "qwen2-wide"
        self.hugging_face = self.capture("qwen2-wide")

    def test_noise(self):
        engine = self.planted("healthy", self.quantised("qwen2-wide", "q4_k"), "reference-dequant+flash2")
        record = self.bisected(self.model, "--original", self.original, self.hugging_face, engine, status=0)
        self.assertEqual(record["verdict"]["kind"], "noise")
        under = [s for s in record["stages"] if s["total"]["cosine"] < 0.999]
        self.assertGreater(len(under), 10)  # the popular rule fires, early and often
        for stage in record["stages"]:
            self.assertLess(stage["total"]["relative"], 1.5 * stage.get("predicted_total", 0) + 1e-9, stage["stage"])
        for stage in record["stages"]:
            if "weights" in stage:
                self.assertLessEqual(stage["weights"]["stored"], stage["weights"]["band"])
                self.assertLess(stage["weights"]["output"], 2 * stage["weights"]["band"] + 1e-9)
        code, out, _ = run("bisect", self.model, "--original", self.original, self.hugging_face, engine)
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith("noise, not a bug"), out)
        self.assertIn('"first stage under 0.999" would have named', out)

    def test_the_right_stage_under_the_noise(self):
        """A fault smaller than what quantisation does at the same stage is named all the same."""
        name = self.quantised("qwen2-wide", "q4_k")
        for fault, stage, layer in (("scale@attn_out.1", "attn_out", 1), ("weight_element@qkv_matmul.0", "qkv_matmul", 0),
                                    ("fallback_half@ffn_gate.1", "ffn_gate", 1), ("norm_epsilon@ffn_norm.0", "ffn_norm", 0)):
            engine = self.planted(fault, name, "reference-dequant+flash2")
            record = self.bisected(self.model, "--original", self.original, self.hugging_face, engine, status=1)
            self.assertEqual((record["verdict"]["stage"], record["verdict"]["layer"]), (stage, layer), fault)
            row = next(s for s in record["stages"] if (s["stage"], s["layer"]) == (stage, layer))
            self.assertLess(row["own_in_its_run"]["relative"], row["quantisation"]["relative"])

    def test_another_path_was_traced(self):
        record = self.bisected(self.model, "--original", self.original, self.hugging_face,
                               self.planted("healthy", self.quantised("qwen2-wide", "q4_k")), "--says", "60", status=3)
        self.assertEqual(record["verdict"]["kind"], "other-run")
        self.assertFalse(record["symptom"]["reproduced"])

    def test_weights_that_were_stored_wrong(self):
        """The operations are right, and a tensor in the file is not what the original makes it."""
        broken = tiny_model.tensors(tiny_model.spec_of(WIDE["qwen2-wide"]))
        name = "model.layers.1.mlp.down_proj.weight"
        shape, dtype, _, values = broken[name]
        broken[name] = (shape, dtype, *tiny_model.stored([v * 1.3 for v in values], dtype))
        keep, folder = tiny_model.tensors, self.new_folder()
        tiny_model.tensors = lambda _: broken
        try:
            tiny_model.write(folder / "f32", tiny_model.spec_of(WIDE["qwen2-wide"]))
        finally:
            tiny_model.tensors = keep
        # No config.json beside it: the original's speaks for it.
        self.ok("quantize", folder / "f32", "--format", "q4_k", "-o", folder / "model.gguf")
        record = self.bisected(folder / "model.gguf", "--original", self.original, "--bad", "reference-dequant", "--tokens",
                               TOKENS, status=1)
        self.assertEqual((record["verdict"]["kind"], record["verdict"]["stage"], record["verdict"]["layer"]),
                         ("wrong-weights", "ffn_out", 1))


class Healthy(Case):
    def test_every_format_of_every_family(self):
        for name in WIDE:
            for form in FORMATS:
                model = self.quantised(name, form)
                original = ("--original", self.folder / name)
                for path, *more in (("reference-dequant", *original), ("reference-dequant+flash2",),
                                    ("fast", *original), ("fast+flash2+bf16",)):
                    if "fast" in path and not self.fast:
                        continue
                    record = self.bisected(self.folder / model, *more, "--bad", path, "--tokens", TOKENS,
                                           "--max-tokens", "2", "--replicas", "0", status=0)
                    self.assertEqual(record["verdict"]["kind"], "noise", (model, path))


class MoreThanNoise(Case):
    """Nothing is above its floor, and the ends are further apart than floors and formats explain: that is no noise."""

    def listed(self, out, *stages):
        """The manifest lists only these stages from now on; the others were not captured."""
        manifest = json.loads((out / "manifest.json").read_text())
        manifest["files"] = [f for f in manifest["files"] if f["stage"] in stages]
        for file in out.rglob("*.bin"):
            if file.stem not in stages:
                file.unlink()
        (out / "manifest.json").write_text(json.dumps(manifest))
        return out

    def test_a_good_end_that_could_not_be_judged(self):
        wrong = self.listed(self.planted("scale@ffn_up.2", "llama4"), "ffn_up", "lm_head")
        record = self.bisected(self.folder / "llama4", wrong, self.capture("llama4"), status=5)
        verdict = record["verdict"]
        self.assertEqual(verdict["kind"], "not-judged")
        self.assertIn("more than noise from layer 2, ffn_up on: the good end is", verdict["headline"])
        self.assertIn("times what rounding makes of it", verdict["headline"])

    def test_a_bad_end_of_which_little_was_captured(self):
        """What was not captured is said after what is known: how far the ends are apart, and where first."""
        wrong = self.listed(self.planted("scale@attn_out.1", "llama4"), "ffn_norm", "lm_head")
        verdict = self.bisected(self.folder / "llama4", self.capture("llama4"), wrong, status=5)["verdict"]
        self.assertIn("more than noise from layer 1, ffn_norm on: the bad end is", verdict["headline"])
        self.assertTrue(any("could be judged" in why for why in verdict["why"]), verdict)
        nothing = self.listed(self.capture("llama4"))
        verdict = self.bisected(self.folder / "llama4", nothing, nothing, status=5)["verdict"]
        self.assertIn("too little was captured of all", verdict["headline"])
        self.assertNotIn("without MODEL", json.dumps(verdict))

    def test_probabilities_without_scores(self):
        """They are judged from queries and keys: a capture with them is not judged less than one without."""
        stages = [s for s in hf_trace.STAGES if s != "attn_scores"]
        for good, bad in ((self.capture("llama4"), self.listed(self.capture("llama4"), *stages)),
                          (self.capture("llama4"), self.listed(self.planted("healthy", "llama4", "reference+f16"), *stages))):
            record = self.bisected(self.folder / "llama4", good, bad, status=0)
            self.assertNotIn("attn_scores", {s["stage"] for s in record["stages"]})
            self.assertTrue(all("own_in_its_run" in s for s in record["stages"]))
        for fault, stage in (("scale@attn_softmax.1", "attn_softmax"), ("heads_swapped@attention.1", "attention")):
            wrong = self.listed(self.planted(fault, "llama4"), *stages)
            verdict = self.bisected(self.folder / "llama4", good, wrong, status=1)["verdict"]
            self.assertEqual((verdict["stage"], verdict["layer"]), (stage, 1))
        # Scores without probabilities: attention is judged whole, and the scores as well.
        wrong = self.listed(self.planted("scale@attn_scores.1", "llama4"),
                            *(s for s in hf_trace.STAGES if s != "attn_softmax"))
        verdict = self.bisected(self.folder / "llama4", good, wrong, status=1)["verdict"]
        self.assertEqual((verdict["stage"], verdict["layer"]), ("attn_scores", 1))

    def test_coarse_arithmetic_of_either_end_is_predicted(self):
        """A good end that rounds harder than the bad one is no mystery."""
        for good, bad in (("fast+bf16", "reference"), ("reference", "fast+bf16")):
            if self.fast:
                record = self.bisected(self.folder / "llama4", "--good", good, "--bad", bad, "--tokens", TOKENS, status=0)
                ratios = [s["total"]["relative"] / s["predicted_total"] for s in record["stages"] if "predicted_total" in s]
                self.assertLess(max(ratios), 4)

    def test_a_block_that_one_huge_weight_rules(self):
        """The ends are further apart than the format's band predicts, and that is what the weights make."""
        spec = tiny_model.spec_of(WIDE["qwen2-wide"])
        weights = dict(tiny_model.tensors(spec))
        for name, (shape, dtype, _, values) in list(weights.items()):
            if len(shape) == 2:
                values = list(values)
                values[5 * shape[1] + 5] = 100 * max(map(abs, values))
                weights[name] = (shape, dtype, *tiny_model.stored(values, dtype))
        keep, folder = tiny_model.tensors, self.new_folder()
        tiny_model.tensors = lambda _: weights
        try:
            tiny_model.write(folder / "huge", spec)
        finally:
            tiny_model.tensors = keep
        self.ok("quantize", folder / "huge", "--format", "q4_0", "-o", folder / "q4.gguf")
        record = self.bisected(folder / "q4.gguf", "--original", folder / "huge", "--bad", "reference-dequant", "--tokens",
                               TOKENS, status=0)
        self.assertEqual(record["verdict"]["kind"], "noise")


class Says(Case):
    def test_the_token_after_the_prompt(self):
        model, run_on = self.folder / "llama4", ("--tokens", "1,5,9", "--bad", "reference-dequant")
        decoded = json.loads(self.ok("decode", model, "--tokens", "1,5,9", "--path", "reference-dequant", "--max-tokens", "4",
                                     "--json"))
        first, *later = decoded["tokens"]
        self.assertNotIn(first, later)
        for steps in ("1", "4"):
            self.bisected(model, *run_on, "--says", first, "--max-tokens", steps, status=0)
            for token in later:
                record = self.bisected(model, *run_on, "--says", token, "--max-tokens", steps, status=3)
                self.assertIn(f"this one says {first}", record["verdict"]["headline"])

    def test_a_token_outside_the_vocabulary(self):
        model, good = self.folder / "llama4", self.capture("llama4")
        self.refused(model, "--bad", "reference", "--tokens", "1,5,9", "--says", "61", words=["61", "--says"])
        self.refused(model, good, good, "--says", "61", words=["61", "--says"])


class Config(Case):
    """The file computes without any error, and something else than its original: a field was lost or mangled."""

    LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 64}
    BASE = {"layers": 2, "seed": 41}

    def model(self, name, **changes):
        path = self.new_folder() / name
        tiny_model.write(path, tiny_model.spec_of({**self.BASE, **changes}))
        return path

    def traced(self, *models):
        captures = [self.new_folder() for _ in models]
        for path, out in zip(models, captures):
            self.ok("trace", path, "--tokens", TOKENS, "--save-tensor", "all", "-o", out)
        return captures

    def both_ways(self, original, model, status):
        """Bisection of captures and of paths, which have to agree."""
        first = self.bisected(model, "--original", original, *self.traced(original, model), status=status)["verdict"]
        second = self.bisected(model, "--original", original, "--bad", "reference", "--tokens", TOKENS,
                               status=status)["verdict"]
        self.assertEqual((first["kind"], first.get("config")), (second["kind"], second.get("config")))
        return first

    def test_every_field_that_a_converter_can_lose(self):
        linear = {"rope_type": "linear", "factor": 4.0}
        llama3 = "llama3, factor 8, low 1, high 4, original context 64"
        cases = [({}, {"theta": 1e6}, {"rope_theta": (1e4, 1e6)}),
                 ({"theta": 1e6}, {"theta": 1e4, "eps": 0.5}, {"rope_theta": (1e6, 1e4), "rms_norm_eps": (2.0**-17, 0.5)}),
                 ({"eps": 1e-6}, {"eps": 2.0**-18}, {"rms_norm_eps": (1e-6, 2.0**-18)}),
                 ({"rope_scaling": linear}, {"rope_scaling": {**linear, "factor": 8.0}}, {"rope_scaling.factor": (4, 8)}),
                 ({"rope_scaling": linear}, {}, {"rope_scaling": ("linear, factor 4", "none")}),
                 ({"rope_scaling": self.LLAMA3}, {}, {"rope_scaling": (llama3, "none")}),
                 ({"rope_scaling": self.LLAMA3}, {"rope_scaling": {**self.LLAMA3, "factor": 8.01}},
                  {"rope_scaling": (llama3, "none, with rope_freqs.weight")}),
                 ({}, {"heads": 2, "kv_heads": 1, "head_dim": 16},
                  {"num_attention_heads": (4, 2), "num_key_value_heads": (2, 1), "head_dim": (8, 16)})]
        for right, wrong, expected in cases:
            verdict = self.both_ways(self.model("original", **right), self.model("model.gguf", **wrong), status=1)
            self.assertEqual(verdict["kind"], "wrong-config")
            self.assertEqual({d["field"]: (d["good"], d["bad"]) for d in verdict["config"]}, expected)

    def test_text(self):
        original, model = self.model("original"), self.model("model.gguf", theta=1e6)
        code, out, err = run("bisect", model, "--original", original, "--bad", "reference", "--tokens", TOKENS)
        self.assertEqual((code, err), (1, ""))
        self.assertEqual(out.splitlines()[0], f"wrong config: rope_theta is 10000 in {original} and 1000000 in {model}")
        model = self.model("model.gguf", heads=2, kv_heads=1, head_dim=16)
        picture = self.folder / "heads.svg"
        code, out, err = run("bisect", model, "--original", original, "--bad", "reference", "--tokens", TOKENS, "--svg", picture)
        self.assertEqual((code, err), (1, ""))
        self.assertIn("num_attention_heads is 4", out)
        self.assertNotIn("own error", out)
        xml.dom.minidom.parse(str(picture))

    def test_one_description_in_two_spellings(self):
        """GGUF has f32 where config.json has decimals, and Llama 3.1's scaling as a tensor of divisors."""
        wide = {**self.LLAMA3, "factor": 32.0, "original_max_position_embeddings": 8192}
        for changes in ({"eps": 1e-6}, {"eps": 1e-5, "theta": 500000.3}, {"rope_scaling": self.LLAMA3, "theta": 5e5},
                        {"rope_scaling": wide, "head_dim": 64, "theta": 5e5},
                        {"rope_scaling": {"rope_type": "linear", "factor": 2.3}},
                        {"family": "qwen2", "eps": 1e-6, "theta": 1e6}):
            verdict = self.both_ways(self.model("original", **changes), self.model("model.gguf", **changes), status=0)
            self.assertEqual(verdict["kind"], "noise", changes)

    def test_a_fault_beside_it_is_not_lost(self):
        original, model = self.model("original"), self.model("model.gguf", theta=1e6)
        good, bad = *self.traced(original), self.new_folder()
        self.ok("scale@ffn_gate.1", model, TOKENS, bad, program=PLANTED)
        verdict = self.bisected(model, "--original", original, good, bad, status=1)["verdict"]
        self.assertEqual((verdict["kind"], verdict["stage"], verdict["layer"]), ("wrong-config", "ffn_gate", 1))
        self.assertIn("beside that: wrong: layer 1, ffn_gate is the first stage above its floor", verdict["why"][0])

    def test_another_model_is_no_finding(self):
        original = self.model("original")
        for changes, field in (({"layers": 3}, "num_hidden_layers is 2"), ({"vocab": 67}, "vocab_size is 61"),
                               ({"ffn": 64}, "intermediate_size is 48"), ({"bias": True}, "attention_bias is false")):
            model = self.model("model.gguf", **changes)
            self.refused(model, "--original", original, "--bad", "reference", "--tokens", TOKENS,
                         words=["two shapes", field, str(original)])
            self.refused(model, "--original", original, *self.traced(original, model), words=["two shapes", field])


class NotFinite(Case):
    def test_a_weight_that_is_nan(self):
        """No path is to blame for what the file holds: nothing is judged from there on, and the stage is named."""
        spec = tiny_model.spec_of(tiny_model.FAULT_MODELS["llama4"])
        weights = dict(tiny_model.tensors(spec))
        shape, dtype, data, values = weights["model.layers.1.mlp.up_proj.weight"]
        weights["model.layers.1.mlp.up_proj.weight"] = (shape, dtype, struct.pack("<I", 0x7FC12345) + data[4:], values)
        keep, folder = tiny_model.tensors, self.new_folder()
        tiny_model.tensors = lambda _: weights
        try:
            tiny_model.write(folder / "nan", spec)
        finally:
            tiny_model.tensors = keep
        record = self.bisected(folder / "nan", "--bad", "reference-dequant", "--tokens", TOKENS, status=5)
        self.assertEqual(record["verdict"]["kind"], "not-judged")
        self.assertIn("layer 1, ffn_up: the reference itself is not finite here: look at the weights",
                      record["verdict"]["why"][0])
        out = self.new_folder()
        self.ok("trace", folder / "nan", "--tokens", TOKENS, "--save-tensor", "all", "-o", out)
        record = self.bisected(folder / "nan", out, out, status=5)
        self.assertIn("layer 1, ffn_up: its weights are not finite", record["verdict"]["why"][0])


class Output(Case):
    def test_verdict_first_and_a_picture(self):
        svg = self.folder / "bisect.svg"
        code, out, err = run("bisect", self.folder / "llama4", self.capture("llama4"),
                             self.planted("gqa_interleaved@attn_scores.3", "llama4"), "--svg", svg)
        self.assertEqual((code, err), (1, ""))
        self.assertTrue(out.startswith("wrong: layer 3, attn_scores is the first stage above its floor"), out)
        picture = xml.dom.minidom.parse(str(svg))
        words = [t.firstChild.data for t in picture.getElementsByTagName("text")]
        self.assertIn("layer 3, attn_scores", words)
        self.assertIn("layer 0", words)
        red = [c for c in picture.getElementsByTagName("circle") if c.getAttribute("class") == "r"]
        self.assertEqual(len(red), 1)
        self.assertGreater(len(picture.getElementsByTagName("circle")), 75)
        code, out, _ = run("bisect", self.folder / "llama4", "--bad", "reference-dequant", "--tokens", TOKENS, "--all")
        self.assertEqual(code, 0)
        self.assertEqual(sum(" attn_softmax " in line for line in out.splitlines()), 4)

    def test_a_picture_that_cannot_be_written(self):
        code, out, err = run("bisect", self.folder / "llama4", "--bad", "reference-dequant", "--tokens", TOKENS, "--svg",
                             self.folder / "llama4")
        self.assertEqual((code, out), (3, ""))
        self.assertIn("llama4", err)

    def test_without_a_model(self):
        good, bad = self.capture("llama4"), self.planted("scale@ffn_up.0", "llama4")
        record = self.bisected(good, bad, status=5)
        self.assertEqual(record["verdict"]["kind"], "not-judged")
        self.assertIn("inherited", record["verdict"]["headline"])
        self.assertNotIn("own_in_its_run", record["stages"][0])
        record = self.bisected(good, self.capture("llama4"), status=0)
        self.assertIn("identical", record["verdict"]["headline"])

    def test_what_was_not_captured_is_not_judged(self):
        stages = "attn_norm,qkv_matmul,attn_out,lm_head,final_norm"
        record = self.bisected(self.folder / "llama4", self.capture("llama4", stages=stages),
                               self.capture("llama4", "--path", "reference-dequant", stages=stages), status=5)
        self.assertEqual(record["verdict"]["kind"], "not-judged")
        judged = {s["stage"] for s in record["stages"] if "own_in_its_run" in s}
        self.assertEqual(judged, {"qkv_matmul", "lm_head"})
        reason = next(s["not_judged"] for s in record["stages"] if s["stage"] == "attn_out")
        self.assertIn("attention was not captured", reason)
        # A stage that can be judged is, whatever else is missing.
        wrong = self.planted("scale@qkv_matmul.2", "llama4")
        manifest = json.loads((wrong / "manifest.json").read_text())
        manifest["files"] = [f for f in manifest["files"] if "attention" not in f["file"]]
        (wrong / "manifest.json").write_text(json.dumps(manifest))
        record = self.bisected(self.folder / "llama4", self.capture("llama4"), wrong, status=1)
        self.assertEqual((record["verdict"]["stage"], record["verdict"]["layer"]), ("qkv_matmul", 2))
        self.assertTrue(any("files of an earlier run" in note for note in record["notes"]))


class Refusals(Case):
    def test_options(self):
        model = self.folder / "llama4"
        run_on = ("--tokens", TOKENS)
        self.refused(model, *run_on, words=["--bad"])
        self.refused(model, "--bad", "fast", words=["--tokens"])
        self.refused(model, "--bad", "fats", *run_on, words=["--bad", "fats", "reference-dequant"])
        self.refused(model, "--bad", "reference-dequant", "--good", "best", *run_on, words=["--good", "best"])
        self.refused(model, "--bad", "reference-dequant", "--tokens", "1,61", words=["61"])
        self.refused(model, "--bad", "reference-dequant", "--prompt", "x", words=["tokenizer"])
        self.refused(model, "--bad", "reference+flash2", *run_on, status=1, words=["unsupported-head-dim"])
        self.refused(model, model, "--bad", "fast", words=["captures have run already"])
        self.refused(model, model, *run_on, words=["tokens of their own"])
        self.refused(model, model, "--max-tokens", "4", words=["--max-tokens"])
        self.refused(model, model, "--original", model, words=["MODEL before"])
        self.refused(self.folder / "nowhere", "--bad", "fast", *run_on, words=["nowhere"])
        self.refused(model, "--original", self.folder / "qwen2-4", "--bad", "reference-dequant", *run_on,
                     words=["two shapes"])
        quantised = self.folder / self.quantised("llama-wide", "q8_0")
        self.refused(quantised, "--good", "reference", "--bad", "reference-dequant", *run_on, words=["--good", "Q8_0"])

    def test_captures_of_other_things(self):
        model, good = self.folder / "llama4", self.capture("llama4")
        self.refused(model, good, self.capture("llama4", tokens="3,60,1"), words=["different tokens", "position 2"])
        self.refused(good, self.capture("qwen3-4"), words=["is of model llama4", "qwen3-4", "--original"])
        self.refused(model, good, self.capture("qwen3-4"), words=["another content"])
        self.refused(self.folder / "qwen2-4", good, good, words=["another content"])
        self.refused(model, good, self.folder / "nowhere", words=["nowhere"])
        self.refused(model, good, self.folder / "llama4", words=["manifest.json"])
        quantised = self.capture(self.quantised("llama-wide", "q8_0"))
        self.refused(self.folder / self.quantised("llama-wide", "q8_0"), self.capture("llama-wide"), quantised,
                     words=["--original"])

    def changed(self, change):
        out = self.capture("llama4")
        change(out)
        return out

    def rewritten(self, out):
        """The manifest vouches for whatever lies there now."""
        manifest = json.loads((out / "manifest.json").read_text())
        for entry in manifest["files"]:
            entry["sha256"] = hashlib.sha256((out / entry["file"]).read_bytes()).hexdigest()
        (out / "manifest.json").write_text(json.dumps(manifest))

    def test_files_that_are_not_what_they_were(self):
        model, good = self.folder / "llama4", self.capture("llama4")
        target = "layer-1/ffn_up.bin"

        def cut(out):
            (out / target).write_bytes((out / target).read_bytes()[:-4])

        def longer(out):
            (out / target).write_bytes((out / target).read_bytes() + b"\0\0\0\0")

        def lying(out):
            data = (out / target).read_bytes()
            (out / target).write_bytes(data[:8] + struct.pack("<I", 0xFFFFFFFF) + data[12:])
            self.rewritten(out)

        def swapped(out):
            a, b = out / target, out / "layer-1/ffn_gate.bin"
            x, y = a.read_bytes(), b.read_bytes()
            a.write_bytes(y), b.write_bytes(x)

        def other_layer(out):
            shutil.copy(out / "layer-2/ffn_up.bin", out / target)
            self.rewritten(out)

        def flipped(out):
            data = bytearray((out / target).read_bytes())
            data[-1] ^= 1
            (out / target).write_bytes(data)

        def gone(out):
            (out / target).unlink()

        for change in (cut, longer, lying, swapped, other_layer, flipped, gone):
            with self.subTest(change.__name__):
                wrong = self.changed(change)
                self.refused(model, good, wrong, words=["layer-1/ffn"])
                self.refused(model, wrong, good, words=["layer-1/ffn"])
                self.refused(good, wrong, words=["layer-1/ffn"])

    def test_swapped_files_that_the_manifest_vouches_for(self):
        """Two stages of one shape have changed places and the manifest says so: then the numbers say it."""
        out = self.capture("llama4")
        a, b = out / "layer-1/ffn_up.bin", out / "layer-1/ffn_gate.bin"
        x, y = a.read_bytes(), b.read_bytes()
        a.write_bytes(y), b.write_bytes(x)
        self.rewritten(out)
        record = self.bisected(self.folder / "llama4", self.capture("llama4"), out, status=1)
        self.assertEqual((record["verdict"]["stage"], record["verdict"]["layer"]), ("ffn_gate", 1))

    def test_shapes_and_words_of_a_manifest(self):
        def changed_manifest(change):
            out = self.capture("llama4")
            manifest = json.loads((out / "manifest.json").read_text())
            change(manifest)
            (out / "manifest.json").write_text(json.dumps(manifest))
            return out

        def reshape(manifest):
            entry = next(f for f in manifest["files"] if f["file"] == "layer-0/attn_norm.bin")
            entry["shape"] = entry["shape"][::-1]

        good = self.capture("llama4")
        self.refused(self.folder / "llama4", good, changed_manifest(reshape), words=["layer-0/attn_norm.bin", "[6, 32]"])
        self.refused(self.folder / "llama4", good, changed_manifest(lambda m: m.update({"surprise": 1})),
                     words=["surprise"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
