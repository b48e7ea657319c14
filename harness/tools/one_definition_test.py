#!/usr/bin/env python3
"""No two types of one name in one namespace: usage: one_definition_test.py SOURCE_ROOT

The linker keeps one copy of what templates make of a type, whichever it meets first. Where two files each have a struct
of the same name, one of them is then destroyed as if it were the other, and no compiler says so.
"""

import collections
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(sys.argv.pop(1))
FOLDERS = ("harness", "kernels", "falsifiers", "fixtures")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
OPENS = re.compile(r"namespace\s*([\w:]*)\s*\{|(?:struct|class)\s+(?:\[\[[^\]]*\]\]\s*)?(\w+)\s*(?:final\s*)?(?::(?!:)[^{;()]*)?\{|[{}]")


def types_of(text):
    """Full names of the types that other files can mean by the same name: not nested, not in an unnamed namespace."""
    stack = []
    for found in OPENS.finditer(STRING.sub('""', COMMENT.sub("", text))):
        if found[0] == "}":
            if stack:
                stack.pop()
            continue
        if found[2] and None not in stack and "" not in stack:
            yield "::".join([*stack, found[2]])
        stack.append(found[1] if found[0].startswith("namespace") else None)


class OneDefinition(unittest.TestCase):
    def test_the_reader(self):
        text = 'namespace a::b { struct X { struct In {}; }; class Y final : public X {}; namespace { struct X {}; } } struct Z::W {'
        self.assertEqual(list(types_of(text)), ["a::b::X", "a::b::Y"])

    def test_every_type_has_one_home(self):
        homes = collections.defaultdict(set)
        for folder in FOLDERS:
            for path in (ROOT / folder).rglob("*.?pp"):
                for name in types_of(path.read_text()):
                    homes[name].add(str(path.relative_to(ROOT)))
        self.assertGreater(len(homes), 500)
        self.assertEqual({name: sorted(files) for name, files in homes.items() if len(files) > 1}, {})


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
