#!/usr/bin/env python3
"""source_closure.py on a small tree: what it reaches, what changes its digest, and what does not."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("source_closure.py")
TREE = {
    "falsifiers/w.cpp": '#include "harness/a.hpp"\n#include <vector>\n#include "falsifiers/w_build.hpp"\n',
    "harness/a.hpp": '#include "b.hpp"\n',
    "harness/a.cpp": '#include "kernels/k.hpp"\n',
    "harness/a_more.cpp": "",
    "harness/a_bench.cpp": "",
    "harness/b.hpp": "",
    "harness/other.cpp": "",
    "kernels/k.hpp": "",
    "kernels/k_test.cpp": "",
    "kernels/cpu/k_scalar.cpp": '  #  include "kernels/cpu/shape.hpp"\n',
    "kernels/cpu/shape.hpp": "",
    "kernels/cpu/other_scalar.cpp": "",
    "kernels/cuda/k_cuda.cu": '#include "kernels/cuda/shared.cuh"\n',
    "kernels/cuda/shared.cuh": "",
    "falsifiers/subjects/cuda/adapter.cpp": "",
}


class SourceClosure(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for path, text in TREE.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def tearDown(self):
        self.folder.cleanup()

    def run_script(self, flags="-O2", root=None, also=(), nvcc="nvcc 13.0"):
        out, dep = self.root / "out.hpp", self.root / "out.d"
        done = subprocess.run(
            [sys.executable, SCRIPT, "--root", root or self.root, "--out", out, "--depfile", dep, "--compiler", "gcc 12",
             f"--flags={flags}", "--sanitizers", "none", f"--cuda-compiler={nvcc}", "--show", *(f"--also={path}" for path in also),
             "falsifiers/w.cpp", "falsifiers/subjects/cuda/adapter.cpp"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return done.stderr
        text = out.read_text()
        self.assertNotIn(str(self.root), text)
        digests = dict(re.findall(r'\.source_(cpu|cuda) = "([0-9a-f]*)"', text))
        return done.stdout.split(), digests, dep.read_text()

    def changed(self, path, text="changed\n"):
        before = self.run_script()[1]
        (self.root / path).write_text(text)
        after = self.run_script()[1]
        return {backend for backend in before if before[backend] != after[backend]}

    def test_a_file_that_only_runs_counts_alone(self):
        files, with_it, _ = self.run_script(also=["harness/other.cpp"])
        self.assertIn("harness/other.cpp", files)
        self.assertNotEqual(with_it, self.run_script()[1])
        (self.root / "harness/other.cpp").write_text("#include \"nowhere.hpp\"\n")
        files, changed, _ = self.run_script(also=["harness/other.cpp"])
        self.assertNotEqual(changed["cpu"], with_it["cpu"])

    def test_it_reaches_bodies_of_headers_and_kernels_but_no_tests(self):
        files, _, depends = self.run_script()
        self.assertEqual(files, ["falsifiers/w.cpp", "harness/a.cpp", "harness/a.hpp", "harness/a_more.cpp",
                                 "harness/b.hpp", "kernels/cpu/k_scalar.cpp", "kernels/cpu/shape.hpp", "kernels/k.hpp"])
        self.assertIn("kernels/cuda/k_cuda.cu", depends)
        self.assertIn("kernels/cpu/shape.hpp", depends)

    def test_each_backend_has_its_own_digest(self):
        self.assertEqual(self.changed("harness/b.hpp"), {"cpu", "cuda"})
        self.assertEqual(self.changed("kernels/cpu/shape.hpp"), {"cpu"})
        self.assertEqual(self.changed("kernels/cuda/shared.cuh"), {"cuda"})
        self.assertEqual(self.changed("kernels/cuda/k_cuda.cu"), {"cuda"})
        self.assertEqual(self.changed("falsifiers/subjects/cuda/adapter.cpp"), {"cuda"})
        self.assertEqual(self.changed("harness/other.cpp"), set())
        self.assertEqual(self.changed("kernels/k_test.cpp"), set())
        self.assertEqual(self.changed("kernels/cpu/other_scalar.cpp"), set())

    def test_the_cuda_compiler_counts_for_the_cuda_subjects_alone(self):
        with_13, with_12, without = (self.run_script(nvcc=n)[1] for n in ("nvcc 13.0", "nvcc 12.4", ""))
        self.assertEqual({with_13["cpu"]}, {with_12["cpu"], without["cpu"]})
        self.assertNotEqual(with_13["cuda"], with_12["cuda"])
        self.assertEqual(without["cuda"], "")

    def test_flags_count_and_the_place_does_not(self):
        first = self.run_script()[1]
        self.assertNotEqual(first, self.run_script(flags="-O3")[1])
        with tempfile.TemporaryDirectory() as elsewhere:
            moved = pathlib.Path(elsewhere) / "deeper" / "tree"
            subprocess.run(["mkdir", "-p", moved.parent], check=True)
            subprocess.run(["cp", "-r", self.root, moved], check=True)
            self.assertEqual(first, self.run_script(root=moved)[1])

    def test_without_cuda_sources_there_is_no_cuda_digest(self):
        (self.root / "kernels/cuda/k_cuda.cu").unlink()
        self.assertEqual(self.run_script()[1]["cuda"], "")

    def test_a_missing_include_is_an_error(self):
        (self.root / "harness/b.hpp").unlink()
        self.assertIn("b.hpp is not in the source tree", self.run_script())


if __name__ == "__main__":
    unittest.main()
