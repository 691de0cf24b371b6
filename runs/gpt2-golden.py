#!/usr/bin/python3
"""Writes the GPT-2 fixtures of the tests with PyTorch in float64 (Debian: python3-torch, python3-safetensors).

usage: runs/gpt2-golden.py core/src/test/resources/dev/causal4j/golden NAME SEED V D L H T [--inner N] [--untied] [--batch B]
Sizes: gpt2-tied 97 24 2 3 24; gpt2-untied the same with --untied; gpt2-odd 131 35 3 5 17 --inner 50.
Each fixture is a Hugging Face style folder:
  config.json, model.safetensors         the checkpoint (float32; Conv1D weights are [in, out])
  golden.json                            tokens [B,T], targets [B,T] (-100 = ignored), loss, nll [B,T] (null where
                                         ignored), ranks [B,T] (0 = the target was the argmax), greedy continuation
                                         of tokens[0][:4], ten AdamW training losses and the settings that gave them
  golden.safetensors                     hidden [B,T,D] after ln_f, logits [B,T,V], grad.<parameter> of the mean loss
The shift is already done: targets[b][t] is what position t must predict.

--head-losses reads a fixture that is there and adds head-losses.json and head-losses.safetensors to it: the loss with z-loss and
mu-loss, and its gradients, the looked-up embeddings' multiplied by input_gradient_scale.
"""
import argparse, json, math, os
import torch, torch.nn.functional as F
from safetensors.torch import load_file, save_file

a = argparse.ArgumentParser(); a.add_argument('out'); a.add_argument('name')
for n in ('seed', 'V', 'D', 'L', 'H', 'T'): a.add_argument(n, type=int)
a.add_argument('--inner', type=int); a.add_argument('--untied', action='store_true'); a.add_argument('--batch', type=int, default=3)
a.add_argument('--head-losses', action='store_true')
a = a.parse_args(); V, D, L, H, T, B = a.V, a.D, a.L, a.H, a.T, a.batch; I = a.inner or 4 * D; EPS = 1e-5
g = torch.Generator().manual_seed(a.seed); W = {}
def rnd(k, *s, std=.08, mean=0.): W[k] = (torch.randn(*s, generator=g) * std + mean).float()
rnd('wte.weight', V, D); rnd('wpe.weight', T + 8, D)
for i in range(L):
    p = f'h.{i}.'
    for ln in ('ln_1', 'ln_2'): rnd(p + ln + '.weight', D, mean=1.); rnd(p + ln + '.bias', D)
    rnd(p + 'attn.c_attn.weight', D, 3 * D); rnd(p + 'attn.c_attn.bias', 3 * D)
    rnd(p + 'attn.c_proj.weight', D, D); rnd(p + 'attn.c_proj.bias', D)
    rnd(p + 'mlp.c_fc.weight', D, I); rnd(p + 'mlp.c_fc.bias', I)
    rnd(p + 'mlp.c_proj.weight', I, D); rnd(p + 'mlp.c_proj.bias', D)
rnd('ln_f.weight', D, mean=1.); rnd('ln_f.bias', D)
if a.untied: rnd('lm_head.weight', V, D)

def hidden(w, ids, scale=1):
    b, t = ids.shape
    x = w['wte.weight'][ids]
    if scale != 1: x.register_hook(lambda gradient: scale * gradient)
    x = x + w['wpe.weight'][:t]
    for i in range(L):
        p = f'h.{i}.'
        h = F.layer_norm(x, (D,), w[p + 'ln_1.weight'], w[p + 'ln_1.bias'], EPS)
        q, k, v = [z.view(b, t, H, -1).transpose(1, 2) for z in (h @ w[p + 'attn.c_attn.weight'] + w[p + 'attn.c_attn.bias']).split(D, 2)]
        s = q @ k.transpose(-1, -2) / math.sqrt(D // H)
        s = s.masked_fill(torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf)
        x = x + (s.softmax(-1) @ v).transpose(1, 2).reshape(b, t, D) @ w[p + 'attn.c_proj.weight'] + w[p + 'attn.c_proj.bias']
        h = F.layer_norm(x, (D,), w[p + 'ln_2.weight'], w[p + 'ln_2.bias'], EPS)
        x = x + F.gelu(h @ w[p + 'mlp.c_fc.weight'] + w[p + 'mlp.c_fc.bias'], approximate='tanh') @ w[p + 'mlp.c_proj.weight'] + w[p + 'mlp.c_proj.bias']
    return F.layer_norm(x, (D,), w['ln_f.weight'], w['ln_f.bias'], EPS)
def logits(w, h): return h @ w['lm_head.weight' if a.untied else 'wte.weight'].T
def loss_of(w, ids, tg): return F.cross_entropy(logits(w, hidden(w, ids)).view(-1, V), tg.reshape(-1), ignore_index=-100)

if a.head_losses:
    d = os.path.join(a.out, a.name); golden = json.load(open(d + '/golden.json'))
    ids, tg = torch.tensor(golden['tokens']), torch.tensor(golden['targets']); keep = tg != -100
    w = {k: v.double().requires_grad_() for k, v in load_file(d + '/model.safetensors').items()}
    o = dict(input_gradient_scale=2.5, z_loss=.05, mu_loss=3.)
    lg = logits(w, hidden(w, ids, o['input_gradient_scale']))[keep]; mean = w['lm_head.weight' if a.untied else 'wte.weight'].mean(0)
    loss = F.cross_entropy(lg, tg[keep]) + o['z_loss'] * lg.logsumexp(-1).square().mean() + o['mu_loss'] * mean.square().sum()
    loss.backward(); json.dump(dict(loss=loss.item(), **o), open(d + '/head-losses.json', 'w'), indent=1)
    save_file({'grad.' + k: v.grad.float().contiguous() for k, v in w.items()}, d + '/head-losses.safetensors')
    print(a.name, 'loss', loss.item()); raise SystemExit

ids = torch.randint(0, V, (B, T), generator=g); ids[:, T // 2] = ids[:, 0]           # a repeated id: lookup gradients must accumulate
tg = torch.cat([ids[:, 1:], torch.full((B, 1), -100)], 1); tg[0, 1] = -100
w = {k: v.double().requires_grad_() for k, v in W.items()}
h = hidden(w, ids); lg = logits(w, h); loss = loss_of(w, ids, tg); loss.backward()
lp = lg.log_softmax(-1); keep = tg != -100; safe = tg.clamp(min=0)
nll = -lp.gather(-1, safe[..., None])[..., 0]; rank = (lg > lg.gather(-1, safe[..., None])).sum(-1)
with torch.no_grad():
    seq = ids[0, :4].tolist()
    while len(seq) < min(T, 20): seq.append(int(logits(w, hidden(w, torch.tensor([seq])))[0, -1].argmax()))
hp = dict(lr=1e-3, beta1=.9, beta2=.95, eps=1e-8, weight_decay=.1, decayed='matrices (2-D parameters) only', clip_grad_norm=1.0, dropout=0.0)
tw = {k: v.double().clone().requires_grad_() for k, v in W.items()}
opt = torch.optim.AdamW([{'params': [v for v in tw.values() if v.dim() == 2], 'weight_decay': .1}, {'params': [v for v in tw.values() if v.dim() < 2], 'weight_decay': 0.}], lr=1e-3, betas=(.9, .95), eps=1e-8)
losses, norms = [], []
for _ in range(10):
    l = loss_of(tw, ids, tg); l.backward(); norms.append(float(torch.nn.utils.clip_grad_norm_(tw.values(), 1.0))); opt.step(); opt.zero_grad(); losses.append(l.item())
d = os.path.join(a.out, a.name); os.makedirs(d, exist_ok=True)
save_file(W, d + '/model.safetensors', metadata={'format': 'pt'})
json.dump(dict(architectures=['GPT2LMHeadModel'], model_type='gpt2', activation_function='gelu_new', n_ctx=T + 8, n_positions=T + 8, n_embd=D, n_layer=L, n_head=H, n_inner=a.inner, vocab_size=V, layer_norm_epsilon=EPS, tie_word_embeddings=not a.untied, scale_attn_weights=True, bos_token_id=V - 1, eos_token_id=V - 1), open(d + '/config.json', 'w'), indent=1)
n = lambda t: t.tolist()
json.dump(dict(tokens=n(ids), targets=n(tg), loss=loss.item(), nll=[[x if k else None for x, k in zip(r, kk)] for r, kk in zip(n(nll), n(keep))], ranks=[[x if k else None for x, k in zip(r, kk)] for r, kk in zip(n(rank), n(keep))], greedy=dict(prompt=seq[:4], continuation=seq[4:]), training=dict(settings=hp, losses=losses, grad_norms_before_clipping=norms)), open(d + '/golden.json', 'w'), indent=1)
out = {'hidden': h.detach().float(), 'logits': lg.detach().float()}; out.update({'grad.' + k: v.grad.float() for k, v in w.items()})
save_file({k: v.contiguous() for k, v in out.items()}, d + '/golden.safetensors')
print(a.name, 'loss', loss.item(), 'parameters', sum(v.numel() for v in W.values()), 'train', losses[0], '->', losses[-1])
