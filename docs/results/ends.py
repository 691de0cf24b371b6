"""What 4 bits cost at each end: writes copies of a tied model in Hugging Face layout with a table of its own at either end,
one of them or both rounded to Q4_0 (Debian: python3-torch, python3-safetensors). Usage: ends.py MODEL OUT; then score each folder."""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file


def q4_0(table):
    groups = table.reshape(-1, 32)
    largest = groups.gather(1, groups.abs().argmax(1, keepdim=True))
    scale = largest / -8
    inverse = torch.where(scale == 0, 0, 1 / scale)
    codes = (groups * inverse + 8.5).floor().clamp(0, 15) - 8
    return (codes * scale.half().float()).reshape(table.shape)


source, out = map(pathlib.Path, sys.argv[1:])
tensors = {name: tensor.float() for name, tensor in load_file(source / "model.safetensors").items()}
(name,) = [name for name in tensors if name.endswith(("embed_tokens.weight", "wte.weight"))]
table = tensors.pop(name)
rounded = q4_0(table)
for label, first, last in (
    ("neither", table, table),
    ("embedding", rounded, table),
    ("head", table, rounded),
    ("both", rounded, rounded),
):
    folder = out / label
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    save_file(tensors | {name: first, "lm_head.weight": last.clone()}, folder / "model.safetensors")
