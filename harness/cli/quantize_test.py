"""quantize and dequantize, as a user meets them: a real refute on real files.

usage: quantize_test.py REFUTE
"""

import json
import math
import os
import pathlib
import pty
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

REFUTE = os.path.abspath(sys.argv.pop(1))
FORMATS = ["fp8-e4m3", "fp8-e5m2", "nf4", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q2_k", "q3_k", "q4_k",
           "q5_k", "q6_k", "iq4_nl", "mxfp4"]


def refute(*arguments, **options):
    return subprocess.run([REFUTE, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def safetensors(tensors):
    """tensors: name → (dtype, shape, bytes)"""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read_safetensors(path):
    content = path.read_bytes()
    length, = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    return {name: (e["dtype"], e["shape"], content[8 + length:][slice(*e["data_offsets"])]) for name, e in header.items()}


def unpacked(content):
    return struct.unpack(f"<{len(content) // 4}f", content)


class Models(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        draw = random.Random(1)
        self.weights = [draw.gauss(0, 1) for _ in range(8 * 512)]

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.folder / name

    def model(self, name="model.safetensors", weights=None, **others):
        weights = floats(weights or self.weights)
        return self.write(name, safetensors({"a.weight": ("F32", [8, 512], weights),
                                             "a.norm.weight": ("F32", [3], floats([1, 2, 3])), **others}))

    def entries(self):
        return sorted(p.name for p in self.folder.iterdir())

    def sparse_model(self, mebibytes):
        """A model of zeros that takes no room and much time."""
        rows = mebibytes * 512
        header = json.dumps({"w": {"dtype": "F32", "shape": [rows, 512], "data_offsets": [0, rows * 2048]}}).encode()
        path = self.write("large.safetensors", struct.pack("<Q", len(header)) + header)
        os.truncate(path, 8 + len(header) + rows * 2048)
        return path


class Quantize(Models):
    def test_every_format_and_back(self):
        model = self.model()
        for name in FORMATS:
            with self.subTest(name):
                made = self.folder / ("q.gguf" if not name.startswith(("fp8", "nf4")) else "q.safetensors")
                done = refute("quantize", model, "--format", name, "-o", made)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(f"1 of 2 tensors quantised to {name}", done.stdout)
                self.assertIn("1 tensor left as it is, fewer than two dimensions: a.norm.weight", done.stderr)
                back = refute("dequantize", made, "-o", self.folder / "back.safetensors")
                self.assertEqual(back.returncode, 0, back.stderr)
                tensors = read_safetensors(self.folder / "back.safetensors")
                self.assertEqual(unpacked(tensors["a.norm.weight"][2]), (1, 2, 3))
                self.assertEqual(tensors["a.weight"][:2], ("F32", [8, 512]))
                values = unpacked(tensors["a.weight"][2])
                error = math.dist(values, self.weights) / math.hypot(*self.weights)
                self.assertLess(error, 0.35)
                self.assertGreater(error, 0.0001)
                made.unlink()
                (self.folder / "back.safetensors").unlink()

    def test_names_beside_the_input(self):
        model = self.model()
        self.assertEqual(refute("quantize", model, "--format", "Q4_K").returncode, 0)
        self.assertEqual(refute("quantize", model, "--format", "nf4").returncode, 0)
        self.assertEqual(refute("dequantize", self.folder / "model.q4_k.gguf", "--dtype", "bf16").returncode, 0)
        self.assertEqual(self.entries(), ["model.nf4.safetensors", "model.q4_k.bf16.safetensors", "model.q4_k.gguf",
                                          "model.safetensors"])

    def test_fp8_containers(self):
        model = self.model()
        for scale, options, shape in (("tensor", [], []), ("channel", [], [8, 1]), ("block", [], [8, 4]),
                                      ("block", ["--block", 64], [8, 8])):
            with self.subTest(scale=scale, options=options):
                out = self.folder / "out.safetensors"
                done = refute("quantize", model, "--format", "fp8-e4m3", "--scale", scale, *options, "-o", out, "--force")
                self.assertEqual(done.returncode, 0, done.stderr)
                tensors = read_safetensors(out)
                self.assertEqual(tensors["a.weight"][:2], ("F8_E4M3", [8, 512]))
                self.assertEqual(tensors["a.weight_scale"][:2], ("F32", shape))
        scales = unpacked(read_safetensors(out)["a.weight_scale"][2])
        self.assertAlmostEqual(scales[0], max(map(abs, self.weights[:64])) / 448, places=6)

    def test_nf4_container_is_bitsandbytes(self):
        refute("quantize", self.model(), "--format", "nf4")
        tensors = read_safetensors(self.folder / "model.nf4.safetensors")
        self.assertEqual(tensors["a.weight"][:2], ("U8", [8 * 512 // 2, 1]))
        self.assertEqual(tensors["a.weight.absmax"][:2], ("F32", [8 * 512 // 64]))
        self.assertEqual(tensors["a.weight.quant_map"][:2], ("F32", [16]))
        state = json.loads(tensors["a.weight.quant_state.bitsandbytes__nf4"][2])
        self.assertEqual(state, {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [8, 512]})
        absmax, code_map = unpacked(tensors["a.weight.absmax"][2]), unpacked(tensors["a.weight.quant_map"][2])
        high = code_map[tensors["a.weight"][2][0] >> 4] * absmax[0]
        self.assertLess(abs(high - self.weights[0]), 0.16 * absmax[0])

    def test_refuses_to_overwrite(self):
        model = self.model()
        out = self.write("out.gguf", b"precious")
        done = refute("quantize", model, "--format", "q8_0", "-o", out)
        self.assertEqual((done.returncode, out.read_bytes()), (2, b"precious"))
        self.assertIn("--force", done.stderr)
        self.assertEqual(refute("quantize", model, "--format", "q8_0", "-o", out, "--force").returncode, 0)
        self.assertTrue(out.read_bytes().startswith(b"GGUF"))
        for link in (model, self.folder / "link"):
            if not link.exists():
                link.symlink_to(model)
            done = refute("quantize", model, "--format", "fp8-e5m2", "-o", link, "--force")
            self.assertEqual(done.returncode, 2)
            self.assertIn("is the input itself", done.stderr)

    def test_nothing_to_quantise(self):
        model = self.write("norms.safetensors", safetensors({"norm": ("F32", [3], floats([1, 2, 3]))}))
        done = refute("quantize", model, "--format", "q4_0")
        self.assertEqual(done.returncode, 4)
        self.assertIn("nothing in it to quantise", done.stderr)
        self.assertEqual(self.entries(), ["norms.safetensors"])

    def test_non_finite_weights_are_named(self):
        weights = list(self.weights)
        weights[1234] = math.nan
        done = refute("quantize", self.model(weights=weights), "--format", "q4_0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("tensor 'a.weight': value 1234 is NaN", done.stderr)
        self.assertEqual(self.entries(), ["model.safetensors"])
        done = refute("quantize", self.folder / "model.safetensors", "--format", "q4_0", "--keep", "a.w*")
        self.assertEqual(done.returncode, 4)

    def test_weights_that_the_format_cannot_hold(self):
        for scale, code, said in ((1e9, 2, "tensor 'a.weight': block 0, values 0 to 31, goes up to"),
                                  (1e-12, 1, "tensor 'a.weight': all of it became zeros")):
            with self.subTest(scale):
                model = self.model(weights=[scale * w for w in self.weights])
                out = self.folder / "out.gguf"
                done = refute("quantize", model, "--format", "q8_0", "-o", out)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual(out.exists(), code == 1)
                if code == 1:
                    self.assertIn("1 of them lost weights to zero", done.stdout)
                shown = refute("diff", model, "--as", "q8_0", "--no-threshold")
                self.assertEqual(shown.returncode, 1, shown.stdout)
        weights = [1e-12 * w for w in self.weights[:32]] + self.weights[32:]
        done = refute("quantize", self.model(weights=weights), "--format", "q8_0", "-o", out, "--force")
        self.assertEqual(done.returncode, 0)
        self.assertIn("'a.weight': 1 of 128 blocks became zeros, the first from value 0", done.stderr)
        self.assertIn("1 of them lost weights to zero", done.stdout)

    def test_what_gguf_cannot_hold_can_be_left_out(self):
        conv = ("F32", [2, 2, 2, 1, 32], floats([1] * 256))
        for name, said in (("conv", "cannot hold 5 dimensions, only 4"), ("x" * 64, "more than 63 bytes")):
            shape = conv if name == "conv" else ("F32", [2, 128], conv[2])
            model = self.model("odd.safetensors", **{name: shape})
            done = refute("quantize", model, "--format", "q4_0")
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"tensor '{name}': GGUF", done.stderr)
            self.assertIn(said, done.stderr)
            self.assertIn("leave the tensor out with --drop", done.stderr)
            done = refute("quantize", model, "--format", "q4_0", "--drop", name[:4] + "*")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"tensor '{name}' is left out, named with --drop", done.stderr)
            self.assertIn("1 of 2 tensors", done.stdout)
            (self.folder / "odd.q4_0.gguf").unlink()
            self.assertEqual(refute("quantize", model, "--format", "fp8-e4m3", "--force").returncode, 0)

    def test_rows_that_are_no_whole_blocks_of_a_k_format(self):
        model = self.model("m.safetensors", odd=("F32", [2, 96], floats(self.weights[:192])),
                           uneven=("F32", [2, 40], floats(self.weights[:80])))
        done = refute("quantize", model, "--format", "q4_k")
        self.assertEqual(done.returncode, 0)
        self.assertIn("1 of 4 tensors quantised to q4_k,", done.stdout)
        self.assertIn("which 2 of 4 tensors do not have; --fallback stores 1 as f16, 1 as q5_0, as llama.cpp does", done.stderr)
        done = refute("quantize", model, "--format", "q4_k", "--fallback", "--force")
        self.assertIn("1 of 4 tensors quantised to q4_k, 1 to f16, 1 to q5_0,", done.stdout)
        rows = json.loads(refute("diff", model, self.folder / "m.q4_k.gguf", "--json").stdout)
        self.assertEqual({r["tensor"]: r["qtype"] for r in rows},
                         {"a.weight": "Q4_K", "odd": "Q5_0", "uneven": "F16", "a.norm.weight": "F32"})
        self.assertEqual([f for r in rows for f in r["findings"]], [])
        self.assertEqual(refute("quantize", model, "--format", "q4_0", "--fallback").returncode, 2)

    def test_messages_are_clean_and_not_before_their_time(self):
        model = self.model()
        self.write("out.gguf", b"precious")
        done = refute("quantize", model, "--format", "q4_0", "-o", self.folder / "out.gguf")
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("left as it is", done.stderr)
        odd = os.fsencode(str(self.folder)) + b"/\xff\x1b[31m"
        for command in (["quantize", odd, "--format", "q4_0"], ["dequantize", odd], ["diff", odd, model]):
            done = subprocess.run([REFUTE, *command], capture_output=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"\\xFF\\x1B[31m: cannot open", done.stderr)
            done.stderr.decode()

    def test_f64_beyond_f32(self):
        model = self.write("wide.safetensors", safetensors(
            {"w": ("F64", [2, 32], struct.pack("<64d", *[1.0] * 63, 1e300)), "ok": ("F32", [2], floats([1, 2]))}))
        for command in (["quantize", model, "--format", "q8_0"], ["dequantize", model]):
            done = refute(*command)
            self.assertEqual(done.returncode, 2)
            self.assertIn("tensor 'w': value 63 is 1e+300, too large for", done.stderr)
        self.assertEqual(self.entries(), ["wide.safetensors"])
        for other in (["diff", model, model], ["diff", model, "--as", "q8_0"]):
            done = refute(*other)
            self.assertEqual(done.returncode, 1)
            self.assertIn("1 finite values beyond f32, the first at element [1, 31]", done.stdout)
            self.assertNotIn("infinite", done.stdout)

    def test_bad_options(self):
        model = self.model()
        for options, said in ((["--format", "q4_l"], "q4_"), (["--format", "nf4", "--scale", "block"], "for fp8"),
                              (["--format", "fp8-e4m3", "--scale", "row"], "tensor, channel or block"),
                              (["--format", "fp8-e4m3", "--scale", "block", "--block", "100"], "power of two"),
                              (["--format", "fp8-e4m3", "--block", "64"], "--scale block"),
                              (["--format", "q4_0", "--device", "tpu"], "cpu or cuda"), ([], "--format"),
                              (["--format", "q4_0", "--keep", "b.*"], "no tensor of"),
                              (["--format", "q4_0", "--keep", "a.wieght"], "did you mean `a.weight`"),
                              (["--format", "q4_0", "--drop", "b.*"], "--drop b.*: no tensor of"),
                              (["--format", "q4_0", "--keep", "a[.*"], "never closed"),
                              (["--format", "fp8-e4m3", "-o", "out.gguf"], "stored as safetensors, not as gguf"),
                              (["--format", "q4_0", "-o", "out.npz"], "stored as gguf, not as npz")):
            with self.subTest(options):
                done = refute("quantize", model, *options)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)
        self.assertEqual(self.entries(), ["model.safetensors"])

    def test_inputs_that_are_no_models(self):
        os.mkfifo(self.folder / "pipe")
        self.write("empty", b"")
        self.write("length", struct.pack("<Q", 1 << 63) + b"{}")
        self.write("text", b"no model at all, but long enough")
        self.write("torch.pt", b"PK\3\4" + bytes(22) + struct.pack("<HH", 16, 0) + b"archive/data.pkl" + bytes(64))
        for name, said in (("pipe", "not a regular file"), ("empty", "is empty"), ("length", "9223372036854775808 bytes"),
                           ("text", "header"), ("gone", "cannot open"), ("", "a folder without"),
                           ("torch.pt", "is a PyTorch file")):
            with self.subTest(name):
                done = refute("quantize", self.folder / name, "--format", "q4_0", "-o", self.folder / "out")
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"{self.folder / name}", done.stderr)
                self.assertIn(said, done.stderr)

    def test_device(self):
        gone = self.folder / "gone"
        for sm, code, said in (("80", 2, "sm_90+"), ("89", 2, "detected sm_89"), ("90", 5, "declined"), ("0", 5, "declined"),
                               ("x", 2, "REFUTE_CUDA_SM_OVERRIDE")):
            with self.subTest(sm):
                done = refute("quantize", gone, "--format", "fp8-e4m3", "--device", "cuda",
                              env={**os.environ, "REFUTE_CUDA_SM_OVERRIDE": sm})
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(said, done.stderr)
        without = {k: v for k, v in os.environ.items() if k != "REFUTE_CUDA_SM_OVERRIDE"}
        self.assertEqual(refute("quantize", gone, "--format", "fp8-e4m3", "--device", "cuda", env=without).returncode, 5)
        # On the CPU the device does not matter.
        done = refute("quantize", self.model(), "--format", "fp8-e4m3", env={**os.environ, "REFUTE_CUDA_SM_OVERRIDE": "80"})
        self.assertEqual(done.returncode, 0)

    def test_quantised_input_is_refused(self):
        refute("quantize", self.model(), "--format", "fp8-e4m3")
        done = refute("quantize", self.folder / "model.fp8-e4m3.safetensors", "--format", "q4_0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("'a.weight' is F8_E4M3 already", done.stderr)

    def test_shards(self):
        self.write("1.safetensors", safetensors({"a": ("F32", [8, 512], floats(self.weights))}))
        self.write("2.safetensors", safetensors({"b": ("F32", [8, 512], floats(self.weights))}))
        self.write("model.safetensors.index.json",
                   json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}).encode())
        done = refute("quantize", self.folder, "--format", "q6_k")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 of 2 tensors", done.stdout)
        self.assertTrue((self.folder / "model.q6_k.gguf").exists())


class Interrupted(Models):
    def start(self, *arguments):
        return subprocess.Popen([REFUTE, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_signals_leave_nothing(self):
        large = self.sparse_model(2048)
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)):
            with self.subTest(number):
                child = self.start("quantize", large, "--format", "q2_k", "-j", 1)
                time.sleep(0.3)
                child.send_signal(number)
                _, said = child.communicate(timeout=60)
                self.assertEqual(child.returncode, code, said)
                self.assertEqual(self.entries(), ["large.safetensors"])

    def test_an_input_cut_short_meanwhile(self):
        large = self.sparse_model(2048)
        child = self.start("quantize", large, "--format", "q2_k", "-j", 2)
        time.sleep(0.3)
        os.truncate(large, 1 << 20)
        _, said = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 3, said)
        self.assertIn(f"{large}: was changed or cut short", said)
        self.assertEqual(self.entries(), ["large.safetensors"])

    def test_no_room(self):
        large = self.sparse_model(64)
        done = refute("quantize", large, "--format", "f16",
                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        self.assertEqual(done.returncode, 3)
        self.assertIn("cannot take", done.stderr)
        self.assertIn("make room", done.stderr)
        self.assertEqual(self.entries(), ["large.safetensors"])

    def test_memory_does_not_grow_with_the_model(self):
        large = self.sparse_model(2048)

        def bounded(*arguments):
            addresses = (2048 + 400) << 20
            return refute(*arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses)))

        if bounded("--version").returncode != 0:
            self.skipTest("a sanitizer takes terabytes of addresses")
        done = bounded("quantize", large, "--format", "q8_0", "-j", 2)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_bar_on_a_terminal_only(self):
        large = self.sparse_model(512)
        parent, child = pty.openpty()
        bar = subprocess.Popen([REFUTE, "quantize", large, "--format", "q3_k"], stderr=child, stdout=subprocess.DEVNULL)
        os.close(child)
        seen = b""
        while True:
            try:
                piece = os.read(parent, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        bar.wait(timeout=60)
        self.assertIn(b" %", seen)
        self.assertTrue(seen.rstrip().endswith(b"\x1b[K"), seen[-80:])
        plain = refute("quantize", large, "--format", "q3_k", "--force")
        self.assertNotIn("%", plain.stderr)


class Dequantize(Models):
    def test_npz_is_a_zip_of_arrays(self):
        model = self.model()
        refute("quantize", model, "--format", "q8_0")
        out = self.folder / "out.npz"
        done = refute("dequantize", self.folder / "model.q8_0.gguf", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        with zipfile.ZipFile(out) as archive:
            self.assertIsNone(archive.testzip())
            self.assertEqual(archive.namelist(), ["a.weight.npy", "a.norm.weight.npy"])
            array = archive.read("a.weight.npy")
        self.assertTrue(array.startswith(b"\x93NUMPY\x01\x00"))
        self.assertIn(b"'shape': (8, 512)", array[:128])
        refute("dequantize", self.folder / "model.q8_0.gguf")
        self.assertEqual(array[128:], read_safetensors(self.folder / "model.q8_0.f32.safetensors")["a.weight"][2])

    def test_one_array(self):
        one = self.write("one.safetensors", safetensors({"w": ("F16", [2], b"\x00\x3c\x00\xc0")}))
        self.assertEqual(refute("dequantize", one, "-o", self.folder / "one.npy").returncode, 0)
        self.assertEqual(unpacked((self.folder / "one.npy").read_bytes()[-8:]), (1, -2))
        done = refute("dequantize", self.model(), "-o", self.folder / "two.npy")
        self.assertEqual(done.returncode, 2)
        self.assertIn("holds one tensor", done.stderr)

    def test_unknown_types_are_named_and_the_rest_is_there(self):
        model = self.model("new.safetensors", strange=("F4_E9M9", [4], b"1234"))
        done = refute("dequantize", model)
        self.assertEqual(done.returncode, 1)
        self.assertIn("tensor 'strange' is left out: type F4_E9M9", done.stderr)
        self.assertIn("a.weight", read_safetensors(self.folder / "new.f32.safetensors"))

    def test_bad_options(self):
        model = self.model()
        for options, said in ((["-o", self.folder / "out.txt"], "extension"), (["--dtype", "f64"], "f32, f16 or bf16"),
                              (["-o", self.folder / "out.npz", "--dtype", "bf16"], "numpy has no type BF16")):
            with self.subTest(options):
                done = refute("dequantize", model, *options)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)
        self.assertEqual(self.entries(), ["model.safetensors"])


if __name__ == "__main__":
    unittest.main()
