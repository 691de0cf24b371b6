#!/usr/bin/python3
"""Writes copies of a GGUF file of floats in every type of blocks, by ggml's own quantisation: OUT/TYPE.gguf.
usage: docs/results/formats.py MODEL.gguf OUT [TYPE ...]
Vectors, positions and rows that are no whole blocks stay F32. Needs numpy and llama.cpp's library, as runs/gguf-golden.py does."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../runs'))
from ggufio import TYPES, Lib, dequantise, kv, read, write

ALL = 'Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4'.split()
model, out, kinds = sys.argv[1], sys.argv[2], sys.argv[3:] or ALL
meta, types, tensors = read(model)
kvs = [kv(key, types[key], value) for key, value in meta.items()]
os.makedirs(out, exist_ok=True)
lib = Lib()
for kind in kinds:
    copies = []
    for name, (shape, stored, raw) in tensors.items():
        plain = len(shape) == 1 or name.startswith('position') or shape[-1] % TYPES[kind][1]
        held = 'F32' if plain else kind
        copies.append((name, shape, held, lib.quantise(dequantise(raw, stored, shape), held)))
    write(f'{out}/{kind.lower()}.gguf', kvs, copies)
