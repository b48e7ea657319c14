#!/usr/bin/env python3
"""refute trace and refute decode from outside: usage: trace_test.py SOURCE_ROOT REFUTE

Every stage of every small model is held against another forward pass (fixtures/oracles/decoder_oracle.py), which reads
no file that refute wrote besides the stages themselves.
"""

import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT, REFUTE = pathlib.Path(sys.argv[1]), str(pathlib.Path(sys.argv[2]).resolve())
sys.path += [str(ROOT / "fixtures" / "generators"), str(ROOT / "fixtures" / "oracles")]
sys.dont_write_bytecode = True

import decoder_oracle  # noqa: E402
import tiny_model  # noqa: E402

TOKENS = [3, 60, 0, 17, 17, 42, 9]
WORDS = ",".join(map(str, TOKENS))
STAGES = ["embedding", "attn_norm", "qkv_matmul", "qkv_bias", "q_norm", "k_norm", "q_post_rope", "k_post_rope",
          "attn_scores", "attn_softmax", "attention", "attn_out", "post_attn_residual", "ffn_norm", "ffn_gate", "ffn_up",
          "ffn_silu", "ffn_swigl", "ffn_out", "post_ffn_residual", "final_norm", "lm_head"]


def run(*args, cwd=None, env=None):
    done = subprocess.run([REFUTE, *map(str, args)], capture_output=True, text=True, check=False, cwd=cwd,
                          env=os.environ | (env or {}))
    return done.returncode, done.stdout, done.stderr


def read_stage(path):
    data = path.read_bytes()
    magic, layer, count = struct.unpack("<4sII", data[:12])
    assert magic == b"APRT" and len(data) == 12 + 4 * count, path
    return layer, struct.unpack(f"<{count}f", data[12:])


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def has_openblas(model):
    return run("decode", model, "--tokens", "1", "--max-tokens", "1", "--path", "fast")[0] == 0


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.keeper = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.keeper.name)
        cls.specs = {name: tiny_model.spec_of(changes) for name, changes in tiny_model.MODELS.items()}
        for name, spec in cls.specs.items():
            tiny_model.write(cls.folder / name, spec)
        cls.fast = has_openblas(cls.folder / "llama")

    @classmethod
    def tearDownClass(cls):
        cls.keeper.cleanup()

    def trace(self, model, *args, tokens=WORDS, status=0):
        out = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        code, text, err = run("trace", self.folder / model, "--tokens", tokens, "-o", out, *args)
        self.assertEqual(code, status, (text, err))
        return out, text, err

    def refused(self, *args, words=(), status=2):
        code, out, err = run(*args)
        self.assertEqual(code, status, (out, err))
        for word in words:
            self.assertIn(word, err)
        return err

    def changed_model(self, name, change):
        """A model whose config and tensors were changed before they were written."""
        spec = self.specs[name]
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        keep = tiny_model.tensors, tiny_model.config
        weights, config = dict(tiny_model.tensors(spec)), tiny_model.config(spec)
        change(weights, config)
        tiny_model.tensors, tiny_model.config = lambda _: weights, lambda _: config
        try:
            tiny_model.write_hf(folder, spec)
        finally:
            tiny_model.tensors, tiny_model.config = keep
        return folder


class Stages(Case):
    def check_against_oracle(self, name, tolerance, *args):
        spec = self.specs[name]
        want = decoder_oracle.forward(spec, tiny_model.tensors(spec), TOKENS)
        out, _, _ = self.trace(name, "--save-tensor", "all", *args)
        seen = set()
        for path in out.rglob("*.bin"):
            layer, got = read_stage(path)
            key = (path.stem, None if layer == 0xFFFFFFFF else layer)
            self.assertEqual(path.parent.name == f"layer-{layer}", key[1] is not None, path)
            seen.add(key)
            expected = want[key]
            self.assertEqual(len(got), len(expected), key)
            size = max(map(abs, expected))
            worst = max(abs(a - b) for a, b in zip(got, expected))
            self.assertTrue(worst <= tolerance * size, (name, args, key, worst / size))
        return seen, set(want)

    def test_reference(self):
        for name in self.specs:
            with self.subTest(name):
                seen, all_stages = self.check_against_oracle(name, 4e-6)
                self.assertEqual(seen, all_stages)

    def test_reference_with_flash2(self):
        seen, all_stages = self.check_against_oracle("llama-flash", 2e-5, "--attn", "flash2")
        self.assertEqual({stage for stage, _ in all_stages - seen}, {"attn_scores", "attn_softmax"})

    def test_fast(self):
        if not self.fast:
            self.skipTest("OpenBLAS is not installed")
        for name in self.specs:
            with self.subTest(name):
                self.check_against_oracle(name, 4e-5, "--path", "fast")
        self.check_against_oracle("llama-flash", 4e-5, "--path", "fast", "--attn", "flash2")

    def test_quantised_weights(self):
        """The weights that a file holds are the weights that run, whichever way it names them."""
        spec = tiny_model.spec_of({"ffn": 64, "head_dim": 16, "seed": 9})
        hf, gguf = self.folder / "wide", self.folder / "wide.gguf"
        tiny_model.write(hf, spec)
        tiny_model.write(gguf, spec)
        original, _, _ = self.trace("wide", "--save-tensor", "all")
        captures = {}
        for form, size in (("q8_0", 0.08), ("nf4", 0.8), ("fp8-e4m3", 0.3)):
            kept = self.folder / f"wide-{form}"
            kept.mkdir()
            (kept / "config.json").write_bytes((hf / "config.json").read_bytes())
            out = kept / ("model.gguf" if form == "q8_0" else "model.safetensors")
            self.assertEqual(run("quantize", hf, "--format", form, "-o", out)[0], 0)
            self.refused("decode", out, "--tokens", "1", "--path", "reference", words=["reference-dequant"])
            captures[form], text, _ = self.trace(out.relative_to(self.folder), "--save-tensor", "all")
            self.assertIn("reference-dequant", text)
            want, got = (read_stage(c / "lm_head.bin")[1] for c in (original, captures[form]))
            worst = max(abs(a - b) for a, b in zip(want, got)) / max(map(abs, want))
            self.assertTrue(1e-4 < worst < size, (form, worst))
        native = self.folder / "wide-q8_0.gguf"
        self.assertEqual(run("quantize", gguf, "--format", "q8_0", "-o", native)[0], 0)
        out, _, _ = self.trace(native.name, "--save-tensor", "all")
        stages = {path: data for path, data in files_of(out).items() if path.endswith(".bin")}
        self.assertGreater(len(stages), 30)
        self.assertEqual(stages, {p: d for p, d in files_of(captures["q8_0"]).items() if p.endswith(".bin")})

    def test_the_oracle_can_tell(self):
        """The comparison above fails for a pass that is wrong in one place."""
        spec = self.specs["llama"]
        weights = tiny_model.tensors(spec)
        right = decoder_oracle.forward(spec, weights, TOKENS)
        shape, dtype, data, values = weights["model.layers.1.mlp.gate_proj.weight"]
        wrong = decoder_oracle.forward(
            spec, {**weights, "model.layers.1.mlp.gate_proj.weight": (shape, dtype, data, [v * 1.02 for v in values])},
            TOKENS)
        size = max(map(abs, right["lm_head", None]))
        worst = max(abs(a - b) for a, b in zip(right["lm_head", None], wrong["lm_head", None]))
        self.assertGreater(worst / size, 1e-4)


class Files(Case):
    def test_same_run_same_bytes(self):
        first, _, _ = self.trace("qwen3", "--save-tensor", "all", "-j", "1")
        second, _, _ = self.trace("qwen3", "--save-tensor", "all", "-j", "3")
        self.assertEqual(files_of(first), files_of(second))
        self.assertGreater(len(files_of(first)), 50)

    def test_fast_repeats_itself(self):
        if not self.fast:
            self.skipTest("OpenBLAS is not installed")
        args = ("--save-tensor", "all", "--path", "fast", "--attn", "flash2", "-j", "2")
        first, _, _ = self.trace("llama-flash", *args)
        second, _, _ = self.trace("llama-flash", *args)
        self.assertEqual(files_of(first), files_of(second))

    def test_manifest_describes_every_file(self):
        out, _, _ = self.trace("qwen2", "--save-tensor", "all")
        manifest = json.loads((out / "manifest.json").read_text())
        listed = {f["file"]: f for f in manifest["files"]}
        on_disk = {p for p in files_of(out) if p.endswith(".bin")}
        self.assertEqual(set(listed), on_disk)
        for path, entry in listed.items():
            data = (out / path).read_bytes()
            self.assertEqual(entry["sha256"], hashlib.sha256(data).hexdigest())
            count = 1
            for extent in entry["shape"]:
                count *= extent
            self.assertEqual(len(data), 12 + 4 * count)
        self.assertEqual(manifest["tokens"], TOKENS)
        names = ["config.json", "model.safetensors"]
        lines = "".join(f"{hashlib.sha256((self.folder / 'qwen2' / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
        self.assertEqual(manifest["model"]["sha256"], hashlib.sha256(lines.encode()).hexdigest())
        gguf, _, _ = self.trace("qwen2.gguf", "--save-tensor", "lm_head")
        self.assertEqual(json.loads((gguf / "manifest.json").read_text())["model"]["sha256"],
                         hashlib.sha256((self.folder / "qwen2.gguf").read_bytes()).hexdigest())
        self.assertEqual((gguf / "lm_head.bin").read_bytes(), (out / "lm_head.bin").read_bytes())

    def test_paths_tell_themselves_apart(self):
        def ids(*args):
            out, _, _ = self.trace("llama-flash", "--save-tensor", "lm_head", *args)
            manifest = json.loads((out / "manifest.json").read_text())
            return manifest["run_id"], manifest["path"]["fingerprint"]

        kinds = [(), ("--attn", "flash2"), ("--path", "reference-dequant")]
        if self.fast:
            kinds += [("--path", "fast"), ("--path", "fast", "--attn", "flash2")]
        seen = [ids(*kind) for kind in kinds]
        self.assertEqual(len({run_id for run_id, _ in seen}), len(kinds))
        self.assertEqual(len({path for _, path in seen}), len(kinds))
        self.assertEqual(ids(), seen[0])

    def test_a_subset(self):
        out, text, _ = self.trace("qwen3", "--save-tensor", "FFN_gate, layer_output,lm_head", "--layers", "1..3")
        files = [p for p in files_of(out) if p != "manifest.json"]
        self.assertEqual(sorted(files), ["layer-1/ffn_gate.bin", "layer-1/post_ffn_residual.bin", "layer-2/ffn_gate.bin",
                                         "layer-2/post_ffn_residual.bin", "lm_head.bin"])
        for path in files:
            self.assertIn(path, text)
        self.assertEqual(read_stage(out / "lm_head.bin")[0], 0xFFFFFFFF)
        self.assertEqual(read_stage(out / "layer-2/ffn_gate.bin")[0], 2)
        self.assertIn("5 files", text)

    def test_default_folder(self):
        with tempfile.TemporaryDirectory() as here:
            for model, folder in (("llama.gguf", "llama-trace"), ("qwen2", "qwen2-trace")):
                code, _, err = run("trace", self.folder / model, "--tokens", "1", "--save-tensor", "lm_head", cwd=here)
                self.assertEqual(code, 0, err)
                self.assertTrue((pathlib.Path(here) / folder / "lm_head.bin").is_file())

    def test_stale_files_are_named(self):
        out, _, err = self.trace("llama", "--save-tensor", "all")
        self.assertEqual(err, "")
        code, text, err = run("trace", self.folder / "llama", "--tokens", "5", "--save-tensor", "lm_head", "-o", out,
                              "--json")
        self.assertEqual(code, 0)
        self.assertIn("of an earlier run", err)
        record = json.loads(text)
        self.assertEqual([f["file"] for f in record["files"]], ["lm_head.bin"])
        self.assertIn("layer-0/embedding.bin", record["stale_files"])
        self.assertNotIn("lm_head.bin", record["stale_files"])

    def test_a_disk_that_is_full(self):
        """A limit on the size of files stands for it: no manifest vouches for what was written, and nothing is half."""
        out = self.folder / "full"
        line = f"ulimit -f 1; exec '{REFUTE}' trace '{self.folder}/llama' --tokens {WORDS} --save-tensor all -o '{out}'"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("cannot be written", done.stderr)
        written = files_of(out)
        self.assertNotIn("manifest.json", written)
        for path, data in written.items():
            self.assertTrue(path.endswith(".bin"), path)
            self.assertEqual(len(data), 12 + 4 * struct.unpack("<I", data[8:12])[0], path)

    def test_nan_bits_and_their_first_stage(self):
        def poison(weights, _):
            shape, dtype, data, values = weights["model.layers.1.mlp.up_proj.weight"]
            weights["model.layers.1.mlp.up_proj.weight"] = (shape, dtype, struct.pack("<I", 0x7FC12345) + data[4:], values)
        model = self.changed_model("llama", poison)
        out = self.folder / "poisoned"
        code, _, err = run("trace", model, "--tokens", WORDS, "--save-tensor", "all", "-o", out)
        self.assertEqual(code, 0)
        self.assertIn("first layer-1/ffn_up.bin (7 values)", err)
        _, values = read_stage(out / "layer-1/ffn_up.bin")
        self.assertEqual(sum(v != v for v in values), len(TOKENS))
        code, text, err = run("decode", model, "--tokens", "1", "--max-tokens", "3", "--json")
        self.assertEqual(code, 1)
        self.assertEqual(json.loads(text)["stopped"], "non-finite-logits")
        self.assertEqual(json.loads(text)["tokens"], [])


class Refusals(Case):
    def test_selection(self):
        model = self.folder / "llama"
        base = ["trace", model, "--tokens", "1", "-o", self.folder / "never", "--save-tensor"]
        self.refused(*base, "atention", words=["atention", "did you mean `attention`", *STAGES])
        self.refused(*base, "q_norm", words=["q_norm does not run", "this llama has no such operation", "qkv_matmul"])
        self.refused(*base, "qkv_bias", words=["qkv_bias does not run"])
        self.refused(*base, "all", "--layers", "1..3", words=["1..3", "0..2"])
        self.refused(*base, "all", "--layers", "1..1", words=["1..1"])
        self.refused(*base, "all", "--layers", "one", words=["A..B"])
        self.refused(*base, "embedding", "--layers", "1..2", words=["no stage of these layers"])
        self.refused(*base, "all", "--path", "quick", words=["reference-dequant"])
        self.refused(*base, "all", "--attn", "flash3", words=["flash2"])
        flash = ["trace", self.folder / "llama-flash", "--tokens", "1", "-o", self.folder / "never", "--attn", "flash2"]
        self.refused(*flash, "--save-tensor", "attn_scores", words=["--attn naive"])
        self.assertFalse((self.folder / "never").exists())

    def test_tokens(self):
        for tokens, word in (("1,61", "token 61 at position 1"), ("1,,2", "no token id"), ("-1", "no token id"),
                             ("4294967296", "no token id"), ("1 2", "no token id"),
                             (",".join(["1"] * 513), "context of 512")):
            self.refused("decode", self.folder / "llama", "--tokens=" + tokens, "--max-tokens", "1", words=[word])

    def test_models(self):
        def without(name):
            return lambda weights, config: weights.pop(name)

        def turned(weights, config):
            shape, *rest = weights["model.layers.0.mlp.up_proj.weight"]
            weights["model.layers.0.mlp.up_proj.weight"] = (shape[::-1], *rest)

        def extra(weights, config):
            weights["model.layers.0.self_attn.o_proj.bias"] = ([32], "F32", b"\0" * 128, [0.0] * 32)

        def setting(key, value):
            return lambda weights, config: config.update({key: value})

        def unset(key):
            return lambda weights, config: config.pop(key)

        cases = [
            (without("model.layers.1.self_attn.k_proj.weight"), ["no tensor model.layers.1.self_attn.k_proj.weight"]),
            (without("lm_head.weight"), ["no tensor lm_head.weight"]),
            (turned, ["mlp.up_proj.weight is [32, 48]", "[48, 32]"]),
            (extra, ["self_attn.o_proj.bias", "does not use"]),
            (setting("model_type", "gpt_neox"), ["gpt_neox", "qwen3"]),
            (setting("num_hidden_layers", 1), ["does not use"]),
            (setting("num_hidden_layers", 3), ["no tensor model.layers.2."]),
            (setting("num_key_value_heads", 3), ["cannot share"]),
            (setting("head_dim", 7), ["pairs"]),
            (setting("hidden_act", "gelu"), ["hidden_act"]),
            (setting("vocab_size", 60), ["embed_tokens.weight is [61, 32]"]),
            (setting("rope_scaling", {"rope_type": "yarn", "factor": 2.0}), ["yarn"]),
            (setting("partial_rotary_factor", 0.5), ["partial_rotary_factor"]),
            (setting("rms_norm_eps", -1), ["rms_norm_eps"]),
            (setting("hidden_size", "32"), ["hidden_size"]),
            (unset("intermediate_size"), ["has no intermediate_size"]),
        ]
        for change, words in cases:
            model = self.changed_model("llama", change)
            self.refused("decode", model, "--tokens", "1", "--max-tokens", "1", words=words)

    def test_an_output_without_a_name(self):
        self.refused("trace", self.folder / "llama", "--tokens", "1", "--save-tensor", "all", "-o", "", words=["--output"])

    def test_the_file_is_named_once(self):
        model = self.changed_model("llama", lambda weights, config: config.update(
            {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}, "rope_scaling": {"rope_type": "yarn"}}))
        err = self.refused("decode", model, "--tokens", "1", words=["rope_scaling: rope_type 'yarn'"])
        self.assertEqual(err.count("config.json"), 1, err)

    def test_a_tied_head_beside_another_one(self):
        def with_head(change):
            def add(weights, config):
                shape, dtype, data, values = weights["model.embed_tokens.weight"]
                weights["lm_head.weight"] = (shape, dtype, change(data), values)
            return add

        def run_on(change):
            return ("decode", self.changed_model("llama-tied", with_head(change)), "--tokens", "3,1", "--max-tokens", "4")

        tied = run("decode", self.folder / "llama-tied", "--tokens", "3,1", "--max-tokens", "4", "--json")
        equal = run(*run_on(lambda data: data), "--json")
        self.assertEqual((tied[0], equal[0]), (0, 0), equal)
        self.assertEqual(json.loads(tied[1])["steps"], json.loads(equal[1])["steps"])
        self.refused(*run_on(lambda data: data[:-2] + b"\0\0"),
                     words=["tie_word_embeddings is true", "lm_head.weight is not equal to model.embed_tokens.weight"])

    def test_files(self):
        lone = self.changed_model("llama", lambda weights, config: None)
        (lone / "config.json").unlink()
        self.refused("decode", lone, "--tokens", "1", words=["config.json"])
        (lone / "config.json").write_text("{")
        self.refused("decode", lone, "--tokens", "1", words=["config.json"])
        self.refused("decode", self.folder / "absent", "--tokens", "1", words=["absent"])
        data = (self.folder / "llama.gguf").read_bytes()
        cut = self.folder / "cut.gguf"
        cut.write_bytes(data[:-100])
        self.refused("decode", cut, "--tokens", "1", words=["cut.gguf"])
        other = self.folder / "other.gguf"
        other.write_bytes(data.replace(b"llama", b"bloom"))
        self.refused("decode", other, "--tokens", "1", words=["bloom"])
        blocked = self.folder / "blocked"
        blocked.write_text("a file where a folder should be")
        self.refused("trace", self.folder / "llama", "--tokens", "1", "--save-tensor", "lm_head", "-o", blocked,
                     words=["blocked"], status=3)


class Decoding(Case):
    def decoded(self, model, *args, status=0, env=None):
        code, out, err = run("decode", self.folder / model, "--tokens", WORDS, "--max-tokens", "6", "--json", *args,
                             env=env)
        self.assertEqual(code, status, (out, err))
        return json.loads(out), err

    def test_greedy(self):
        for name in ("llama", "qwen2.gguf", "qwen3"):
            spec = self.specs[name]
            weights, tokens, want = tiny_model.tensors(spec), list(TOKENS), []
            for _ in range(6):
                logits = decoder_oracle.forward(spec, weights, tokens)["lm_head", None]
                order = sorted(range(len(logits)), key=lambda t: (-logits[t], t))
                want.append((order[:5], logits[order[0]] - logits[order[1]]))
                tokens.append(order[0])
            record, _ = self.decoded(name)
            self.assertEqual(record["tokens"], [top[0] for top, _ in want])
            self.assertEqual(record["stopped"], "max-tokens")
            for step, (top, margin) in zip(record["steps"], want):
                self.assertEqual([c["token"] for c in step["top"]], top)
                self.assertAlmostEqual(step["margin"], margin, delta=2e-5)

    def test_every_path_decides_alike(self):
        want, _ = self.decoded("llama-flash")
        self.assertEqual(want["attn_impl"], "naive")
        self.assertNotIn("kernel_source", want)
        self.assertNotIn("fallback", want)
        flash, _ = self.decoded("llama-flash", "--attn", "flash2")
        self.assertEqual(flash["attn_impl"], "flash2")
        self.assertRegex(flash["kernel_source"], r"^refute:flash2@[0-9a-f]{40}$")
        self.assertEqual(flash["tokens"], want["tokens"])
        self.assertNotEqual(flash["path_fingerprint"], want["path_fingerprint"])
        if self.fast:
            fast, _ = self.decoded("llama-flash", "--path", "fast", "--attn", "flash2")
            self.assertEqual(fast["tokens"], want["tokens"])
            self.assertTrue(any("OpenBLAS" in k for k in fast["kernels"]))

    def test_head_dim_that_flash2_refuses(self):
        record, err = self.decoded("llama", "--attn", "flash2", status=1)
        self.assertEqual(record["error"], "unsupported-head-dim")
        self.assertIn("unsupported-head-dim", err)
        env = {"CUDA_VISIBLE_DEVICES": ""}
        record, _ = self.decoded("llama", "--attn", "flash2", "--device", "cuda", "--allow-fallback", status=1, env=env)
        self.assertEqual(record["error"], "unsupported-head-dim")

    def test_a_device_that_is_not_there(self):
        env = {"CUDA_VISIBLE_DEVICES": ""}
        record, _ = self.decoded("llama-flash", "--attn", "flash2", "--device", "cuda", status=2, env=env)
        self.assertEqual(record["error"], "no-gpu")
        record, err = self.decoded("llama-flash", "--attn", "flash2", "--device", "cuda", "--allow-fallback", env=env)
        self.assertEqual((record["attn_impl"], record["fallback"]), ("naive", "no-gpu"))
        self.assertNotIn("kernel_source", record)
        self.assertIn("no-gpu", err)
        self.decoded("llama", "--device", "tpu", status=2)

    def test_prompt(self):
        def with_vocab(weights, config):
            config["vocab_size"] = 700
            shape, dtype, data, values = weights["model.embed_tokens.weight"]
            for name in ("model.embed_tokens.weight", "lm_head.weight"):
                weights[name] = ([700, 32], "F32", (data * 12)[:700 * 128], [])
        model = self.changed_model("llama", with_vocab)
        self.refused("decode", model, "--prompt", "the fox", words=["tokenizer.json"])
        data = ROOT / "fixtures" / "data" / "bpe"
        golden = json.loads((data / "encodings.json").read_text())
        at = golden["texts"].index("it's")
        for name in ("gpt2", "llama3"):
            (model / "tokenizer.json").write_bytes((data / f"{name}.json").read_bytes())
            code, out, err = run("decode", model, "--prompt", "it's", "--max-tokens", "1", "--json")
            self.assertEqual(code, 0, err)
            self.assertEqual(json.loads(out)["prompt"], golden[name][at])
            words = {i: word for word, i in json.loads((data / f"{name}.json").read_text())["model"]["vocab"].items()}
            word = words.get(json.loads(out)["tokens"][0], "\ufffd")
            if word.isascii() or word == "\ufffd":
                self.assertEqual(json.loads(out)["text"], word)
        self.refused("decode", self.folder / "llama.gguf", "--prompt", "the fox", words=["tokenizer.ggml.model"])
        self.refused("decode", model, words=["--tokens", "--prompt"])
        self.refused("decode", model, "--tokens", "1", "--prompt", "x")

    def test_end_token(self):
        first = self.decoded("llama")[0]["tokens"][1]
        model = self.changed_model("llama", lambda weights, config: config.update({"eos_token_id": [first]}))
        record, _ = self.decoded(model)
        self.assertEqual((len(record["tokens"]), record["stopped"]), (2, "end-token"))

    def test_text(self):
        code, out, _ = run("decode", self.folder / "llama", "--tokens", "1,2", "--max-tokens", "2")
        self.assertEqual(code, 0)
        self.assertIn("2 tokens, stopped by max-tokens", out)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
