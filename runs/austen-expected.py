#!/usr/bin/python3
"""What the embedded model must give, by PyTorch in float64 and a byte-pair encoder of its own (Debian: python3-torch,
python3-safetensors). Usage: runs/austen-expected.py FOLDER >model-austen/src/test/resources/dev/causal4j/austen/expected.json
"""
import json, math, re, sys
import torch, torch.nn.functional as F
from safetensors.torch import load_file

folder = sys.argv[1]
config = json.load(open(f'{folder}/config.json'))
D, L, H, EPS = config['n_embd'], config['n_layer'], config['n_head'], config['layer_norm_epsilon']
w = {k.removeprefix('transformer.'): v.double() for k, v in load_file(f'{folder}/model.safetensors').items()}

# GPT-2's byte-level pairs: printable bytes stand for themselves, others for characters from 256 on.
printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
others = [b for b in range(256) if b not in printable]
character = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
byte = {c: b for b, c in character.items()}
tokenizer = json.load(open(f'{folder}/tokenizer.json'))['model']
vocab = tokenizer['vocab']
pieces = {i: p for p, i in vocab.items()}
merges = {tuple(m.split(' ') if isinstance(m, str) else m): r for r, m in enumerate(tokenizer['merges'])}
words = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def encode(text):
    ids = []
    for word in words.findall(text):
        parts = [character[b] for b in word.encode()]
        while len(parts) > 1:
            rank, i = min((merges.get(pair, math.inf), i) for i, pair in enumerate(zip(parts, parts[1:])))
            if rank == math.inf:
                break
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        ids += [vocab[p] for p in parts]
    return ids


def decode(ids):
    return bytes(byte[c] for i in ids for c in pieces[i]).decode(errors='replace')


def linear(x, name):
    return x @ w[name + '.weight'] + w[name + '.bias']


def norm(x, name):
    return F.layer_norm(x, (D,), w[name + '.weight'], w[name + '.bias'], EPS)


def logits(ids):
    t = len(ids)
    x = w['wte.weight'][ids] + w['wpe.weight'][:t]
    for i in range(L):
        q, k, v = [z.view(t, H, -1).transpose(0, 1) for z in linear(norm(x, f'h.{i}.ln_1'), f'h.{i}.attn.c_attn').split(D, 1)]
        s = (q @ k.transpose(-1, -2) / math.sqrt(D // H)).masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf)
        x = x + linear((s.softmax(-1) @ v).transpose(0, 1).reshape(t, D), f'h.{i}.attn.c_proj')
        x = x + linear(F.gelu(linear(norm(x, f'h.{i}.ln_2'), f'h.{i}.mlp.c_fc'), approximate='tanh'), f'h.{i}.mlp.c_proj')
    return norm(x, 'ln_f') @ w['wte.weight'].T


def generate(prompt):
    ids = encode(prompt)
    greedy = []
    for _ in range(40):
        greedy.append(int(logits(ids + greedy)[-1].argmax()))
    return dict(prompt=prompt, prompt_tokens=ids, greedy_tokens=greedy, text=decode(greedy))


def score(text):
    ids = encode(text)
    z = logits(ids)[:-1]
    target = torch.tensor(ids[1:])[:, None]
    lp = z.log_softmax(-1).gather(1, target)[:, 0]
    # Between these in float32 too: among the last of 3,072 tokens some are nearer to each other than it can tell.
    best, worst = [(z > z.gather(1, target) + near).sum(-1) for near in (1e-5, -1e-5)]
    nll = -float(lp.sum())
    return dict(text=text, tokens=ids, logprobs=[None, *lp.tolist()], best_ranks=[None, *best.tolist()],
                worst_ranks=[None, *(worst - 1).tolist()], nll=nll,
                perplexity=math.exp(nll / (len(ids) - 1)))


prompts = ['It is a truth universally acknowledged, that a', 'Emma was', '"My dear Mr. Bennet," said']
texts = ['Mr. Darcy bowed, and said that she was the handsomest woman of his acquaintance.',
         'The quick brown fox jumps over the lazy dog.', 'café — naïve 日本語 🙂']
with torch.no_grad():
    print(json.dumps(dict(generate=[generate(p) for p in prompts], score=[score(t) for t in texts])))
