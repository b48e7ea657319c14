#!/usr/bin/env python3
"""Holds README.md to what it shows: usage: readme_test.py SOURCE_ROOT REFUTE

The Python worker is the file it says it is, the first contract lints, and every command it names exists.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

root, refute = pathlib.Path(sys.argv[1]), sys.argv[2]
text = (root / "README.md").read_text(encoding="utf-8")
problems = []


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def validate(contract):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(contract)
        file.flush()
        return subprocess.run([refute, "validate", "--strict", file.name], capture_output=True, text=True, check=False)


if blocks("python") != [(root / "fixtures/generators/my_kernel.py").read_text(encoding="utf-8")]:
    problems.append("the Python worker shown is not fixtures/generators/my_kernel.py")

first, machine_read = blocks("yaml")
for contract in (first, first + machine_read):
    done = validate(contract)
    if done.returncode != 0:
        problems.append(f"a contract shown does not lint:\n{done.stdout}{done.stderr}")

help_text = subprocess.run([refute, "--help"], capture_output=True, text=True, check=True).stdout
for command in set(re.findall(r"^refute ([a-z-]+)", text, re.MULTILINE)):
    if not re.search(rf"^  {command} ", help_text, re.MULTILINE):
        problems.append(f"there is no command `refute {command}`")

for path in set(re.findall(r"`((?:fixtures|harness|falsifiers|contracts)/[\w./-]+)`", text)):
    if not (root / path).exists():
        problems.append(f"there is no {path}")

print("\n".join(problems) or "README.md shows what is there")
sys.exit(1 if problems else 0)
