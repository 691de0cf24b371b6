#!/usr/bin/python3
"""Writes the fixtures of the model families with Hugging Face transformers in float64; docs/guides/adding-a-family.md uses it.

usage: runs/family-golden.py core/src/test/resources/dev/causal4j/golden [--table TABLE.json] [--only NAME...]
needs: PyTorch, safetensors and transformers (the fixtures are of transformers 5.1.0 and torch 2.6; gemma's, ministral's and olmo3's
of 4.57: from the old spelling some releases of 5 take another theta for OLMo 3's layers with windows, or scale them too)

Each fixture is a Hugging Face style folder, made from one row of the table (below, or a JSON list of the same rows):
  config.json               as such a model has it on the Hub (the keys of transformers 4)
  config.v5.json            the same model as transformers 5 writes it (rope_parameters, dtype, every default)
  model.safetensors         the checkpoint, with the tensor names of the Hub (or shards and an index)
  golden.json               tokens [B,T], targets [B,T] (-100 = ignored; already shifted), loss, nll [B,T] (null where ignored),
                            ranks [B,T] (0 = the target was the argmax), greedy continuation of tokens[0][:4], ten AdamW losses
                            with the settings and gradient norms, the smallest margins, what wrote it
  golden.safetensors        hidden [B,T,D] after the final norm, logits [B,T,V], residual.<i> [B,T,D] (before layer 0 and after
                            layer i-1), grad.<tensor of the file> of the mean loss
Rows with "forward": true have neither gradients nor training.

transformers forces float32 in places (norms, rotary tables, softmax, routers, Gemma's embedding scale). So once a model is
loaded, float64_everywhere() makes torch.float32, torch.float and Tensor.float mean float64, and the rotary modules and the
embedding scale are built again. Nothing else of transformers is touched.
A row's seed is raised by one until no decision is close: greedy steps, ranks, and the choice of experts at every training step.
"""
import argparse, contextlib, copy, inspect, json, logging, os, shutil, sys, tempfile, warnings
os.environ.setdefault('HF_HUB_OFFLINE', '1')
warnings.filterwarnings('ignore')
import torch, torch.nn.functional as F
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from safetensors.torch import load_file, save_file
logging.disable(logging.WARNING); transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)


def row(name, seed, architecture, model_type, V, D, L, H, KV, inner, **config):
    """a fixture: flags for this script in capitals, everything else goes into config.json"""
    flags = {x.lower(): config.pop(x) for x in list(config) if x.isupper()}
    base = dict(architectures=[architecture], model_type=model_type, vocab_size=V, hidden_size=D, num_hidden_layers=L, num_attention_heads=H,
                num_key_value_heads=KV, intermediate_size=inner, hidden_act='silu', max_position_embeddings=256, initializer_range=0.02,
                rms_norm_eps=0.003, bos_token_id=V - 2, eos_token_id=V - 1, attention_dropout=0.0, use_cache=True, torch_dtype='float32', transformers_version='4.51.0')
    base.update(config)
    return dict(name=name, seed=seed, config={x: v for x, v in base.items() if v != 'ABSENT'}, **flags)


NO = dict(attention_bias=False, mlp_bias=False)
GEMMA3 = dict(hidden_act='ABSENT', hidden_activation='gelu_pytorch_tanh', attention_bias=False, head_dim=10, query_pre_attn_scalar=17, sliding_window=7, rope_theta=200000.0,
              rope_local_base_freq=3000.0, rope_scaling=dict(factor=8.0, rope_type='linear'), attn_logit_softcapping=None, final_logit_softcapping=None, cache_implementation='hybrid',
              bos_token_id=2, eos_token_id=[1, 5], pad_token_id=0)
TABLE = [
    row('llama-llama3', 100, 'LlamaForCausalLM', 'llama', 101, 40, 2, 4, 2, 72, **NO, rms_norm_eps=0.02, rope_theta=500.0, pretraining_tp=1, tie_word_embeddings=True,
        rope_scaling=dict(factor=8.0, high_freq_factor=4.0, low_freq_factor=1.0, original_max_position_embeddings=32, rope_type='llama3')),
    row('llama-untied', 200, 'LlamaForCausalLM', 'llama', 113, 48, 2, 3, 1, 64, **NO, head_dim=20, rope_theta=3000.0, rope_scaling=None, tie_word_embeddings=False),
    row('llama-linear', 300, 'LlamaForCausalLM', 'llama', 97, 36, 2, 3, 3, 50, attention_bias=True, mlp_bias=True, rope_theta=2000.0, rope_scaling=dict(type='linear', factor=2.5), tie_word_embeddings=False),
    row('llama-yarn', 400, 'LlamaForCausalLM', 'llama', 97, 32, 2, 4, 2, 44, **NO, head_dim=16, rope_theta=1000.0, max_position_embeddings=64, tie_word_embeddings=True, FORWARD=True,
        rope_scaling=dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=16, beta_fast=2.0, beta_slow=0.25)),
    row('llama-dynamic', 500, 'LlamaForCausalLM', 'llama', 97, 32, 2, 4, 4, 44, **NO, max_position_embeddings=16, rope_theta=500.0, rope_scaling=dict(rope_type='dynamic', factor=3.0), tie_word_embeddings=False, FORWARD=True),
    row('qwen2-tied', 600, 'Qwen2ForCausalLM', 'qwen2', 103, 40, 2, 4, 2, 56, max_window_layers=2, rope_theta=1000000.0, sliding_window=7, use_sliding_window=False, tie_word_embeddings=True),
    row('qwen2-sliding', 700, 'Qwen2ForCausalLM', 'qwen2', 97, 40, 3, 4, 1, 44, max_window_layers=1, rope_theta=4000.0, sliding_window=7, use_sliding_window=True, tie_word_embeddings=False, FORWARD=True),
    row('qwen3-tied', 800, 'Qwen3ForCausalLM', 'qwen3', 107, 48, 3, 4, 2, 60, attention_bias=False, head_dim=14, rms_norm_eps=0.03, max_window_layers=3, rope_theta=1000000, rope_scaling=None, sliding_window=None,
        use_sliding_window=False, tie_word_embeddings=True, HEAD_COPY=True),
    row('gemma', 2200, 'GemmaForCausalLM', 'gemma', 103, 40, 2, 5, 1, 52, hidden_act='gelu_pytorch_tanh', hidden_activation='gelu_pytorch_tanh', attention_bias=False, head_dim=12,
        rms_norm_eps=0.004, rope_theta=2500.0, bos_token_id=2, eos_token_id=1, pad_token_id=0),
    row('gemma2', 900, 'Gemma2ForCausalLM', 'gemma2', 109, 40, 4, 4, 2, 50, hidden_act='gelu_pytorch_tanh', hidden_activation='gelu_pytorch_tanh', attention_bias=False, head_dim=12,
        query_pre_attn_scalar=20, rms_norm_eps=0.004, sliding_window=7, attn_logit_softcapping=5.0, final_logit_softcapping=2.5, rope_theta=2500.0, cache_implementation='hybrid', bos_token_id=2, eos_token_id=1, pad_token_id=0),
    row('gemma3', 1000, 'Gemma3ForCausalLM', 'gemma3_text', 101, 32, 6, 4, 1, 44, **GEMMA3, sliding_window_pattern=6),
    row('gemma3-multimodal', 1100, 'Gemma3ForConditionalGeneration', 'gemma3_text', 101, 32, 6, 4, 2, 36, **GEMMA3, FORWARD=True, MULTIMODAL=True),
    row('mistral', 1200, 'MistralForCausalLM', 'mistral', 97, 40, 2, 5, 1, 70, rms_norm_eps=0.006, rope_theta=2500.0, sliding_window=7, tie_word_embeddings=False),
    row('ministral', 2400, 'MinistralForCausalLM', 'ministral', 97, 40, 3, 5, 1, 44, head_dim=12, rms_norm_eps=0.006, rope_theta=2500.0, sliding_window=7,
        layer_types=['sliding_attention', 'full_attention', 'sliding_attention'], tie_word_embeddings=False),
    row('phi3', 1300, 'Phi3ForCausalLM', 'phi3', 111, 48, 2, 3, 1, 60, rms_norm_eps=0.005, rope_theta=3000.0, original_max_position_embeddings=16, max_position_embeddings=64, partial_rotary_factor=0.75,
        rope_scaling=dict(type='longrope', short_factor=[1.0, 1.1, 1.25, 1.4, 1.7, 2.0], long_factor=[1.05, 1.5, 2.5, 4.0, 6.0, 9.0]), sliding_window=9, embd_pdrop=0.0, resid_pdrop=0.0,
        attention_bias=False, pad_token_id=110, eos_token_id=110, tie_word_embeddings=False),
    row('smollm3', 1430, 'SmolLM3ForCausalLM', 'smollm3', 99, 40, 4, 4, 2, 52, **NO, max_window_layers=4, no_rope_layer_interval=4, no_rope_layers=[1, 0, 1, 1], layer_types=['full_attention'] * 4,
        rope_theta=5000000.0, rope_scaling=None, sliding_window=None, use_sliding_window=False, pad_token_id=98),
    row('olmo2', 1500, 'Olmo2ForCausalLM', 'olmo2', 105, 40, 2, 4, 2, 60, attention_bias=False, rms_norm_eps=0.01, rope_theta=500000, rope_scaling=None, tie_word_embeddings=False, pad_token_id=1),
    row('olmo3', 2300, 'Olmo3ForCausalLM', 'olmo3', 101, 40, 4, 4, 2, 52, attention_bias=False, rms_norm_eps=0.008, max_position_embeddings=64, rope_theta=4000.0, sliding_window=7,
        rope_scaling=dict(rope_type='yarn', factor=4.0, original_max_position_embeddings=16, beta_fast=2.0, beta_slow=0.25), tie_word_embeddings=False, pad_token_id=1),
    row('granite', 1600, 'GraniteForCausalLM', 'granite', 97, 40, 2, 4, 2, 56, **NO, rms_norm_eps=0.007, rope_theta=5000.0, rope_scaling=None, embedding_multiplier=3.5, attention_multiplier=0.21,
        residual_multiplier=0.6, logits_scaling=1.7, pad_token_id=0, bos_token_id=0, eos_token_id=0, tie_word_embeddings=True),
    row('gpt_neox', 1700, 'GPTNeoXForCausalLM', 'gpt_neox', 101, 40, 2, 4, 'ABSENT', 72, hidden_act='gelu', rms_norm_eps='ABSENT', layer_norm_eps=0.01, rotary_pct=0.4, rotary_emb_base=300,
        use_parallel_residual=True, attention_bias=True, tie_word_embeddings=False),
    row('gpt_neox-sequential', 1800, 'GPTNeoXForCausalLM', 'gpt_neox', 97, 32, 2, 4, 'ABSENT', 50, hidden_act='gelu', rms_norm_eps='ABSENT', layer_norm_eps=0.02, rotary_pct=1.0, rotary_emb_base=3000,
        use_parallel_residual=False, tie_word_embeddings=False, FORWARD=True),
    row('qwen3_moe', 1900, 'Qwen3MoeForCausalLM', 'qwen3_moe', 97, 32, 3, 4, 2, 36, attention_bias=False, head_dim=12, rope_theta=6000.0, rope_scaling=None, sliding_window=None, use_sliding_window=False,
        max_window_layers=3, decoder_sparse_step=1, mlp_only_layers=[1], moe_intermediate_size=20, num_experts=5, num_experts_per_tok=2, norm_topk_prob=True, output_router_logits=False,
        router_aux_loss_coef=0.001, tie_word_embeddings=False),
    row('mixtral', 2000, 'MixtralForCausalLM', 'mixtral', 97, 32, 2, 4, 2, 28, rms_norm_eps=0.004, rope_theta=20000.0, sliding_window=None, num_local_experts=4, num_experts_per_tok=2,
        output_router_logits=False, router_aux_loss_coef=0.02, tie_word_embeddings=False),
    row('gpt_oss', 2100, 'GptOssForCausalLM', 'gpt_oss', 97, 32, 2, 4, 2, 20, rms_norm_eps=0.005, attention_bias=True, head_dim=12, rope_theta=1000, sliding_window=7, initial_context_length=32,
        layer_types=['sliding_attention', 'full_attention'], num_local_experts=4, num_experts_per_tok=2, experts_per_token=2, swiglu_limit=7.0, output_router_logits=False, router_aux_loss_coef=0.9,
        rope_scaling=dict(beta_fast=32.0, beta_slow=1.0, factor=4.0, original_max_position_embeddings=32, rope_type='yarn', truncate=False), tie_word_embeddings=False),
]


@contextlib.contextmanager
def float64_everywhere():
    saved = torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype()
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try: yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved[:3]
        torch.set_default_dtype(saved[3])


def rebuild_tables(model):
    for m in model.modules():
        if hasattr(m, 'rope_type'):                                               # OLMo 3's tell transformers 4 theirs apart by it
            m.__init__(m.config, **({'rope_type': m.rope_type} if 'rope_type' in inspect.signature(type(m).__init__).parameters else {}))
        if hasattr(m, 'scalar_embed_scale'): m.embed_scale = torch.tensor(m.scalar_embed_scale)


def spread(name, p, plus_one, tied):
    """(mean, standard deviation): enough for every part to be felt"""
    if 'norm' in name and p.dim() == 1 and not name.endswith('bias'): return (0. if plus_one else 1.), .15
    if name.endswith('sinks'): return 0., 1.
    if 'bias' in name: return 0., .25
    if 'embed' in name or 'lm_head' in name: return 0., .12 if tied else .3         # smaller when tied: a token should not predict itself
    if any(x in name for x in ('q_proj', 'k_proj', 'qkv_proj', 'query_key_value')): return 0., .25
    if 'gate.weight' in name or 'router' in name: return 0., .3
    return 0., .2


def fill(model, seed, gpt_oss):
    g = torch.Generator().manual_seed(seed)
    plus_one = 'gemma' in model.config.model_type
    for name, p in model.named_parameters():
        mean, std = spread(name, p, plus_one, model.config.tie_word_embeddings)
        if gpt_oss and 'gate_up_proj' in name: std = .6                            # so that the clamp at 7 is felt
        p.data.copy_(torch.randn(p.shape, generator=g) * std + mean)


def on_disk(model_type, name, x):
    """the tensors of the file that a parameter (or its gradient) in memory stands for"""
    if model_type == 'mixtral': name = name.replace('.mlp.', '.block_sparse_moe.')
    names = {'mixtral': ('w1.weight', 'w3.weight', 'w2.weight'), 'qwen3_moe': ('gate_proj.weight', 'up_proj.weight', 'down_proj.weight')}.get(model_type)
    if names and name.endswith('experts.gate_up_proj'):
        return [(f'{name[:-12]}{e}.{n}', half) for e in range(x.shape[0]) for n, half in zip(names, x[e].chunk(2))]
    if names and name.endswith('experts.down_proj'): return [(f'{name[:-9]}{e}.{names[2]}', x[e]) for e in range(x.shape[0])]
    return [(name, x)]


def write_checkpoint(d, r, seed):
    c = copy.deepcopy(r['config'])
    if r.get('multimodal'):
        c.pop('architectures'); text = dict(c)
        c = dict(architectures=['Gemma3ForConditionalGeneration'], model_type='gemma3', boi_token_index=90, eoi_token_index=91, image_token_index=92, mm_tokens_per_image=1, eos_token_id=[1, 5], initializer_range=.02,
                 text_config=text, torch_dtype='float32', transformers_version='4.51.0', vision_config=dict(hidden_size=16, image_size=14, intermediate_size=20, model_type='siglip_vision_model',
                 num_attention_heads=2, num_hidden_layers=1, patch_size=14, vision_use_head=False))
    json.dump(c, open(d + '/config.json', 'w'), indent=1)
    torch.manual_seed(seed)
    model = (AutoModelForImageTextToText if r.get('multimodal') else AutoModelForCausalLM).from_config(AutoConfig.from_pretrained(d), dtype=torch.float32)
    fill(model, seed, c['model_type'] == 'gpt_oss')
    store = torch.bfloat16 if r.get('store') == 'bf16' else None
    if store:
        for p in model.parameters(): p.data = p.data.to(store).float()
    with tempfile.TemporaryDirectory() as tmp:
        model.save_pretrained(tmp, max_shard_size=r.get('shard', '1GB'))
        shutil.copy(tmp + '/config.json', d + '/config.v5.json')
        for f in sorted(os.listdir(tmp)):
            if f.endswith('.safetensors'):
                t = load_file(f'{tmp}/{f}')
                if r.get('head_copy'): t['lm_head.weight'] = t['model.embed_tokens.weight'].clone()
                if store: t = {n: v.to(store) for n, v in t.items()}
                save_file({n: v.contiguous() for n, v in t.items()}, f'{d}/{f}', metadata={'format': 'pt'})
            elif f.endswith('.index.json'): shutil.copy(f'{tmp}/{f}', f'{d}/{f}')
    if r.get('v5_only'): shutil.move(d + '/config.v5.json', d + '/config.json')


def tensors(d): return {n: v for f in sorted(os.listdir(d)) if f.startswith('model') and f.endswith('.safetensors') for n, v in load_file(f'{d}/{f}').items()}


def load(d, r):
    """through transformers' own loader; every value must be the file's"""
    kind = AutoModelForImageTextToText if r.get('multimodal') else AutoModelForCausalLM
    model = kind.from_pretrained(d, dtype=torch.float32, attn_implementation='eager', **({'experts_implementation': 'eager'} if 'moe' in r['name'] or r['name'].startswith(('mixtral', 'gpt_oss')) else {}))
    if r.get('head_copy'): model.lm_head.weight = model.model.embed_tokens.weight    # transformers 5 unties when the file holds both
    t = tensors(d)
    for name, p in model.named_parameters():
        if r.get('multimodal'): name = name.replace('model.language_model.', 'language_model.model.').replace('model.vision', 'vision').replace('model.multi', 'multi')
        for n, x in on_disk(r['config']['model_type'], name, p.data): assert torch.equal(x, t[n].float()), n
    return model.eval()


def decayed(name, p): return p.dim() >= 2 and 'bias' not in name


class Probe:
    """what a forward shows on the way: the residual stream, and how close the routers' choices were"""
    def __init__(self, model):
        self.stream, self.gaps = [], []
        text = model.model.language_model if hasattr(getattr(model, 'model', None), 'language_model') else model.gpt_neox if hasattr(model, 'gpt_neox') else model.model
        for i, layer in enumerate(text.layers):
            if i == 0: layer.register_forward_pre_hook(lambda m, a, k: self.stream.append((a[0] if a else k['hidden_states']).detach()), with_kwargs=True)
            layer.register_forward_hook(lambda m, a, o: self.stream.append((o[0] if isinstance(o, tuple) else o).detach()))
        for m in model.modules():
            if type(m).__name__.endswith('Router'): m.register_forward_hook(lambda m, a, o: self.gap(m, a[0]))
        text.norm.register_forward_hook(lambda m, a, o: setattr(self, 'hidden', o.detach())) if hasattr(text, 'norm') else text.final_layer_norm.register_forward_hook(lambda m, a, o: setattr(self, 'hidden', o.detach()))
    def gap(self, m, x):
        z = F.linear(x.reshape(-1, x.shape[-1]), m.weight, getattr(m, 'bias', None)).detach().sort(-1, descending=True).values
        self.gaps.append((z[:, m.top_k - 1] - z[:, m.top_k]).min().item())


def golden(d, r, seed):
    c = r['config']; V, T, B = c['vocab_size'], r.get('t', 24), r.get('b', 3)
    g = torch.Generator().manual_seed(seed + 10 ** 6)
    ids = torch.randint(0, V, (B, T), generator=g)
    if c.get('pad_token_id') is not None: ids[ids == c['pad_token_id']] = 7       # transformers gives the padding token's row no gradient of its lookups
    ids[:, T // 2] = ids[:, 0]                                                     # a repeated id: lookup gradients must accumulate
    tg = torch.cat([ids[:, 1:], torch.full((B, 1), -100)], 1); tg[0, 1] = -100
    margins, loaded = {}, load(d, r)
    names = {n for n in tensors(d) if not (r.get('head_copy') and n == 'lm_head.weight')}
    with float64_everywhere():
        def fresh():
            m = copy.deepcopy(loaded).double(); rebuild_tables(m); return m
        def logits(m, x): rebuild_tables(m); return m(input_ids=x, use_cache=False).logits   # rebuilt: dynamic RoPE keeps state between calls
        def loss_of(lg): return F.cross_entropy(lg.view(-1, V), tg.reshape(-1), ignore_index=-100)
        m = fresh(); probe = Probe(m); lg = logits(m, ids); loss = loss_of(lg)
        assert lg.dtype == torch.float64
        if not r.get('multimodal'):                                                # transformers' own loss shifts by itself
            labels = torch.cat([torch.full((B, 1), -100), tg[:, :-1]], 1)
            assert abs(m(input_ids=ids, labels=labels, use_cache=False).loss.item() - loss.item()) < 1e-12
        stream, hidden = probe.stream[:c['num_hidden_layers'] + 1], probe.hidden
        lg_detached = lg.detach(); lp = lg_detached.log_softmax(-1); keep = tg != -100; safe = tg.clamp(min=0)
        at = lg_detached.gather(-1, safe[..., None]); nll = -lp.gather(-1, safe[..., None])[..., 0]; rank = (lg_detached > at).sum(-1)
        near = (lg_detached - at).abs().scatter(-1, safe[..., None], 9.).amin(-1); margins['rank'] = near[keep].min().item()
        grads = {}
        if not r.get('forward'):
            loss.backward()
            for n, p in m.named_parameters(): grads.update(on_disk(c['model_type'], n, p.grad if p.grad is not None else torch.zeros_like(p)))
            assert set(grads) == names
        m = fresh()
        with torch.no_grad():
            seq, gaps = ids[0, :4].tolist(), []
            while len(seq) < min(T, 20):
                top = logits(m, torch.tensor([seq]))[0, -1].topk(2); gaps.append((top.values[0] - top.values[1]).item()); seq.append(int(top.indices[0]))
            margins['greedy'] = min(gaps)
            rebuild_tables(m)                                                      # and with transformers' own generate and its cache
            own = m.generate(torch.tensor([seq[:4]]), attention_mask=torch.ones(1, 4, dtype=torch.long), max_new_tokens=len(seq) - 4, do_sample=False, eos_token_id=None, pad_token_id=0)[0].tolist()
        training = None
        if not r.get('forward'):
            m = fresh(); probe2 = Probe(m); named = list(m.named_parameters())
            opt = torch.optim.AdamW([{'params': [p for n, p in named if decayed(n, p)], 'weight_decay': .1}, {'params': [p for n, p in named if not decayed(n, p)], 'weight_decay': 0.}], lr=1e-3, betas=(.9, .95), eps=1e-8)
            losses, norms = [], []
            for _ in range(10):
                l = loss_of(logits(m, ids)); l.backward(); norms.append(float(torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0))); opt.step(); opt.zero_grad(); losses.append(l.item())
            probe.gaps += probe2.gaps
            training = dict(settings=dict(lr=1e-3, beta1=.9, beta2=.95, eps=1e-8, weight_decay=.1, decayed='matrices only: 2-D tensors, also those of experts; not norms, biases, sinks', clip_grad_norm=1.0, dropout=0.0), losses=losses, grad_norms_before_clipping=norms)
        if probe.gaps: margins['router'] = min(probe.gaps)
    n = lambda t: t.tolist(); mask = lambda t: [[x if k else None for x, k in zip(a, b)] for a, b in zip(n(t), n(keep))]
    doc = dict(tokens=n(ids), targets=n(tg), loss=loss.item(), nll=mask(nll), ranks=mask(rank), greedy=dict(prompt=seq[:4], continuation=seq[4:]))
    if training: doc['training'] = training
    if own != seq: print('   ', r['name'] + ': generate() with its cache gives', own[4:], 'and not', seq[4:])
    doc['margins'] = margins; doc['made_by'] = dict(transformers=transformers.__version__, torch=torch.__version__.split('+')[0], seed=seed)
    out = {'hidden': hidden, 'logits': lg.detach(), **{f'residual.{i}': x for i, x in enumerate(stream)}, **{'grad.' + k: v for k, v in grads.items()}}
    return doc, {k: v.detach().to(torch.float32).contiguous().clone() for k, v in out.items()}, margins


def main():
    a = argparse.ArgumentParser(); a.add_argument('out'); a.add_argument('--table'); a.add_argument('--only', nargs='*'); a = a.parse_args()
    for r in json.load(open(a.table)) if a.table else TABLE:
        if a.only and r['name'] not in a.only: continue
        d = os.path.join(a.out, r['name'])
        for seed in range(r['seed'], r['seed'] + 90):
            shutil.rmtree(d, ignore_errors=True); os.makedirs(d)
            write_checkpoint(d, r, seed)
            doc, out, margins = golden(d, r, seed)
            if margins['greedy'] > 2e-3 and margins['rank'] > 1e-4 and margins.get('router', 1) > 3e-4: break
        else: sys.exit(r['name'] + ': every seed has a close decision')
        json.dump(doc, open(d + '/golden.json', 'w'), indent=1)
        save_file(out, d + '/golden.safetensors')
        size = sum(os.path.getsize(f'{d}/{f}') for f in os.listdir(d) if f.startswith('model'))
        print(f"{r['name']:22} seed {seed} bytes {size} loss {doc['loss']:.6f}", {k: f'{v:.1e}' for k, v in margins.items()},
              *(['train %.4f -> %.4f' % (doc['training']['losses'][0], doc['training']['losses'][-1])] if 'training' in doc else []), flush=True)


if __name__ == '__main__': main()
