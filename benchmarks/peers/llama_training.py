#!/usr/bin/env python3
"""A training step of SmolLM2-135M's shape in PyTorch: random weights, AdamW, f32, two threads.

usage: llama_training.py [BATCH TOKENS STEPS]     (default 4 64 8; prints tokens a second of each step and the peak memory)
The same step here:  ./causal4j train --shape smollm2-135m --batch-size 4 --context-length 64 --data TEXT --out OUT
"""
import resource
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(2)
torch.manual_seed(0)
LAYERS, D, HEADS, KV, N, INNER, V, THETA, EPS = 30, 576, 9, 3, 64, 1536, 49152, 1e5, 1e-5


class Norm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(D))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS) * self.weight


def turn(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = Norm(), Norm()
        self.qkv = torch.nn.Linear(D, (HEADS + 2 * KV) * N, bias=False)
        self.out = torch.nn.Linear(HEADS * N, D, bias=False)
        self.up = torch.nn.Linear(D, 2 * INNER, bias=False)
        self.down = torch.nn.Linear(INNER, D, bias=False)

    def forward(self, x, cos, sin):
        B, T, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).split([HEADS * N, KV * N, KV * N], -1)
        q = turn(q.view(B, T, HEADS, N).transpose(1, 2), cos, sin)
        k = turn(k.view(B, T, KV, N).transpose(1, 2), cos, sin).repeat_interleave(HEADS // KV, 1)
        v = v.view(B, T, KV, N).transpose(1, 2).repeat_interleave(HEADS // KV, 1)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).reshape(B, T, HEADS * N))
        gate, up = self.up(self.norm2(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)


class Llama(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, D)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm()
        for p in self.parameters():
            if p.dim() == 2:
                torch.nn.init.normal_(p, std=0.02)

    def forward(self, ids):
        angles = torch.outer(torch.arange(ids.shape[1]), THETA ** (-torch.arange(0, N, 2) / N))
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, angles.cos(), angles.sin())
        return F.linear(self.norm(x), self.embedding.weight)


batch, tokens, steps = [int(x) for x in sys.argv[1:4]] if len(sys.argv) > 3 else (4, 64, 8)
model = Llama()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
for step in range(steps):
    ids = torch.randint(0, V, (batch, tokens + 1))
    start = time.time()
    loss = F.cross_entropy(model(ids[:, :-1]).view(-1, V), ids[:, 1:].reshape(-1))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    seconds = time.time() - start
    print(f"step {step}  {batch * tokens / seconds:.1f} tokens/s  loss {loss.item():.4f}", flush=True)
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
