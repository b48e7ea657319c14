#!/usr/bin/env python3
"""Writes small valid model files to start fuzzing from: seeds.py FOLDER → FOLDER/safetensors, FOLDER/gguf."""

import json
import pathlib
import struct
import sys

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4,
         "F32": 4, "U64": 8, "I64": 8, "F64": 8, "F4": 1}


def safetensors(tensors, metadata=None):
    header, data = ({"__metadata__": metadata} if metadata else {}), b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def text(value):
    return struct.pack("<Q", len(value)) + value


def gguf(version, keys, tensors):
    """keys: bytes; tensors: (name, ne, type, size)"""
    head, offset = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys)) + b"".join(keys), 0
    for name, ne, kind, size in tensors:
        head += text(name) + struct.pack(f"<I{len(ne)}QIQ", len(ne), *ne, kind, offset)
        offset += -(-size // 32) * 32
    return head + b"\0" * (-len(head) % 32) + b"\3" * offset


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def main():
    folder = pathlib.Path(sys.argv[1])
    state = b'{"quant_type":"nf4","blocksize":64,"dtype":"float32","shape":[2,64]}'
    nested = state[:-1] + b',"nested_blocksize":256,"nested_offset":0.5,"nested_dtype":"float32"}'
    nf4 = {"w": ("U8", [64, 1], bytes(64)), "w.quant_map": ("F32", [16], bytes(64))}
    name = "w.quant_state.bitsandbytes__nf4"
    seeds = {
        "safetensors/types": safetensors({d: (d, [2], bytes(2 * n)) for d, n in SIZES.items()}, {"format": "pt"}),
        "safetensors/edges": safetensors({"s": ("F32", [], floats(1)), "none": ("F32", [0, 4], b"")}),
        "safetensors/fp8": safetensors({"w": ("F8_E4M3", [2, 4], bytes(8)), "w_scale": ("F32", [2, 1], floats(1, 2))}),
        "safetensors/grid": safetensors({"w": ("F8_E5M2", [3, 4], bytes(12)), "w_scale_inv": ("BF16", [1, 2], bytes(4))}),
        "safetensors/nf4": safetensors(nf4 | {"w.absmax": ("F32", [2], floats(1, 2)), name: ("U8", [len(state)], state)}),
        "safetensors/nested": safetensors(nf4 | {
            "w.absmax": ("U8", [2], b"ab"), "w.nested_absmax": ("F32", [1], floats(1)),
            "w.nested_quant_map": ("F32", [256], bytes(1024)), name: ("U8", [len(nested)], nested)}),
        "gguf/types": gguf(3, [], [(b"t%d" % kind, [values], kind, size) for kind, values, size in (
            (0, 3, 12), (1, 3, 6), (2, 32, 18), (3, 32, 20), (6, 32, 22), (7, 32, 24), (8, 32, 34), (10, 256, 84),
            (11, 256, 110), (12, 256, 144), (13, 256, 176), (14, 256, 210), (16, 256, 66), (20, 32, 18), (24, 3, 3),
            (27, 3, 24), (28, 3, 24), (30, 3, 6), (39, 32, 17), (77, 5, 40))]),
        "gguf/metadata": gguf(2, [text(b"a") + struct.pack("<IIQ", 9, 8, 2) + text(b"x") + text(b"y"),
                                  text(b"general.alignment") + struct.pack("<II", 4, 32),
                                  text(b"n") + struct.pack("<IIQIQB", 9, 9, 1, 7, 1, 1),
                                  text(b"f") + struct.pack("<Id", 12, 0.5), text(b"s") + struct.pack("<I", 8) + text(b"z")],
                              [(b"w", [2, 3], 0, 24), (b"none", [0], 0, 0), (b"scalar", [], 0, 4)]),
    }
    for path, content in seeds.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


if __name__ == "__main__":
    main()
