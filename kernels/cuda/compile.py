#!/usr/bin/env python3
"""Compiles one .cu file with nvcc and keeps what the assembler says about each kernel's registers and spills.

usage: compile.py NVCC SOURCE OBJECT REPORT DEPFILE [OPTION…]

The report is a file of its own, because Meson drops what a compiler prints, and a spill is found nowhere else: a spilling
kernel is right, and slow. `resource_report_test.py` reads it.
"""
import subprocess
import sys


def main():
    nvcc, source, target, report, depfile, *options = sys.argv[1:]
    command = [nvcc, *options, "-Xptxas=-v", "-MD", "-MF", depfile, "-c", source, "-o", target]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    with open(report, "w", encoding="utf-8") as out:
        out.write(done.stdout)
    # What is left once the assembler's notes are gone is a warning or an error, which the reader should see.
    rest = [line for line in done.stdout.splitlines() if not line.startswith(("ptxas info", "    ")) and line.strip()]
    if done.returncode or rest:
        print("\n".join(rest) or done.stdout, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
