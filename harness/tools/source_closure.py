#!/usr/bin/env python3
"""Digests the sources that a worker's evidence rests on, and writes them into a header.

The closure starts at the worker's own sources and follows every `#include "..."`, and from each header to the files that
implement it: D/S.hpp leads to D/S.cpp and D/S_*, among the kernels also to kernels/<backend>/S_*. Tests and benches are left
out. What lies in a folder called `cuda` belongs to the CUDA subjects alone: it is part of their digest and of no other's, as
is the CUDA compiler. (A body that is named after none of its headers would be missed: keep to the names.) A file that
runs as part of what is claimed, though no source includes it, is named with --also. The digest covers the files' paths below
the root and their contents, the compiler and the numeric flags: never the binary, which differs from folder to folder, and
never an absolute path.
"""

import argparse
import hashlib
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
GENERATED = "_build.hpp"  # what this script writes; it follows from the rest
BODIES = (".cpp", ".hpp", ".cu", ".cuh")


def included(root, path):
    """The files that `path` includes by name, all inside the root."""
    for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
        if name.endswith(GENERATED):
            continue
        found = [p for p in (root / name, path.parent / name) if p.is_file()]
        if not found:
            sys.exit(f"{path.relative_to(root)}: included file {name} is not in the source tree")
        yield found[0].resolve()


def implementing(root, header, backend):
    """The files that implement a header."""
    if header.suffix not in (".hpp", ".cuh"):
        return
    folders = [header.parent] + ([header.parent / backend] if header.parent == root / "kernels" else [])
    for folder in folders:
        for body in sorted({*folder.glob(header.stem + ".*"), *folder.glob(header.stem + "_*")}):
            if body.suffix in BODIES and not body.stem.endswith(("_test", "_bench")):
                yield body


def foreign(root, path, backend):
    """Whether a file is of no concern to a backend's evidence."""
    return backend != "cuda" and "cuda" in path.relative_to(root).parent.parts


def closure(root, sources, backend):
    """Every file that is reached, sorted by its path below the root."""
    todo, seen = [root / s for s in sources], set()
    while todo:
        path = todo.pop()
        if path in seen or foreign(root, path, backend):
            continue
        seen.add(path)
        todo.extend(included(root, path))
        todo.extend(implementing(root, path, backend))
    return sorted(seen, key=lambda p: p.relative_to(root).as_posix())


def digest(root, files, toolchain):
    """SHA-256 over length-prefixed fields, so that no two different closures hash alike."""
    total = hashlib.sha256()

    def field(data):
        total.update(len(data).to_bytes(8, "little"))
        total.update(data)

    for text in toolchain:
        field(text.encode())
    for path in files:
        field(path.relative_to(root).as_posix().encode())
        field(path.read_bytes())
    return total.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--depfile", type=pathlib.Path)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", required=True)
    parser.add_argument("--sanitizers", required=True)
    parser.add_argument("--cuda-compiler", default="", help="with its flags; absent: there are no CUDA subjects here")
    parser.add_argument("--also", action="append", default=[], type=pathlib.Path,
                        help="a file that the evidence rests on though nothing includes it; taken alone (repeatable)")
    parser.add_argument("--show", action="store_true", help="print the closure's paths as well")
    parser.add_argument("sources", nargs="+", help="the worker's own sources, below the root")
    a = parser.parse_args()
    root = a.root.resolve()
    toolchain = [a.compiler, a.flags, a.sanitizers]

    also = [root / path for path in a.also]
    cpu, cuda = (sorted({*closure(root, a.sources, backend), *also}, key=lambda p: p.relative_to(root).as_posix())
                 for backend in ("cpu", "cuda"))
    has_cuda = a.cuda_compiler and any(p.suffix == ".cu" for p in cuda)
    cuda_toolchain = [*toolchain, a.cuda_compiler]
    if a.show:
        print("\n".join(p.relative_to(root).as_posix() for p in cpu))
    a.out.write_text(
        "#pragma once\n\n// Written by harness/tools/source_closure.py.\n\n"
        '#include "harness/worker/row.hpp"\n\n'
        "inline constexpr refute::worker::BuildInfo kBuildInfo = {\n"
        f'    .source_cpu = "{digest(root, cpu, toolchain)}",\n'
        f'    .source_cuda = "{digest(root, cuda, cuda_toolchain) if has_cuda else ""}",\n'
        f'    .compiler = "{a.compiler}",\n    .flags = "{a.flags}",\n    .sanitizers = "{a.sanitizers}",\n'
        "};\n", encoding="utf-8")
    if a.depfile:
        depends = sorted({str(p) for p in cpu + cuda})
        a.depfile.write_text(f"{a.out}: " + " ".join(d.replace(" ", "\\ ") for d in depends) + "\n")


if __name__ == "__main__":
    main()
