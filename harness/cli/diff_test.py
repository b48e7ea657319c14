"""refute diff, as a user meets it: real files, real exit statuses.

usage: diff_test.py REFUTE
"""

import html.parser
import json
import os
import pathlib
import pty
import random
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

REFUTE = os.path.abspath(sys.argv.pop(1))
PUBLISHED = ["tensor", "qtype", "numel", "rmse", "cosine", "max_abs", "verdict"]


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def normal(count, seed):
    source = random.Random(seed)
    return [source.gauss(0, 1) for _ in range(count)]


def safetensors(path, tensors):
    """tensors: name → (dtype, shape, bytes)."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def f32(shape, values):
    return ("F32", shape, floats(values))


def gguf(path, metadata, tensors):
    """Version 3; metadata: key → str or int; tensors: name → (shape, values), all F32."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += text(key) + (struct.pack("<I", 8) + text(value) if isinstance(value, str)
                            else struct.pack("<II", 4, value))
    data = b""
    for name, (shape, values) in tensors.items():
        data += b"\0" * (-len(data) % 32)
        out += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
        out += struct.pack("<IQ", 0, len(data))
        data += floats(values)
    path.write_bytes(out + b"\0" * (-len(out) % 32) + data)
    return path


class Diff(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.weights = {f"model.layers.{i}.mlp.up_proj.weight": f32([8, 512], normal(4096, i)) for i in range(3)}
        self.weights["model.norm.weight"] = f32([512], [1.0] * 512)
        self.model = self.write("model", self.weights)

    def write(self, name, tensors):
        return safetensors(self.root / f"{name}.safetensors", tensors)

    def refute(self, *args, expect=0):
        done = subprocess.run([REFUTE, *map(str, args)], cwd=self.root, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, expect, f"refute {' '.join(map(str, args))}\n{done.stdout}\n{done.stderr}")
        return done

    def diff(self, *args, expect=0):
        return json.loads(self.refute("diff", *args, "--json", expect=expect).stdout)

    def row(self, rows, name):
        return next(r for r in rows if r["tensor"] == name)

    def kinds(self, rows):
        return {(r["tensor"], f["kind"]) for r in rows for f in r["findings"]}

    def quantized(self, form):
        out = self.root / f"q-{form}"
        self.refute("quantize", self.model, "--format", form, "-o", out)
        return out

    def test_rows_are_sorted_and_have_the_published_keys(self):
        rows = self.diff(self.model, self.quantized("q4_0"), "--quant-roundtrip")
        self.assertEqual(len(rows), 4)
        errors = [r["rmse"] for r in rows]
        self.assertEqual(errors, sorted(errors, reverse=True))
        for row in rows:
            self.assertEqual([key for key in row if key in PUBLISHED], PUBLISHED)
        up = self.row(rows, "model.layers.1.mlp.up_proj.weight")
        self.assertEqual((up["qtype"], up["numel"], up["verdict"], up["band_verdict"]),
                         ("Q4_0", 4096, "yellow", "inside"))
        self.assertEqual(self.row(rows, "model.norm.weight")["band_verdict"], "exact")
        lines = self.refute("diff", self.model, self.root / "q-q4_0", "--format", "tsv").stdout.splitlines()
        self.assertEqual(lines[0].split("\t")[:7], PUBLISHED)
        self.assertEqual([line.split("\t")[0] for line in lines[1:]], [r["tensor"] for r in rows])

    def test_quantising_in_memory_gives_the_same_numbers_and_any_number_of_threads_too(self):
        for form in ("q8_0", "q4_k", "nf4", "fp8-e4m3", "bf16"):
            there = self.diff(self.model, self.quantized(form), "-j", "1")
            self.assertEqual(there, self.diff(self.model, self.root / f"q-{form}", "-j", "3"))
            for row in self.diff(self.model, "--as", form):
                twin = self.row(there, row["tensor"])
                for key in ("qtype", "rmse", "cosine", "max_abs", "max_abs_index", "norm_ratio", "worst", "band"):
                    self.assertEqual(row[key], twin[key], key)

    def test_one_flipped_nibble_is_named(self):
        for form, block in (("q4_0", 18), ("q8_0", 34), ("q4_k", 144)):
            file = self.quantized(form)
            content = bytearray(file.read_bytes())
            last = json.loads(self.refute("diff", self.model, file, "--json").stdout)
            self.assertEqual(self.kinds(last), set())
            at = len(content) - 2048 - 5 * block + block - 3  # codes, five blocks before the norm
            content[at] ^= 0x0F
            file.write_bytes(content)
            rows = self.diff(self.model, file, expect=1)
            faults = [f["message"] for r in rows for f in r["findings"]]
            blocks = 4096 // (256 if form == "q4_k" else 32)
            self.assertIn(("model.layers.2.mlp.up_proj.weight", "wrong_code"), self.kinds(rows))
            self.assertEqual({r["tensor"] for r in rows if r["findings"]}, {"model.layers.2.mlp.up_proj.weight"})
            self.assertTrue(all(f"block {blocks - 5}, element" in message for message in faults), faults)
            content[at] ^= 0x0F
            content[-6] ^= 0x01  # and one in a tensor that was copied
            file.write_bytes(content)
            self.assertEqual(self.kinds(self.diff(self.model, file, expect=1)), {("model.norm.weight", "changed")})

    def test_what_is_missing_extra_or_shaped_otherwise_is_a_finding(self):
        other = dict(self.weights)
        moved = other.pop("model.layers.0.mlp.up_proj.weight")
        other["lm_head.weight"] = f32([2, 2], [1, 2, 3, 4])
        other["model.layers.1.mlp.up_proj.weight"] = ("F32", [512, 8], self.weights["model.layers.1.mlp.up_proj.weight"][2])
        rows = self.diff(self.model, self.write("other", other), expect=1)
        self.assertEqual(self.kinds(rows), {("model.layers.0.mlp.up_proj.weight", "missing"),
                                            ("lm_head.weight", "extra"),
                                            ("model.layers.1.mlp.up_proj.weight", "shape_mismatch")})
        self.assertIsNone(self.row(rows, "lm_head.weight")["rmse"])
        self.refute("diff", self.model, self.root / "other.safetensors", "--no-threshold", expect=1)
        self.assertEqual(len(moved), 3)

    def test_what_holds_no_weights_is_a_note(self):
        one = f32([], [0.1])
        extra = {f"model.layers.{i}.mlp.up_proj.input_scale": one for i in range(4)}
        extra["model.layers.0.self_attn.rotary_emb.inv_freq"] = f32([4], [1, 0.1, 0.01, 0.001])
        other = self.write("static", dict(self.weights) | extra)
        for pair in ((self.model, other), (other, self.model)):
            rows = self.diff(*pair)
            self.assertEqual({r["tensor"] for r in rows if r["rmse"] is None}, set(extra))
            self.assertEqual({r["verdict"] for r in rows if r["rmse"] is None}, {"none"})
            text = self.refute("diff", *pair).stdout
            self.assertIn("input_scale and 3 more: only ", text)
            self.assertIn("a scale of activations", text)
        other = self.write("static", dict(self.weights) | {"model.layers.0.mlp.up_proj.weight_scale": one})
        self.assertEqual(self.kinds(self.diff(self.model, other, expect=1)),
                         {("model.layers.0.mlp.up_proj.weight_scale", "extra")})

    def test_the_fault_that_explains_a_finding_is_named(self):
        file = self.quantized("q4_0")
        blocks = bytearray(file.read_bytes())
        for block in range(len(blocks) - 2048 - 128 * 18, len(blocks) - 2048, 18):  # of the last matrix
            blocks[block + 2:block + 18] = bytes(b >> 4 | b << 4 & 0xF0 for b in blocks[block + 2:block + 18])
        file.write_bytes(blocks)
        rows = self.diff(self.model, file, expect=1)
        swapped = self.row(rows, "model.layers.2.mlp.up_proj.weight")
        self.assertIn("4-bit codes of each byte are swapped", swapped["cause"])
        self.assertEqual({r["cause"] for r in rows if r is not swapped}, {None})
        self.assertIn("up_proj.weight: cause: the two 4-bit codes",
                      self.refute("diff", self.model, file, expect=1).stdout)

    def test_nan_never_passes(self):
        values = normal(4096, 1)
        values[37] = float("nan")
        other = dict(self.weights) | {"model.layers.1.mlp.up_proj.weight": f32([8, 512], values)}
        rows = self.diff(self.model, self.write("nan", other), "--no-threshold", expect=1)
        row = self.row(rows, "model.layers.1.mlp.up_proj.weight")
        self.assertEqual([f["kind"] for f in row["findings"]], ["non_finite"])
        self.assertIn("[0, 37]", row["findings"][0]["message"])
        self.assertEqual((row["cosine"], row["rmse"], row["verdict"]), (None, None, "red"))
        self.refute("diff", self.root / "nan.safetensors", self.root / "nan.safetensors", expect=1)

    def test_nothing_in_common_is_an_exit_of_its_own(self):
        other = self.write("other", {"something.else": f32([2], [1, 2])})
        self.assertIn("--map", self.refute("diff", self.model, other, expect=4).stderr)
        self.assertIn("selects nothing", self.refute("diff", self.model, self.model, "--match", "zz*", expect=4).stderr)
        pairs = self.root / "pairs"
        pairs.write_text("# one\nmodel.norm.weight something.else\n")
        self.refute("diff", self.model, other, "--map", pairs, expect=1)
        pairs.write_text("model.norm.wight something.else\n")
        self.assertIn("model.norm.weight", self.refute("diff", self.model, other, "--map", pairs, expect=2).stderr)
        pairs.write_text("one two three\n")
        self.assertIn("pairs:1", self.refute("diff", self.model, other, "--map", pairs, expect=2).stderr)

    def test_zeros_are_equal_and_a_wrong_scale_is_not(self):
        zeros = self.write("zeros", {"w": f32([4, 64], [0.0] * 256)})
        row = self.diff(zeros, zeros)[0]
        self.assertEqual((row["verdict"], row["cosine"], row["rmse"], row["norm_ratio"]), ("green", 1.0, 0.0, 1.0))
        ones = self.write("ones", {"w": f32([4, 64], [1.0] * 256)})
        self.assertIn(("w", "threshold"), self.kinds(self.diff(zeros, ones, expect=1)))

        weights = {"w": f32([8, 512], normal(4096, 5))}
        whole = self.write("whole", weights)
        half = self.write("half", {"w": f32([8, 512], [v / 2 for v in normal(4096, 5)])})
        self.refute("quantize", half, "--format", "q8_0", "-o", self.root / "half.gguf")
        rows = self.diff(whole, self.root / "half.gguf", expect=1)
        self.assertGreater(rows[0]["cosine"], 0.9999)
        self.assertEqual(rows[0]["verdict"], "green")
        self.assertLessEqual({("w", "scale"), ("w", "over_bound")}, self.kinds(rows))

    def test_the_gate(self):
        a = self.write("a", {"w": f32([2, 64], normal(128, 1))})
        b = self.write("b", {"w": f32([2, 64], [x + 0.3 * y for x, y in zip(normal(128, 1), normal(128, 2))])})
        cosine = self.diff(a, b, "--no-threshold", expect=1)[0]["cosine"]
        below, above = str(cosine - 1e-6), str(cosine + 1e-6)
        self.assertEqual(self.kinds(self.diff(a, b, "--threshold", below, expect=1)), {("w", "changed")})
        self.assertEqual(self.kinds(self.diff(a, b, "--threshold", above, expect=1)), {("w", "changed"), ("w", "threshold")})
        self.refute("diff", a, b, "--threshold", "1.5", expect=2)
        self.refute("diff", a, b, "--threshold", "nan", expect=2)

    def test_an_unknown_type_is_reported_and_the_rest_compared(self):
        header = {"odd": {"dtype": "F4_E9", "shape": [8], "data_offsets": [0, 8]},
                  "w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}
        text = json.dumps(header).encode()
        odd = self.root / "odd.safetensors"
        odd.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8 + floats([1, 2]))
        rows = self.diff(odd, odd, expect=1)
        self.assertEqual(self.kinds(rows), {("odd", "unknown_type")})
        self.assertEqual(self.row(rows, "w")["verdict"], "green")

    def test_parts_of_nf4_that_do_not_make_it_one_are_named_and_the_rest_compared(self):
        self.quantized("nf4")
        content = (self.root / "q-nf4").read_bytes()
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8:8 + length])
        tensors = {name: (t["dtype"], t["shape"], content[8 + length:][slice(*t["data_offsets"])])
                   for name, t in header.items() if name != "__metadata__"}
        one = "model.layers.1.mlp.up_proj.weight"
        state = f"{one}.quant_state.bitsandbytes__nf4"
        text = tensors[state][2].replace(b"nf4", b"fp4")
        for changed, said in ((tensors | {state: ("U8", [len(text)], text)}, "quant_type 'fp4'"),
                              ({n: t for n, t in tensors.items() if n != state}, f"{state} is missing"),
                              ({n: t for n, t in tensors.items() if n != one + ".absmax"}, f"{one}.absmax is missing")):
            other = self.write("other", changed)
            rows = self.diff(self.model, other, expect=1)
            self.assertEqual(self.kinds(rows), {(one, "unknown_type")})
            self.assertIn(said, self.row(rows, one)["findings"][0]["message"])
            self.assertEqual(self.row(rows, "model.layers.2.mlp.up_proj.weight")["band_verdict"], "inside")
            done = self.refute("dequantize", other, "-o", "back.npz", "--force", expect=1)
            self.assertIn(said, done.stderr)

    def test_whole_numbers_have_to_be_the_same(self):
        big = 2**40
        a = self.write("a", {"ids": ("I64", [2], struct.pack("<qq", 7, big))})
        b = self.write("b", {"ids": ("I64", [2], struct.pack("<qq", 7, big + 1))})
        self.refute("diff", a, a)
        self.assertEqual(self.kinds(self.diff(a, b, expect=1)), {("ids", "changed")})

    def test_names_and_rows_of_gguf_are_understood(self):
        heads, kv_heads, dim, cols = 4, 2, 8, 64
        q, k = normal(heads * dim * cols, 1), normal(kv_heads * dim * cols, 2)

        def interleaved(values, count):
            rows = [values[i * cols:(i + 1) * cols] for i in range(count * dim)]
            out = []
            for h in range(count):
                for j in range(dim // 2):
                    out += rows[h * dim + j] + rows[h * dim + dim // 2 + j]
            return out

        hf = self.write("hf", {
            "model.embed_tokens.weight": f32([4, cols], normal(4 * cols, 3)),
            "model.layers.0.self_attn.q_proj.weight": f32([heads * dim, cols], q),
            "model.layers.0.self_attn.k_proj.weight": f32([kv_heads * dim, cols], k),
            "model.layers.0.input_layernorm.weight": f32([cols], [0.5] * cols)})
        tensors = {
            "token_embd.weight": ([4, cols], normal(4 * cols, 3)),
            "blk.0.attn_q.weight": ([heads * dim, cols], interleaved(q, heads)),
            "blk.0.attn_k.weight": ([kv_heads * dim, cols], interleaved(k, kv_heads)),
            "blk.0.attn_norm.weight": ([cols], [0.5] * cols)}
        metadata = {"general.architecture": "llama", "llama.attention.head_count": heads,
                    "llama.attention.head_count_kv": kv_heads}
        other = gguf(self.root / "model.gguf", metadata, tensors)
        rows = self.diff(hf, other)
        self.assertEqual({r["other_name"] for r in rows}, set(tensors))
        self.assertEqual([r["rmse"] for r in rows], [0.0] * 4)
        self.assertEqual([r["rmse"] for r in self.diff(other, hf)], [0.0] * 4)

        plain = gguf(self.root / "qwen.gguf", {"general.architecture": "qwen2"}, tensors)
        rows = self.diff(hf, plain, expect=1)
        self.assertEqual({name for name, _ in self.kinds(rows)},
                         {"model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.k_proj.weight"})
        tensors["blk.0.attn_norm.weight"] = ([cols], [1.5] * cols)
        gemma = gguf(self.root / "gemma.gguf", {"general.architecture": "gemma"}, tensors)
        rows = self.diff(hf, gemma, "--match", "*layernorm*")
        self.assertEqual(rows[0]["rmse"], 0.0)

    def sparse(self, name, dtype, width, values):
        """A model of zeros that takes no room on the disk."""
        rows = values // 4096
        header = json.dumps({"w": {"dtype": dtype, "shape": [rows, 4096], "data_offsets": [0, values * width]}}).encode()
        path = self.root / f"{name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        os.truncate(path, 8 + len(header) + values * width)
        return path

    def test_a_file_that_is_cut_while_it_is_read_is_named(self):
        # F64 against F32 is compared exactly, value by value: that takes longer than it takes to cut.
        for cut in ("reference", "other"):
            files = {"reference": self.sparse("reference", "F64", 8, 1 << 27), "other": self.sparse("other", "F32", 4, 1 << 27)}
            parent, child = pty.openpty()
            diff = subprocess.Popen([REFUTE, "diff", files["reference"], files["other"], "-j", "1"],
                                    stderr=child, stdout=subprocess.PIPE)
            os.close(child)
            seen = os.read(parent, 4096)  # the bar, which is drawn in the middle of the work
            self.assertIn(b"GiB", seen)
            os.truncate(files[cut], 1 << 16)
            while True:
                try:
                    piece = os.read(parent, 4096)
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
            out, _ = diff.communicate(timeout=60)
            os.close(parent)
            self.assertEqual(diff.returncode, 3, seen)
            self.assertIn(f"{files[cut]}: was changed or cut short while it was read".encode(), seen)
            self.assertEqual(out, b"", "nothing is said of a model that went away")

    def test_formats_outputs_and_the_picture(self):
        other = self.quantized("q4_0")
        self.refute("diff", self.model, other, "--format", "md", "--svg", "picture.svg",
                    "--output", "json=rows.json", "--output", "tsv=rows.tsv")
        self.assertEqual(len(json.loads((self.root / "rows.json").read_text())), 4)
        self.assertEqual(len((self.root / "rows.tsv").read_text().splitlines()), 5)
        picture = xml.dom.minidom.parse(str(self.root / "picture.svg"))
        self.assertEqual(len(picture.getElementsByTagName("circle")), 4)
        markdown = self.refute("diff", self.model, other, "--format", "md", "--svg", "picture.svg").stdout
        self.assertIn("](picture.svg)", markdown)
        self.refute("diff", self.model, other, "--output", "html=page.html")
        page = (self.root / "page.html").read_text()
        html.parser.HTMLParser().feed(page)
        for row in self.weights:
            self.assertIn(f"<td>{row}</td>", page)
        self.assertEqual(page.count("<circle"), 4)
        self.assertNotIn("<script", page)
        self.assertEqual(len(self.diff(self.model, other, "--top", "2")), 2)
        self.assertEqual(len(self.diff(self.model, other, "--match", "*layers.?.mlp*")), 3)
        self.assertIn("no finding", self.refute("diff", self.model, other).stdout)
        self.assertIn("did you mean `json`", self.refute("diff", self.model, other, "--format", "jsn", expect=2).stderr)
        self.assertIn("did you mean `q4_0`", self.refute("diff", self.model, "--as", "q40", expect=2).stderr)

    def test_options_that_would_do_nothing_are_refused(self):
        other = self.quantized("q4_0")
        for options, said in ((["--json", "--format", "md"], "excludes"),
                              (["--match", "[a"], "never closed"), (["--scale", "block"], "--scale requires --as"),
                              (["--as", "q8_0"], "name no second")):
            self.assertIn(said, self.refute("diff", self.model, other, *options, expect=2).stderr)
        for options, said in ((["--as", "q4_0", "--scale", "block"], "for --as fp8"),
                              (["--as", "q4_0", "--map", "pairs"], "excludes")):
            self.assertIn(said, self.refute("diff", self.model, *options, expect=2).stderr)

    def test_what_a_quick_look_cannot_see_is_said_and_a_thorough_one_sees_it(self):
        file = self.quantized("q5_k")
        note = "blocks of Q5_K were not quantised again"
        self.assertIn(note, self.refute("diff", self.model, file).stdout)
        self.assertNotIn(note, self.refute("diff", self.model, file, "--thorough").stdout)
        content = bytearray(file.read_bytes())
        at = len(content) - 2048 - 5 * 176 + 4  # the first scale, five blocks before the norm
        content[at] ^= 0x01
        file.write_bytes(content)
        rows = self.diff(self.model, file, "--thorough", expect=1)
        name = "model.layers.2.mlp.up_proj.weight"
        self.assertEqual(self.kinds(rows), {(name, "wrong_code")})
        self.assertIn("block 11, element", self.row(rows, name)["findings"][0]["message"])

    def test_match_goes_by_the_names_of_either_side(self):
        hf = self.write("hf", {"model.layers.0.mlp.up_proj.weight": f32([2, 64], normal(128, 1)),
                               "model.norm.weight": f32([64], [1.0] * 64)})
        other = gguf(self.root / "m.gguf", {}, {"blk.0.ffn_up.weight": ([2, 64], normal(128, 1)),
                                                "output_norm.weight": ([64], [1.0] * 64)})
        for glob in ("*up_proj*", "blk.*"):
            rows = self.diff(hf, other, "--match", glob)
            self.assertEqual([r["tensor"] for r in rows], ["model.layers.0.mlp.up_proj.weight"])

    def test_the_place_of_the_largest_error_is_shown(self):
        other = self.quantized("q4_0")
        worst = self.diff(self.model, other)[0]
        place = f"at [{worst['max_abs_index'] // 512}, {worst['max_abs_index'] % 512}]"
        for form in ("text", "md"):
            line = next(l for l in self.refute("diff", self.model, other, "--format", form).stdout.splitlines()
                        if worst["tensor"] in l)
            self.assertIn(place, line)

    def test_names_cannot_write_on_the_terminal(self):
        name = "w\x1b[31m|\t\n"
        file = self.write("odd", {name: f32([2], [1, 2])})
        for form in ("text", "tsv", "md", "html"):
            shown = self.refute("diff", file, file, "--format", form).stdout
            self.assertNotIn("\x1b", shown)
        self.assertEqual(self.diff(file, file)[0]["tensor"], name)

    def test_bad_input_is_named(self):
        whole = self.model.read_bytes()
        cut = self.root / "cut.safetensors"
        cut.write_bytes(whole[:-1])
        self.assertIn("cut.safetensors", self.refute("diff", self.model, cut, expect=2).stderr)
        self.assertIn("absent", self.refute("diff", self.model, "absent.gguf", expect=2).stderr)
        self.refute("diff", self.model, expect=2)
        self.refute("diff", self.model, self.model, "--as", "q4_0", expect=2)
        self.assertIn("nothing", self.refute("diff", self.model, "--as", "q4_0", "--match", "*norm*", expect=4).stderr)

    def test_a_report_that_cannot_be_written_is_no_success(self):
        self.refute("diff", self.model, self.model, "--output", "json=/no/such/folder/x.json", expect=3)


if __name__ == "__main__":
    unittest.main()
