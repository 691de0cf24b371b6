#!/usr/bin/python3
"""Writes the GGUF fixtures: tiny random models, what llama.cpp computes from them and what float64 arithmetic computes from them.
usage: runs/gguf-golden.py OUT TEXT [--experts] [--seed 1] [--vocab 300] [--tokens 10] [--steps 8] [--small D,L,H,KV,HD,FF] [--k ...] [--arch ...] [--odd ...]
TEXT: any English text (the tiny tokenizers are trained on it; for the tests it was Emma, from its title on). --experts: only the two files with experts.
Needs numpy and llama.cpp's library: PEERS_HOME is a folder where npm installed node-llama-cpp.
For the files of the tests: runs/gguf-golden.py core/src/test/resources/dev/causal4j/golden/gguf TEXT, and the same with --experts --seed 2.
For NAME.gguf there is NAME.expected.json:
  tokens, logits [T][V]       the TRUTH: float64 arithmetic on the exact dequantised weights. Test against this with `tolerance` (absolute)
  logits_llamacpp [T][V]      llama.cpp, f32 KV cache, no flash attention, one thread (it rounds activations to the weight type's partner: see error_llamacpp)
  error_llamacpp, error_f32   {max, rms} of the difference to the truth: llama.cpp; the same formulas in float32 (the level a float32 program should reach)
  greedy, greedy_llamacpp     greedy continuation of tokens; margin = the smallest lead of the winner over the second in the truth
  n_ctx                       the context llama.cpp was opened with (chooses phi3's long or short rope factors)
  types                       tensor name -> type;  vocab: special ids, flags, and what llama.cpp tokenizes some texts to
hf/ holds the F32 llama model as a Hugging Face folder (rows of q and k in Hugging Face order): it must give the same logits.
blocks.json: for every type raw blocks (hex) and the floats they stand for (hex of little-endian float32)."""
import argparse, collections, json, os, sys
import numpy as np
from ggufio import *
a = argparse.ArgumentParser(); a.add_argument('out'); a.add_argument('text'); a.add_argument('--experts', action='store_true')
for n, d in (('seed', 1), ('vocab', 300), ('tokens', 10), ('steps', 8)): a.add_argument('--' + n, type=int, default=d)
for n, d in (('small', '64,2,4,2,16,96'), ('k', '256,1,8,2,32,256'), ('arch', '32,2,4,2,16,48'), ('odd', '96,1,6,2,16,256')): a.add_argument('--' + n, default=d)
a = a.parse_args(); os.makedirs(a.out, exist_ok=True); rng = np.random.default_rng(a.seed); lib = Lib(); V, T = a.vocab, a.tokens
text = open(a.text, encoding='utf-8').read(400000 + 100000 * a.seed)[-200000:]

# ---- tiny tokenizers
def train(words, n):
    w = {k: list(k) for k in words}; merges = []
    for _ in range(n):
        pairs = collections.Counter()
        for k, s in w.items():
            for p in zip(s, s[1:]): pairs[p] += words[k]
        best = max(pairs, key=lambda p: (pairs[p], p)); merges.append(best)
        for k, s in w.items():
            i = 0
            while i < len(s) - 1:
                if (s[i], s[i + 1]) == best: s[i:i + 2] = [s[i] + s[i + 1]]
                i += 1
    return merges
def byte_char(b): return chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255 else None
_n = 0; B2C = []
for b in range(256):
    c = byte_char(b)
    if c is None: c = chr(256 + _n); _n += 1
    B2C.append(c)
WORDS = collections.Counter(text.split())
def bpe_vocab(pre, special=('<|endoftext|>', '<|im_start|>', '<|im_end|>'), bos=None, eos=2, add_bos=None, first=False):
    sp = len(special); n = V - 256 - sp; merges = train({''.join(B2C[b] for b in (' ' + w).encode()): c for w, c in WORDS.items()}, n)
    order = [B2C[b] for b in list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256)) + list(range(33)) + list(range(127, 161)) + [173]]
    toks, kinds = order + [x + y for x, y in merges], [1] * (V - sp); at = 0 if first else V - sp; toks[at:at] = special; kinds[at:at] = [3] * sp; assert len(toks) == V == len(set(toks))
    k = [kv('tokenizer.ggml.model', 'str', 'gpt2'), kv('tokenizer.ggml.pre', 'str', pre), kv('tokenizer.ggml.tokens', '[str]', toks), kv('tokenizer.ggml.token_type', '[i32]', kinds),
         kv('tokenizer.ggml.merges', '[str]', [x + ' ' + y for x, y in merges]), kv('tokenizer.ggml.eos_token_id', 'u32', at + eos)]
    if bos is not None: k.append(kv('tokenizer.ggml.bos_token_id', 'u32', at + bos))
    if add_bos is not None: k.append(kv('tokenizer.ggml.add_bos_token', 'bool', add_bos))
    return k + [kv('tokenizer.chat_template', 'str', "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")]
def spm_vocab(gemma=False, phi=False):
    head = ['<pad>', '<eos>', '<bos>', '<unk>'] if gemma else ['<unk>', '<s>', '</s>']; tail = ['<start_of_turn>', '<end_of_turn>'] if gemma else ['<|endoftext|>', '<|end|>', '<|user|>'] if phi else []
    kinds = [3, 3, 3, 2] if gemma else [2, 3, 3]; chars = ['\u2581'] + list('etaoinshrdlucmwfgypbvk,.xjqz'); n = V - len(head) - 256 - len(chars) - len(tail) - 2
    merges = train({'\u2581' + w: c for w, c in WORDS.items() if all(ch in chars for ch in w)}, n); pieces = [x + y for x, y in merges] + chars
    user = ['  ', '\n\n'] if gemma else ['[A B]', '<tool>']          # user-defined: matched before anything else
    toks = head + [f'<0x{b:02X}>' for b in range(256)] + pieces + user + tail; assert len(toks) == V == len(set(toks))
    sc = [0.] * len(head) + [0.] * 256 + [-float(i) for i in range(len(pieces))] + [-1000.] * (2 + len(tail)); kd = kinds + [6] * 256 + [1] * len(pieces) + [4, 4] + [3] * len(tail)
    return [kv('tokenizer.ggml.model', 'str', 'llama'), kv('tokenizer.ggml.pre', 'str', 'default'), kv('tokenizer.ggml.tokens', '[str]', toks), kv('tokenizer.ggml.scores', '[f32]', sc), kv('tokenizer.ggml.token_type', '[i32]', kd),
            kv('tokenizer.ggml.bos_token_id', 'u32', 2 if gemma else 1), kv('tokenizer.ggml.eos_token_id', 'u32', 1 if gemma else 2), kv('tokenizer.ggml.unknown_token_id', 'u32', 3 if gemma else 0),
            kv('tokenizer.ggml.add_bos_token', 'bool', True), kv('tokenizer.ggml.add_eos_token', 'bool', False)] + ([kv('tokenizer.ggml.add_space_prefix', 'bool', False)] if gemma else [])
TEXTS = ['', 'Hello world', ' leading and  double  spaces ', 'It is a truth universally acknowledged, that a single man', "I'm you're WE'VE 1234567 3.14\n\n  \t x\r\n", 'na\u00efve \u65e5\u672c\u8a9e \U0001f600\U0001f468\u200d\U0001f469 \u0130 \u00a0 \u2028', '<s>a</s><|im_start|>user\nhi<|im_end|>', '<tool>x[A B]  y\n\n\nz<end_of_turn>', '...!!!???   ', '\u2581\u2581a \u2581 b', 'e\u0301 \u0e01\u0e33 \u0966\u0967\u0968 \u2160\u216b']

# ---- the truth: read the file, dequantise, compute in float64 (or float32 for the error level)
def forward(meta, ts, ids, dt=np.float64, n_ctx=256):
    A = meta['general.architecture']; g = lambda k, d=None: meta.get(f'{A}.{k}', d); W = {n: dequantise(raw, k, sh).astype(dt) for n, (sh, k, raw) in ts.items()}
    D, L, H = g('embedding_length'), g('block_count'), g('attention.head_count'); KV = g('attention.head_count_kv', H); hd = g('attention.key_length', D // H); n = len(ids); gemma = A.startswith('gemma')
    eps = dt(np.float32(g('attention.layer_norm_rms_epsilon', g('attention.layer_norm_epsilon')))); pos = np.arange(n); sig = lambda x: 1 / (1 + np.exp(-x)); gelu = lambda x: .5 * x * (1 + np.tanh(dt(.7978845608028654) * x * (1 + dt(.044715) * x * x)))
    def norm(x, name, head=False):
        w = W[name + '.weight']
        if A == 'gpt2': c = x - x.mean(-1, keepdims=True); return c / np.sqrt((c * c).mean(-1, keepdims=True) + eps) * w + W[name + '.bias']
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w
    def lin(x, name): y = x @ W[name + '.weight'].T; b = W.get(name + '.bias'); return y if b is None else y + b
    kind, factor = g('rope.scaling.type', 'none'), g('rope.scaling.factor', 0) or 1; octx = g('rope.scaling.original_context_length', g('context_length')); ms = g('rope.scaling.attn_factor', 1.)
    ff = W.get('rope_freqs.weight'); lng = n_ctx > octx                                      # llama.cpp takes the long factors when the context it was opened with exceeds the original one
    if 'rope_factors_long.weight' in W: ff = W['rope_factors_long.weight' if lng else 'rope_factors_short.weight']
    nr = g('rope.dimension_count', hd)
    def rope(x, base, scale):                                                               # x [n, heads, hd]
        if nr < hd: return np.concatenate([rope_all(x[..., :nr], base, scale), x[..., nr:]], -1)      # partial rotary
        return rope_all(x, base, scale)
    def rope_all(x, base, scale):
        i = np.arange(nr // 2); inv = np.float64(base) ** (-2. * i / nr); m = ms
        if ff is not None: inv = inv / ff
        if kind == 'yarn':
            cd = lambda r: nr * np.log(octx / (r * 2 * np.pi)) / (2 * np.log(base)); lo, hi = max(0, np.floor(cd(32))), min(nr - 1, np.ceil(cd(1)))
            r = 1 - np.clip((i - lo) / max(.001, hi - lo), 0, 1); inv = inv * scale * (1 - r) + inv * r; m = ms * (1 + .1 * np.log(1 / scale))
        else: inv = inv * scale
        th = pos[:, None, None] * inv; c, s = (np.cos(th) * m).astype(dt), (np.sin(th) * m).astype(dt)
        if A == 'llama': p, q = x[..., 0::2], x[..., 1::2]; return np.stack([p * c - q * s, p * s + q * c], -1).reshape(x.shape)
        p, q = x[..., :nr // 2], x[..., nr // 2:]; return np.concatenate([p * c - q * s, p * s + q * c], -1)
    win = g('attention.sliding_window', 0) if gemma else 0; pat = 2 if A == 'gemma2' else 6; base = g('rope.freq_base', 10000.)
    x = W['token_embd.weight'][ids]
    if A == 'gpt2': x = x + W['position_embd.weight'][:n]
    if gemma: x = x * dt(np.float32(np.sqrt(np.float32(D))))
    for l in range(L):
        b = f'blk.{l}.'; h = norm(x, b + 'attn_norm'); local = win and l % pat < pat - 1
        if b + 'attn_qkv.weight' in W: q, k, v = np.split(lin(h, b + 'attn_qkv'), [H * hd, (H + KV) * hd], -1)
        else: q, k, v = (lin(h, b + 'attn_' + c) for c in 'qkv')
        q, k, v = q.reshape(n, H, hd), k.reshape(n, KV, hd), v.reshape(n, KV, hd)
        if b + 'attn_q_norm.weight' in W: q, k = norm(q, b + 'attn_q_norm'), norm(k, b + 'attn_k_norm')
        if A != 'gpt2': bl, sc = (g('rope.freq_base_swa', 10000.), 1.) if A == 'gemma3' and local else (base, 1 / factor); q, k = rope(q, bl, sc), rope(k, bl, sc)
        k, v = np.repeat(k, H // KV, 1), np.repeat(v, H // KV, 1); s = np.einsum('ihd,jhd->hij', q, k) / dt(np.sqrt(hd))
        if A == 'gemma2': cap = dt(g('attn_logit_softcapping', 50.)); s = np.tanh(s / cap) * cap
        dist = pos[:, None] - pos[None]; s = np.where((dist < 0) | (dist >= win if local else False), -np.inf, s); s = np.exp(s - s.max(-1, keepdims=True)); s = s / s.sum(-1, keepdims=True)
        o = lin(np.einsum('hij,jhd->ihd', s, v).reshape(n, H * hd), b + 'attn_output')
        if gemma: o = norm(o, b + 'post_attention_norm')
        x = x + o; h = norm(x, b + 'ffn_norm')
        if A == 'gpt2': f = gelu(lin(h, b + 'ffn_up'))
        elif A == 'phi3': gt, up = np.split(lin(h, b + 'ffn_up'), 2, -1); f = gt * sig(gt) * up
        else: gt, up = lin(h, b + 'ffn_gate'), lin(h, b + 'ffn_up'); f = (gelu(gt) if gemma else gt * sig(gt)) * up
        f = lin(f, b + 'ffn_down'); x = x + (norm(f, b + 'post_ffw_norm') if gemma else f)
    y = norm(x, 'output_norm') @ W.get('output.weight', W['token_embd.weight']).T
    cap = g('final_logit_softcapping', 30. if A == 'gemma2' else 0.) if gemma else 0.
    return np.tanh(y / dt(cap)) * dt(cap) if cap else y

# ---- models
def weights(arch, D, L, H, KV, HD, FF, untied=False, bias=False, ctx=128):
    """[(name, float32 array)]; matrices are [outputs, inputs]"""
    def m(o, i, s=1.): return (rng.standard_normal((o, i)) * s / np.sqrt(i)).astype(np.float32)
    def vec(n, mean=0., s=.1): return (rng.standard_normal(n) * s + mean).astype(np.float32)
    gemma, w = arch.startswith('gemma'), [('token_embd.weight', m(V, D, np.sqrt(D) * (.06 if arch.startswith('gemma') else .15)))]; nb = arch == 'gpt2'; one = 1.
    if nb: w.append(('position_embd.weight', m(ctx, D, np.sqrt(D) * .1)))
    for l in range(L):
        b = f'blk.{l}.'
        def add(n, x): w.append((b + n, x))
        add('attn_norm.weight', vec(D, one)); nb and add('attn_norm.bias', vec(D))
        if arch in ('gpt2', 'phi3'):
            add('attn_qkv.weight', m((H + 2 * KV) * HD, D, 1.6)); nb and add('attn_qkv.bias', vec((H + 2 * KV) * HD))
        else:
            for c, o in (('q', H), ('k', KV), ('v', KV)): add(f'attn_{c}.weight', m(o * HD, D, 1.6)); (arch == 'qwen2' or bias) and add(f'attn_{c}.bias', vec(o * HD, 0, .5))
        if arch in ('qwen3', 'gemma3'): add('attn_q_norm.weight', vec(HD, one)); add('attn_k_norm.weight', vec(HD, one))
        add('attn_output.weight', m(D, H * HD)); (nb or bias) and add('attn_output.bias', vec(D))
        if gemma: add('post_attention_norm.weight', vec(D, .5))
        add('ffn_norm.weight', vec(D, one)); nb and add('ffn_norm.bias', vec(D))
        if arch not in ('gpt2', 'phi3'): add('ffn_gate.weight', m(FF, D, 1.5))
        add('ffn_up.weight', m((2 if arch == 'phi3' else 1) * FF, D, 1.5)); nb and add('ffn_up.bias', vec(FF))
        add('ffn_down.weight', m(D, FF)); nb and add('ffn_down.bias', vec(D))
        if gemma: add('post_ffw_norm.weight', vec(D, .5))
    w.append(('output_norm.weight', vec(D, one, .2))); nb and w.append(('output_norm.bias', vec(D)))
    if untied: w.append(('output.weight', m(V, D, 1.5)))
    return w
def hparams(arch, D, L, H, KV, HD, FF, ctx=128, base=None, rot=None, **extra):
    k = [kv('general.architecture', 'str', arch), kv('general.name', 'str', 'tiny random ' + ('phi-4' if rot else arch)), kv(f'{arch}.context_length', 'u32', ctx), kv(f'{arch}.embedding_length', 'u32', D), kv(f'{arch}.block_count', 'u32', L),
         kv(f'{arch}.feed_forward_length', 'u32', FF), kv(f'{arch}.attention.head_count', 'u32', H)]
    if KV != H: k.append(kv(f'{arch}.attention.head_count_kv', 'u32', KV))
    if HD * H != D or arch.startswith('gemma') or arch == 'qwen3': k += [kv(f'{arch}.attention.key_length', 'u32', HD), kv(f'{arch}.attention.value_length', 'u32', HD)]
    if arch == 'phi3' or arch == 'llama': k.append(kv(f'{arch}.rope.dimension_count', 'u32', rot or HD))
    k.append(kv(f'{arch}.attention.layer_norm_epsilon', 'f32', 1e-5) if arch == 'gpt2' else kv(f'{arch}.attention.layer_norm_rms_epsilon', 'f32', 1e-6 if arch != 'llama' else 1e-5))
    if base: k.append(kv(f'{arch}.rope.freq_base', 'f32', base))
    for n, (kind, v) in extra.items(): k.append(kv(f'{arch}.' + n.replace('__', '.'), kind, v))
    return k + [kv('general.quantization_version', 'u32', 2)]
def encode(w, kind): return [(n, x.shape, kd, lib.quantise(x, kd)) for n, x in w for kd in ['F32' if x.ndim == 1 or n.startswith(('position', 'rope')) or x.shape[-1] % TYPES[kind][1] else kind]]
def sig9(x): return float(f'{x:.9g}')
def prompt(k): x = [int(i) for i in np.random.default_rng([a.seed, k]).integers(3, V, T)]; x[T // 2] = x[0]; return x      # a repeated id
def expect(name, path=None, n_ctx=256):
    path = path or f'{a.out}/{name}.gguf'; meta, _, ts = read(path); fw = lambda ids, dt=np.float64: (forward_experts if a.experts else forward)(meta, ts, ids, dt, n_ctx)
    if meta.get('split.count'):
        for i in range(2, meta['split.count'] + 1): ts |= read(path.replace('-00001-', f'-{i:05d}-'))[2]
    m = Model(lib, path, n_ctx=n_ctx); best = (-1.,)
    for k in range(16):                                                                      # a prompt with a clear winner at every greedy step and a varied continuation, if there is one
        seq, margin = prompt(k), np.inf
        for _ in range(a.steps): y = fw(seq)[-1]; lg = np.sort(y); margin = min(margin, lg[-1] - lg[-2]); seq.append(int(y.argmax()))
        varied = len(set(seq[T:])) >= a.steps // 2; key = margin / np.sqrt((y ** 2).mean()) * (1 if varied else .05)
        if key > best[0]: best = (key, margin, seq)
        if key > .1: break
    _, margin, seq = best; ids = seq[:T]; truth, f32, lc = fw(ids), fw(ids, np.float32), m.logits(ids)
    gl = m.greedy(ids, a.steps); st = lambda d: dict(max=sig9(np.abs(d).max()), rms=sig9(np.sqrt((d.astype(float) ** 2).mean()))); v, ll = m.v, lib.ll
    tk = [dict(text=t, add_special=s, parse_special=p, ids=(i := m.tokenize(t, s, p)), detokenized=m.detokenize(i)) for t in TEXTS for s, p in ((True, True), (False, True), (False, False))]
    r = dict(file=os.path.basename(path), architecture=meta['general.architecture'], types={n: k for n, (_, k, _) in ts.items()}, n_ctx=n_ctx, tokens=ids, rms_logit=sig9(np.sqrt((truth ** 2).mean())), error_llamacpp=st(lc - truth), error_f32=st(f32 - truth),
             tolerance=sig9(max(50 * np.abs(f32 - truth).max(), 1e-4 * np.sqrt((truth ** 2).mean()))), greedy=seq[T:], greedy_llamacpp=gl, greedy_margin=sig9(margin),
             vocab=dict(size=m.n_vocab, bos=ll.llama_vocab_bos(v), eos=ll.llama_vocab_eos(v), eot=ll.llama_vocab_eot(v), end_of_generation=[i for i in range(m.n_vocab) if ll.llama_vocab_is_eog(v, i)], add_bos=ll.llama_vocab_get_add_bos(v), add_eos=ll.llama_vocab_get_add_eos(v), tokenize=tk),
             logits=[[float(f'{x:.7g}') for x in row] for row in truth], logits_llamacpp=[[float(f'{x:.7g}') for x in row] for row in lc]); m.close()
    body = json.dumps(r, ensure_ascii=True).replace('], [', '],\n[').replace('"logits"', '\n"logits"').replace('"vocab"', '\n"vocab"').replace('"logits_llamacpp"', '\n"logits_llamacpp"'); open(f'{a.out}/{name}.expected.json', 'w').write(body + '\n')
    kb = os.path.getsize(path) / 1024; print(f"{name:18s} {kb:6.1f} KiB  rms {r['rms_logit']:.3f}  llama.cpp max {r['error_llamacpp']['max']:.2e} rms {r['error_llamacpp']['rms']:.2e}  f32 max {r['error_f32']['max']:.1e}  tol {r['tolerance']:.1e}  greedy {'same' if gl == seq[T:] else 'DIFFERS'} margin {margin:.3f}", flush=True)
    return truth
dims = lambda s: [int(x) for x in s.split(',')]
S, K, A, O = dims(a.small), dims(a.k), dims(a.arch), dims(a.odd)

# ---- models with experts, and what float64 computes from them
def forward_experts(meta, ts, ids, dt=np.float64, n_ctx=256):
    A = meta['general.architecture']; g = lambda k, d=None: meta.get(f'{A}.{k}', d); W = {n: dequantise(raw, k, sh).astype(dt) for n, (sh, k, raw) in ts.items()}
    D, L, H = g('embedding_length'), g('block_count'), g('attention.head_count'); KV = g('attention.head_count_kv', H); hd = g('attention.key_length'); n = len(ids); oss = A == 'gpt-oss'
    eps = dt(np.float32(g('attention.layer_norm_rms_epsilon'))); pos = np.arange(n)
    def norm(x, name): return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * W[name + '.weight']
    def lin(x, name, e=None):
        w, b = W[name + '.weight'], W.get(name + '.bias')
        if e is not None: w, b = w[e], None if b is None else b[e]
        y = x @ w.T; return y if b is None else y + b
    base = np.float64(g('rope.freq_base')); i = np.arange(hd // 2); inv = base ** (-2. * i / hd); m = 1.
    if g('rope.scaling.type') == 'yarn':                     # the band is not rounded: gpt-oss
        f, octx = g('rope.scaling.factor'), g('rope.scaling.original_context_length'); cd = lambda r: hd * np.log(octx / (r * 2 * np.pi)) / (2 * np.log(base))
        lo, hi = max(0, cd(32)), min(hd - 1, cd(1)); r = np.clip((i - lo) / max(.001, hi - lo), 0, 1); inv = inv / f * r + inv * (1 - r); m = 1 + .1 * np.log(f)
    def rope(x):
        th = pos[:, None, None] * inv; c, s = (np.cos(th) * m).astype(dt), (np.sin(th) * m).astype(dt); p, q = x[..., :hd // 2], x[..., hd // 2:]; return np.concatenate([p * c - q * s, p * s + q * c], -1)
    x = W['token_embd.weight'][ids]
    for l in range(L):
        b = f'blk.{l}.'; h = norm(x, b + 'attn_norm'); q, k, v = (lin(h, b + 'attn_' + c) for c in 'qkv'); q, k, v = q.reshape(n, H, hd), k.reshape(n, KV, hd), v.reshape(n, KV, hd)
        if b + 'attn_q_norm.weight' in W: q, k = norm(q, b + 'attn_q_norm'), norm(k, b + 'attn_k_norm')
        q, k = rope(q), rope(k); k, v = np.repeat(k, H // KV, 1), np.repeat(v, H // KV, 1); s = np.einsum('ihd,jhd->hij', q, k) / dt(np.sqrt(hd))
        dist = pos[:, None] - pos[None]; win = g('attention.sliding_window', 0) if l % 2 == 0 else 0
        s = np.where((dist < 0) | (dist >= win if win else False), -np.inf, s)
        if oss: s = np.concatenate([s, np.broadcast_to(W[b + 'attn_sinks.weight'][:, None, None], (H, n, 1))], -1)
        s = np.exp(s - s.max(-1, keepdims=True)); s = (s / s.sum(-1, keepdims=True))[..., :n]
        x = x + lin(np.einsum('hij,jhd->ihd', s, v).reshape(n, H * hd), b + 'attn_output'); h = norm(x, b + ('post_attention_norm' if oss else 'ffn_norm'))
        z = lin(h, b + 'ffn_gate_inp'); E = z.shape[-1]; out = np.zeros_like(x)
        for t in range(n):
            c = np.argsort(-z[t])[:g('expert_used_count')]; p = np.exp(z[t, c] - z[t, c].max()); p = p / p.sum()
            for e, pe in zip(c, p):
                gt, up = lin(h[t], b + 'ffn_gate_exps', e), lin(h[t], b + 'ffn_up_exps', e)
                if oss: gt, up = np.minimum(gt, 7), np.clip(up, -7, 7); a_ = (up + 1) * gt / (1 + np.exp(-dt(1.702) * gt))
                else: a_ = gt / (1 + np.exp(-gt)) * up
                out[t] += pe * lin(a_, b + 'ffn_down_exps', e)
        x = x + out
    return norm(x, 'output_norm') @ W.get('output.weight', W['token_embd.weight']).T
def moe_weights(arch, D, L, H, KV, HD, FF, E):
    oss = arch == 'gpt-oss'; w = []
    def m(o, i, s=1.): return (rng.standard_normal((o, i)) * s / np.sqrt(i)).astype(np.float32)
    def ms(o, i, s=1.): return (rng.standard_normal((E, o, i)) * s / np.sqrt(i)).astype(np.float32)
    def vec(n, mean=0., s=.1): return (rng.standard_normal(n) * s + mean).astype(np.float32)
    w.append(('token_embd.weight', m(V, D, np.sqrt(D) * .15)))
    for l in range(L):
        b = f'blk.{l}.'
        def add(n, x): w.append((b + n, x))
        add('attn_norm.weight', vec(D, 1.))
        for c, o in (('q', H), ('k', KV), ('v', KV)):
            add(f'attn_{c}.weight', m(o * HD, D, 1.6)); oss and add(f'attn_{c}.bias', vec(o * HD, 0, .5))
        if oss: add('attn_sinks.weight', vec(H, .5, 1.))
        else: add('attn_q_norm.weight', vec(HD, 1.)); add('attn_k_norm.weight', vec(HD, 1.))
        add('attn_output.weight', m(D, H * HD)); oss and add('attn_output.bias', vec(D))
        add(('post_attention_norm' if oss else 'ffn_norm') + '.weight', vec(D, 1.))
        add('ffn_gate_inp.weight', m(E, D, 5.)); oss and add('ffn_gate_inp.bias', vec(E, 0, .3))
        for n, o, i, s in (('gate', FF, D, 2.), ('up', FF, D, 2.), ('down', D, FF, 1.)):
            add(f'ffn_{n}_exps.weight', ms(o, i, s)); oss and add(f'ffn_{n}_exps.bias', vec((E, o), 0, .3))
    w.append(('output_norm.weight', vec(D, 1., .2))); w.append(('output.weight', m(V, D, 1.5)))
    return w
def kind_of(n, x, kind, experts): return 'F32' if x.ndim == 1 or n.endswith('.bias') or 'gate_inp' in n else experts if '_exps' in n else kind
def moe(name, arch, dm, E, used, vocab, kind, experts, base, **ex):
    D, L, H, KV, HD, FF = dm; w = moe_weights(arch, *dm, E)
    hp = hparams(arch, *dm, base=base, **ex)
    if HD * H == D and arch != 'qwen3': hp += [kv(f'{arch}.attention.key_length', 'u32', HD), kv(f'{arch}.attention.value_length', 'u32', HD)]
    hp += [kv(f'{arch}.expert_count', 'u32', E), kv(f'{arch}.expert_used_count', 'u32', used), kv(f'{arch}.expert_feed_forward_length', 'u32', FF)]
    write(f'{a.out}/{name}.gguf', hp + vocab, [(n, x.shape, k, lib.quantise(x, k)) for n, x in w for k in [kind_of(n, x, kind, experts)]]); return expect(name)
if a.experts:
    moe('qwen3moe', 'qwen3moe', (32, 2, 4, 2, 16, 32), 5, 2, bpe_vocab('qwen2', bos=0, add_bos=False), 'Q8_0', 'Q4_0', 1000000.)
    base = float(np.float32((64 / (2 * np.pi)) ** 4 * (1 + 1e-6)))                     # the end of YaRN's band is coordinate 2: llama.cpp rounds it
    moe('gpt-oss', 'gpt-oss', (32, 2, 4, 2, 16, 32), 4, 2, bpe_vocab('gpt-4o', bos=0), 'Q8_0', 'MXFP4', base, attention__sliding_window=('u32', 4), rope__scaling__type=('str', 'yarn'), rope__scaling__factor=('f32', 4.), rope__scaling__original_context_length=('u32', 64))
    sys.exit()

w = weights('llama', *S); spm = spm_vocab(); head = hparams('llama', *S) + spm; truths = {}
for kind in ('F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'IQ4_NL', 'MXFP4'):
    write(f'{a.out}/llama-{kind.lower()}.gguf', head, encode(w, kind)); truths[kind] = expect(f'llama-{kind.lower()}')
wk = weights('llama', *K); hk = hparams('llama', *K, base=10000.) + spm
for kind in ('Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K', 'IQ4_XS'): write(f'{a.out}/llama-{kind.lower()}.gguf', hk, encode(wk, kind)); expect(f'llama-{kind.lower()}')
tmp = f'{a.out}/tmp.gguf'
write(tmp, hk, encode(wk, 'F32')); assert lib.quantise_file(tmp, f'{a.out}/llama-mix-q4_k_m.gguf', 15) == 0; expect('llama-mix-q4_k_m')          # llama.cpp's own recipe
wo = weights('llama', *O); write(tmp, hparams('llama', *O) + spm, encode(wo, 'F32')); assert lib.quantise_file(tmp, f'{a.out}/llama-odd-q4_k_m.gguf', 15) == 0; expect('llama-odd-q4_k_m')   # rows that are no multiple of 256
write(tmp, head, encode(w, 'F32')); assert lib.quantise_file(tmp, f'{a.out}/tmp2.gguf', 7) == 0; t1, t2 = read(f'{a.out}/tmp2.gguf')[2], read(f'{a.out}/llama-q8_0.gguf')[2]
print('llama_model_quantize(Q8_0) equals llama-q8_0.gguf tensor for tensor:', all(t1[n][1:] == t2[n][1:] for n in t2)); os.remove(f'{a.out}/tmp2.gguf'); os.remove(tmp)

d, L, H, KVH, hd, ff = A; qw = bpe_vocab('qwen2', bos=0, add_bos=False)
def one(name, arch, dm, vocab, extra_w=(), untied=False, bias=False, ctx=128, base=None, n_ctx=256, kind='F32', rot=None, **ex):
    w = weights(arch, *dm, untied=untied, bias=bias, ctx=ctx) + list(extra_w); write(f'{a.out}/{name}.gguf', hparams(arch, *dm, ctx=ctx, base=base, rot=rot, **ex) + vocab, encode(w, kind)); return expect(name, n_ctx=n_ctx)
fr = lambda n, lo, hi: np.sort(rng.uniform(lo, hi, n)).astype(np.float32)
one('llama-untied', 'llama', (hd * H, 1, H, 1, hd, ff), spm, untied=True)
one('llama-bias', 'llama', (d, L, H, KVH, hd, ff), spm, bias=True, base=50000.)
one('llama-rope3', 'llama', (d, L, H, KVH, hd, ff), bpe_vocab('llama-bpe', special=('<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'), bos=0), [('rope_freqs.weight', np.concatenate([np.ones(2, np.float32), fr(hd // 2 - 2, 1, 8)]))], base=500000.)
one('llama-linear', 'llama', (d, L, H, H, hd, ff), bpe_vocab('smollm', bos=0, add_bos=False, first=True), rope__scaling__type=('str', 'linear'), rope__scaling__factor=('f32', 4.))
one('qwen2', 'qwen2', (hd * H, L, H, KVH, hd, ff), qw, base=1000000.)
one('qwen2-yarn', 'qwen2', (hd * H, 1, H, KVH, hd, ff), qw, base=10000., rope__scaling__type=('str', 'yarn'), rope__scaling__factor=('f32', 4.), rope__scaling__original_context_length=('u32', 32))
one('qwen3', 'qwen3', (d, L, H, KVH, hd, ff), qw, base=1000000.)
one('qwen3-untied-q8_0', 'qwen3', (d, L, H, KVH, hd, 64), qw, base=1000000., untied=True, kind='Q8_0')
one('gemma2', 'gemma2', (d, L, H, KVH, hd, ff), spm_vocab(gemma=True), attention__sliding_window=('u32', 4), attn_logit_softcapping=('f32', 5.), final_logit_softcapping=('f32', 4.))
one('gemma3', 'gemma3', (d, 6, 2, 1, hd, ff), spm_vocab(gemma=True), attention__sliding_window=('u32', 4), base=1000000., rope__scaling__type=('str', 'linear'), rope__scaling__factor=('f32', 8.))
one('phi3', 'phi3', (hd * H, L, H, H, hd, ff), spm_vocab(phi=True), base=10000., attention__sliding_window=('u32', 64))
one('phi3-longrope', 'phi3', (hd * H, 1, H, KVH, hd, ff), spm_vocab(phi=True), [('rope_factors_long.weight', fr(hd // 2, 1, 20)), ('rope_factors_short.weight', fr(hd // 2, 1, 1.5))], base=10000., ctx=1024, rope__scaling__original_context_length=('u32', 256), rope__scaling__attn_factor=('f32', 1.19), n_ctx=256)
expect('phi3-longrope-long', f'{a.out}/phi3-longrope.gguf', 512)
one('phi3-partial', 'phi3', (hd * H, 1, H, KVH, hd, ff), bpe_vocab('gpt-4o', bos=0), base=10000., rot=hd * 3 // 4)
one('gpt2', 'gpt2', (hd * H, L, H, H, hd, 2 * hd * H), bpe_vocab('gpt-2', special=('<|endoftext|>',), bos=0, eos=0), ctx=32)
one('gpt2-untied', 'gpt2', (hd * H, 1, H, H, hd, 4 * hd * H), bpe_vocab('gpt-2', special=('<|endoftext|>',), bos=0, eos=0), ctx=32, untied=True)

# container variants of llama-q8_0: same tensors, same logits
enc = encode(w, 'Q8_0'); odd = [kv('x.u8', 'u8', 255), kv('x.i8', 'i8', -128), kv('x.u16', 'u16', 65535), kv('x.i16', 'i16', -32768), kv('x.i32', 'i32', -2**31), kv('x.u64', 'u64', 2**64 - 1), kv('x.i64', 'i64', -2**63), kv('x.f64', 'f64', 1e300), kv('x.bool', 'bool', True), kv('x.empty', 'str', ''),
    kv('x.[u8]', '[u8]', [0, 255]), kv('x.[bool]', '[bool]', [True, False]), kv('x.[f64]', '[f64]', [1.5]), kv('x.[none]', '[u32]', []), kv('x.[str]', '[str]', ['', '\u00e9\U0001f600']), kv('x.[i16]', '[i16]', [-1]), kv('x.[u64]', '[u64]', [2**63])]
write(f'{a.out}/variant-v2-align64.gguf', [kv('general.alignment', 'u32', 64)] + odd + head, enc[::-1], align=64, version=2); expect('variant-v2-align64')
sp = [kv('split.no', 'u16', 0), kv('split.count', 'u16', 2), kv('split.tensors.count', 'i32', len(enc))]; h = len(enc) // 2
write(f'{a.out}/variant-split-00001-of-00002.gguf', head + sp, enc[:h]); write(f'{a.out}/variant-split-00002-of-00002.gguf', [kv('split.no', 'u16', 1), kv('split.count', 'u16', 2), kv('split.tensors.count', 'i32', len(enc))], enc[h:]); expect('variant-split', f'{a.out}/variant-split-00001-of-00002.gguf')

# the Hugging Face twin of llama-f32
D, L, H, KVH, HD, FF = S; hf = {}; un = lambda x, h: x.reshape(h, x.shape[0] // h // 2, 2, -1).swapaxes(1, 2).reshape(x.shape)
for n, x in w:
    if n.startswith('blk.'):
        _, l, rest = n.split('.', 2); rest = rest.replace('.weight', ''); nm = dict(attn_norm='input_layernorm', ffn_norm='post_attention_layernorm', attn_q='self_attn.q_proj', attn_k='self_attn.k_proj', attn_v='self_attn.v_proj', attn_output='self_attn.o_proj', ffn_gate='mlp.gate_proj', ffn_up='mlp.up_proj', ffn_down='mlp.down_proj')[rest]
        hf[f'model.layers.{l}.{nm}.weight'] = un(x, H) if rest == 'attn_q' else un(x, KVH) if rest == 'attn_k' else x
    else: hf[{'token_embd.weight': 'model.embed_tokens.weight', 'output_norm.weight': 'model.norm.weight'}[n]] = x
os.makedirs(a.out + '/hf', exist_ok=True); hdr, off = {}, 0
for n, x in hf.items(): hdr[n] = dict(dtype='F32', shape=list(x.shape), data_offsets=[off, off + x.nbytes]); off += x.nbytes
j = json.dumps(hdr).encode(); j += b' ' * (-len(j) % 8); open(a.out + '/hf/model.safetensors', 'wb').write(struct.pack('<Q', len(j)) + j + b''.join(x.tobytes() for x in hf.values()))
json.dump(dict(architectures=['LlamaForCausalLM'], model_type='llama', hidden_size=D, num_hidden_layers=L, num_attention_heads=H, num_key_value_heads=KVH, head_dim=HD, intermediate_size=FF, vocab_size=V, max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=10000.0, hidden_act='silu', tie_word_embeddings=True, torch_dtype='float32', bos_token_id=1, eos_token_id=2), open(a.out + '/hf/config.json', 'w'), indent=1)

# blocks
out = {}
for kind, (tid, blk, size) in TYPES.items():
    n = max(1, 32 // blk); rows = rng.standard_normal((3, blk * n)).astype(np.float32); rows[1] *= np.float32(1e-3); rows[2, ::3] *= 20
    raw = [lib.quantise(r[None], kind) for r in rows] + [bytes(size * n)]
    fin = lambda b: np.isfinite(dequantise(b, kind)).all()
    while len(raw) < 8:                                                                      # arbitrary bytes: negative, subnormal and huge scales, every code
        b = rng.integers(0, 256, size * n, dtype=np.uint8).tobytes()
        if fin(b): raw.append(b)
    at = dict(Q2_K=(80, 82), Q3_K=(108,), Q4_K=(0, 2), Q5_K=(0, 2), Q6_K=(208,), Q4_1=(0, 2), Q5_1=(0, 2)).get(kind, (0,) if kind not in ('F32', 'F16', 'BF16', 'MXFP4') else ())
    for h in (0x0001, 0x8001, 0x83ff, 0x7bff, 0xfbff) if at else ():                         # float16 scales: the smallest, largest subnormal, largest, negative
        b = bytearray(rng.integers(0, 256, size * n, dtype=np.uint8).tobytes())
        for q in at: b[q:q + 2] = struct.pack('<H', h)
        raw.append(bytes(b))
    if kind == 'MXFP4': raw += [bytes([e]) + bytes(range(0, 256, 16)) for e in (0, 1, 2, 127, 128, 251)]
    it = []
    for b in raw:
        y, z = dequantise(b, kind).reshape(-1), np.asarray(lib.to_float(b, kind)).reshape(-1); assert y.tobytes() == z.tobytes(), kind; it.append(dict(block=b.hex(), f32le=y.astype('<f4').tobytes().hex(), first=[float(v) for v in y[:4]]))
    out[kind] = dict(type=tid, elements=blk, bytes=size, bits_per_weight=size * 8 / blk, blocks=it)
open(f'{a.out}/blocks.json', 'w').write(json.dumps(out).replace('}, {"block"', '},\n{"block"').replace('}, "', '},\n\n"') + '\n'); print('blocks.json', os.path.getsize(f'{a.out}/blocks.json') // 1024, 'KiB')
