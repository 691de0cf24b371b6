"""What 4 bits cost at each end: writes copies of a tied model in Hugging Face layout with a table of its own at
either end, one of them or both rounded to Q4_0. Needs NumPy. Usage: python3 ends.py MODEL OUT; then score each folder."""

import json
import pathlib
import shutil
import sys

import numpy as np


def read(path):
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, tensor in header.items():
        kind = {"F32": np.uint32, "BF16": np.uint16}[tensor["dtype"]]
        bits = np.frombuffer(raw, kind, offset=start + tensor["data_offsets"][0], count=np.prod(tensor["shape"], dtype=int))
        wide = bits if kind == np.uint32 else bits.astype(np.uint32) << 16
        tensors[name] = wide.view(np.float32).reshape(tensor["shape"])
    return tensors


def write(path, tensors):
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))


def q4_0(table):
    groups = table.reshape(-1, 32)
    largest = np.take_along_axis(groups, np.abs(groups).argmax(1)[:, None], 1)
    scale = largest / np.float32(-8)
    inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale != 0)
    codes = np.clip(np.floor(groups * inverse + np.float32(8.5)), 0, 15) - 8
    return (codes * scale.astype(np.float16).astype(np.float32)).astype(np.float32).reshape(table.shape)


source, out = map(pathlib.Path, sys.argv[1:])
tensors = read(source / "model.safetensors")
(name,) = [name for name in tensors if name.endswith(("embed_tokens.weight", "wte.weight"))]
table = tensors.pop(name)
for label, first, last in (
    ("none", table, table),
    ("input", q4_0(table), table),
    ("output", table, q4_0(table)),
    ("both", q4_0(table), q4_0(table)),
):
    folder = out / label
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    write(folder / "model.safetensors", tensors | {name: first, "lm_head.weight": last})
