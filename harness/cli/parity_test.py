#!/usr/bin/env python3
"""refute parity from outside: usage: parity_test.py SOURCE_ROOT REFUTE

What it prints is taken again here in plain Python: the inputs from the seed, the exact result in f64, the kernel's name
from its sources. And what it must refuse.
"""

import hashlib
import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT, REFUTE = pathlib.Path(sys.argv[1]), sys.argv[2]
WORD = (1 << 64) - 1


def run(*args, env=None):
    done = subprocess.run([REFUTE, "parity", *args], capture_output=True, text=True, check=False,
                          env=os.environ | (env or {}))
    return done.returncode, done.stdout, done.stderr


def record(*args, env=None, status=0):
    code, out, err = run(*args, "--json", env=env)
    assert code == status, (code, out, err)
    return json.loads(out)


def to_f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def to_bf16(x):
    bits = struct.unpack("<I", struct.pack("<f", x))[0]
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def normals(seed):
    """splitmix64, then the sum of twelve 16-bit numbers."""
    while True:
        total = 0
        for _ in range(3):
            seed = (seed + 0x9E3779B97F4A7C15) & WORD
            z = seed
            z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & WORD
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & WORD
            z ^= z >> 31
            total += sum(z >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        yield (total - 6 * 65535) / 65536


def drawn(shape, seed, store):
    source = normals(seed)
    q = [store(next(source)) for _ in range(shape["batch"] * shape["heads"] * shape["seq_q"] * shape["head_dim"])]
    kv = shape["batch"] * shape["kv_heads"] * shape["seq_kv"] * shape["head_dim"]
    return q, [store(next(source)) for _ in range(kv)], [store(next(source)) for _ in range(kv)]


def exact(shape, q, k, v, place, causal):
    """One element of the output, in f64."""
    d, skv = shape["head_dim"], shape["seq_kv"]
    row = (place["batch"] * shape["heads"] + place["head"]) * shape["seq_q"] + place["row"]
    group = shape["heads"] // shape["kv_heads"]
    first = (place["batch"] * shape["kv_heads"] + place["head"] // group) * skv
    seen = min(skv, place["row"] + 1 + skv - shape["seq_q"]) if causal else skv
    query = q[row * d:(row + 1) * d]
    scores = [math.fsum(a * b for a, b in zip(query, k[(first + j) * d:(first + j + 1) * d])) / math.sqrt(d)
              for j in range(seen)]
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    return math.fsum(w * v[(first + j) * d + place["column"]] for j, w in enumerate(weights)) / math.fsum(weights)


def safetensors(path, tensors):
    """tensors: name -> (dtype, shape, bytes)"""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))
    return str(path)


def f32s(values):
    return struct.pack(f"<{len(values)}f", *values)


class Figures(unittest.TestCase):
    def test_exact_result_is_that_of_plain_python(self):
        for dtype, store, causal in (("f32", to_f32, []), ("bf16", to_bf16, ["--causal"])):
            r = record("--batch", "2", "--heads", "4", "--kv-heads", "2", "--seq-q", "5", "--seq-kv", "70", "--seed", "7",
                       "--dtype", dtype, *causal)
            q, k, v = drawn(r["shape"], 7, store)
            worst = r["worst_row"]
            self.assertAlmostEqual(worst["exact"], exact(r["shape"], q, k, v, worst, bool(causal)), delta=1e-14)
            self.assertAlmostEqual(worst["got"], worst["exact"], delta=2 ** -8 * abs(worst["exact"]) + 1e-5)
            self.assertEqual(r["calibrated"]["verdict"], "accepted")

    def test_what_decided_has_a_place(self):
        r = record("--seq-q", "70", "--dtype", "bf16", "--causal")["calibrated"]
        self.assertEqual(r["decided_by"], "C1")  # a healthy bf16 kernel takes most of what rows may
        self.assertEqual(set(r["decided_at"]), {"batch", "head", "row"})
        self.assertEqual(r["decided_at"], r["C1"]["at"])
        self.assertEqual(set(r["C3"]["at"]), {"batch", "head", "row", "column"})
        self.assertNotIn("at", r["C9"])
        place = r["decided_at"]
        _, text, _ = run("--seq-q", "70", "--dtype", "bf16", "--causal")
        self.assertRegex(text, rf"accepted by C1: \S+ of the limit taken at batch {place['batch']}, head {place['head']}, "
                               rf"row {place['row']}, headroom")

    def test_the_seed_moves_the_figures_and_repeats_them(self):
        first, second = record("--seed", "1"), record("--seed", "2")
        self.assertNotEqual(first["cosine_sim"], second["cosine_sim"])
        self.assertEqual(first, record("--seed", "1", "-j", "3"))

    def test_the_kernel_is_named_after_its_sources(self):
        files = sorted(p for p in (*ROOT.glob("kernels/attention*"), *ROOT.glob("kernels/cpu/attention*"))
                       if not p.stem.endswith(("_test", "_bench")))

        def blob(data):
            return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()

        listing = "".join(f"{blob(f.read_bytes())} {f.relative_to(ROOT).as_posix()}\n"
                          for f in sorted(files, key=lambda f: f.relative_to(ROOT).as_posix()))
        self.assertEqual(record()["kernel_source"], f"refute:flash2@{blob(listing.encode())}")


class Requests(unittest.TestCase):
    def test_flash2_is_advertised(self):
        code, out, _ = run("--help")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"--attn.*=flash2.*flash2 or naive")
        self.assertEqual(record("--attn", "flash2"), record("--impl", "flash2"))

    def test_head_dim(self):
        r = record("--head-dim", "96", status=1)
        self.assertEqual(r["error"], "unsupported-head-dim")
        self.assertNotIn("attn_impl", r)
        self.assertEqual((r["shape"]["head_dim"], r["exit_code"]), (96, 1))
        code, out, err = run("--head-dim", "96")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("unsupported-head-dim", err)

    def test_without_a_gpu(self):
        off = {"CUDA_VISIBLE_DEVICES": ""}
        r = record("--device", "cuda", env=off, status=2)
        self.assertEqual(r["error"], "no-gpu")
        code, out, err = run("--device", "cuda", "--allow-fallback", "--json", env=off)
        r = json.loads(out)
        self.assertEqual((code, r["attn_impl"], r["fallback"]), (0, "naive", "no-gpu"))
        self.assertNotIn("kernel_source", r)
        self.assertEqual(r["requested"]["impl"], "flash2")
        self.assertIn("warning", err)
        self.assertIn("no-gpu", err)

    def test_the_record_goes_to_a_file_too(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "r.json"
            code, out, _ = run("-o", str(path))
            self.assertEqual(code, 0)
            self.assertIn("max_abs_diff", out)
            self.assertEqual(json.loads(path.read_text())["schema"], "refute-parity-1")
            # Before the measurement: nothing is printed of it.
            for place, words in (("/none/r.json", "there is no folder"), ("", "that is a folder")):
                code, out, err = run("-o", folder + place)
                self.assertEqual((code, out), (2, ""))
                self.assertIn(words, err)

    def test_bad_options(self):
        for args in (["--seq-q", "0"], ["--seq-q", "-1"], ["--heads", "6", "--kv-heads", "4"], ["--scale", "nan"],
                     ["--impl", "flash"], ["--dtype", "f8"], ["--seq-q", "9" * 14, "--heads", "9" * 10],
                     ["--seq-q", "100000000"], ["--fixture", "x", "--seed", "1"], ["--device", "tpu"],
                     ["--fixture", "/dev/null"], ["--fixture", "/nonexistent"], ["--format", "yaml"]):
            with self.subTest(args=args):
                code, _, err = run(*args)
                self.assertEqual(code, 2)
                self.assertTrue(err.startswith("refute: "), err)
        self.assertNotIn("requested", record("--impl", "flash", status=2))


class Fixtures(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "f.safetensors"
        source = normals(3)
        self.q = [to_f32(next(source)) for _ in range(2 * 3 * 64)]
        self.k = [to_f32(next(source)) for _ in range(70 * 64)]
        self.v = [to_f32(next(source)) for _ in range(70 * 64)]
        self.tensors = {"q": ("F32", [1, 2, 3, 64], f32s(self.q)), "k": ("F32", [1, 1, 70, 64], f32s(self.k)),
                        "v": ("F32", [1, 1, 70, 64], f32s(self.v))}

    def tearDown(self):
        self.folder.cleanup()

    def error(self, **changes):
        tensors = {name: t for name, t in {**self.tensors, **changes}.items() if t}
        return record("--fixture", safetensors(self.path, tensors), status=2)["error"]

    def test_measures_the_file(self):
        shape = {"batch": 1, "heads": 2, "kv_heads": 1, "seq_q": 3, "seq_kv": 70, "head_dim": 64}
        out = [exact(shape, self.q, self.k, self.v, {"batch": 0, "head": h, "row": i, "column": c}, False)
               for h in range(2) for i in range(3) for c in range(64)]
        self.tensors["out"] = ("F32", [1, 2, 3, 64], f32s(out))
        path = safetensors(self.path, self.tensors)
        r = record("--fixture", path)
        self.assertEqual(r["shape"], shape)
        self.assertEqual(r["fixture"]["sha256"], hashlib.sha256(self.path.read_bytes()).hexdigest())
        self.assertNotIn("seed", r)
        self.assertLess(r["expected"]["max_abs_diff"], 1e-6)
        self.assertEqual(r["expected"]["verdict"], "accepted")
        out[100] += 0.01
        self.tensors["out"] = ("F32", [1, 2, 3, 64], f32s(out))
        r = record("--fixture", safetensors(self.path, self.tensors), status=1)
        self.assertEqual(r["expected"]["verdict"], "refused")
        linted = subprocess.run([REFUTE, "lint-observation", "-"], input=json.dumps(r), text=True, capture_output=True,
                                check=False)
        self.assertEqual(linted.returncode, 1)
        self.assertIn("expected_refused_itself", linted.stdout)
        self.assertEqual(r["calibrated"]["verdict"], "accepted")
        self.assertEqual(r["expected"]["max_abs_diff_at"], {"batch": 0, "head": 0, "row": 1, "column": 36})
        self.assertEqual((r["expected"]["decided_by"], r["expected"]["decided_at"]),
                         ("C3", {"batch": 0, "head": 0, "row": 1, "column": 36}))
        self.assertGreater(r["expected"]["ratio"], 1)
        code, text, _ = run("--fixture", str(self.path))
        self.assertEqual(code, 1)
        self.assertRegex(text, r"\AREFUSED +the fixture's out, by C3 at batch 0, head 0, row 1, column 36: ")
        out[200] = math.nan
        self.tensors["out"] = ("F32", [1, 2, 3, 64], f32s(out))
        r = record("--fixture", safetensors(self.path, self.tensors), status=1)
        self.assertEqual((r["expected"]["verdict"], r["expected"]["first_non_finite"]), ("refused", 200))
        _, text, _ = run("--fixture", str(self.path))
        self.assertIn("the first that is not finite is element 200 (batch 0, head 1, row 0, column 8)", text)

    def test_refuses_what_is_missing_or_misshapen(self):
        self.assertEqual(self.error(k=None), "missing-tensor")
        self.assertEqual(self.error(q=("I32", [1, 2, 3, 64], f32s(self.q))), "wrong-dtype")
        self.assertEqual(self.error(q=("F16", [1, 2, 3, 128], f32s(self.q))), "mixed-dtypes")
        self.assertEqual(self.error(q=("F32", [2, 3, 64], f32s(self.q))), "wrong-shape")
        self.assertEqual(self.error(q=("F32", [2, 1, 3, 64], f32s(self.q))), "wrong-shape")
        self.assertEqual(self.error(q=("F32", [1, 2, 6, 32], f32s(self.q))), "wrong-shape")
        self.assertEqual(self.error(v=("F32", [1, 1, 35, 128], f32s(self.v))), "wrong-shape")
        self.assertEqual(self.error(out=("F32", [1, 1, 6, 64], f32s(self.q))), "wrong-shape")
        self.assertEqual(self.error(k=("F32", [1, 0, 70, 64], b""), v=("F32", [1, 0, 70, 64], b"")), "zero-size")
        self.assertEqual(self.error(q=("F32", [1, 3, 2, 64], f32s(self.q)), k=("F32", [1, 2, 35, 64], f32s(self.k)),
                                    v=("F32", [1, 2, 35, 64], f32s(self.v))), "heads-not-divisible")
        path = safetensors(self.path, self.tensors)
        self.path.write_bytes(self.path.read_bytes()[:-1])
        self.assertEqual(record("--fixture", path, status=2)["error"], "unreadable")

    def test_values_that_are_not_finite(self):
        self.k[5] = math.nan
        self.k[9] = -math.inf
        broken = ("F32", [1, 1, 70, 64], f32s(self.k))
        self.assertEqual(self.error(k=broken), "non-finite-input")
        path = safetensors(self.path, {**self.tensors, "k": broken})
        _, _, err = run("--fixture", path)
        self.assertIn("first at element 5", err)
        r = record("--fixture", path, "--allow-non-finite")
        self.assertEqual(r["calibrated"]["verdict"], "declined")
        self.assertIsNone(r["max_abs_diff"])
        self.assertEqual(r["max_abs_diff_undefined"], "non_finite")


class Numbers(unittest.TestCase):
    def test_a_number_that_does_not_fit_is_refused(self):
        for option in ("--seed", "--batch", "--heads", "--memory-mib"):
            for text in ("99999999999999999999", "18446744073709551616", "-1", "1.5", "0x10"):
                with self.subTest(option=option, text=text):
                    code, out, err = run(option, text)
                    self.assertEqual((code, out), (2, ""))
                    self.assertIn(option, err)
        self.assertEqual(record("--seq-q", "1", "--seed", str(WORD))["seed"], str(WORD))


class Outputs(unittest.TestCase):
    def test_what_is_no_plain_file_is_written_through(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            target, link, device, fifo = (folder / n for n in ("target", "link", "device", "fifo"))
            link.symlink_to(target)
            device.symlink_to("/dev/null")
            os.mkfifo(fifo)
            for path in (link, device):
                self.assertEqual(run("--seq-q", "2", "-o", str(path))[0], 0)
                self.assertTrue(path.is_symlink())
            self.assertEqual(json.loads(target.read_text())["schema"], "refute-parity-1")
            with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
                self.assertEqual(run("--seq-q", "2", "-o", str(fifo))[0], 0)
                self.assertEqual(json.loads(reader.stdout.read())["schema"], "refute-parity-1")
            self.assertTrue(fifo.is_fifo())
            self.assertEqual(sorted(p.name for p in folder.iterdir()), ["device", "fifo", "link", "target"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
