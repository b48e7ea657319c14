#!/usr/bin/env python3
"""Names a kernel by its sources: PUBLISHER:KERNEL@ID, and writes that into a header.

ID is a git object id, so that anyone can check it with git alone. It is the blob id of a listing of the kernel's source
files, one line `<blob id> <path below the root>` each, sorted by path:

    for f in FILES; do echo "$(git hash-object $f) $f"; done | git hash-object --stdin

The files are those that source_closure.py reaches from the kernel's header; --show prints them.
"""

import argparse
import hashlib
import pathlib

import source_closure


def blob_id(data):
    """What `git hash-object` prints for a file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def kernel_id(root, files):
    """The id of a list of files."""
    lines = [f"{blob_id(f.read_bytes())} {f.relative_to(root).as_posix()}\n" for f in files]
    return blob_id("".join(lines).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, type=pathlib.Path)
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--name", required=True, help="PUBLISHER:KERNEL")
    parser.add_argument("--constant", help="the name of the constant in the header")
    parser.add_argument("--out", type=pathlib.Path, help="the header; without it only what --show prints")
    parser.add_argument("--depfile", type=pathlib.Path)
    parser.add_argument("--show", action="store_true", help="print the files and the name")
    parser.add_argument("header", help="the kernel's header, below the root")
    a = parser.parse_args()
    root = a.root.resolve()
    files = source_closure.closure(root, [a.header], a.backend)
    name = f"{a.name}@{kernel_id(root, files)}"
    if a.show:
        print("\n".join([f.relative_to(root).as_posix() for f in files] + [name]))
    if a.out:
        a.out.write_text(
            "#pragma once\n\n// Written by harness/tools/kernel_source.py, which says what the digits mean.\n\n"
            f'inline constexpr char {a.constant}[] = "{name}";\n', encoding="utf-8")
    if a.depfile:
        depends = " ".join(str(f).replace(" ", "\\ ") for f in files)
        a.depfile.write_text(f"{a.out}: {depends}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
