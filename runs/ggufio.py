#!/usr/bin/python3
"""GGUF reader, writer, dequantisers (numpy, exact in float32) and llama.cpp's library through ctypes.
Used by gguf-golden.py. Needs numpy; Lib() needs the npm package node-llama-cpp in the folder $PEERS_HOME.
usage: ggufio.py FILE.gguf ...      prints header, metadata and tensors"""
import ctypes as C, glob, os, struct, sys
import numpy as np
#            name    id  block bytes
TYPES = {n: (i, b, s) for n, i, b, s in (
    ('F32', 0, 1, 4), ('F16', 1, 1, 2), ('BF16', 30, 1, 2), ('Q8_0', 8, 32, 34), ('Q4_0', 2, 32, 18), ('Q4_1', 3, 32, 20), ('Q5_0', 6, 32, 22), ('Q5_1', 7, 32, 24),
    ('Q2_K', 10, 256, 84), ('Q3_K', 11, 256, 110), ('Q4_K', 12, 256, 144), ('Q5_K', 13, 256, 176), ('Q6_K', 14, 256, 210), ('IQ4_NL', 20, 32, 18), ('IQ4_XS', 23, 256, 136), ('MXFP4', 39, 32, 17))}
NAME = {i: n for n, (i, _, _) in TYPES.items()}
IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
MX4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)

# ---- dequantisation: bytes of whole blocks [n, bytes] -> float32 [n, block]. One float32 operation a line, none fused.
def f16(b): return np.ascontiguousarray(b).view(np.float16).astype(np.float32)            # [n, 2] -> [n, 1]
def nib(q): return np.concatenate([q & 15, q >> 4], -1)                                   # element j low nibble, j + 16 high
def scales6(s):                                                                           # Q4_K, Q5_K: 12 bytes -> 8 scales, 8 minimums
    a, b, c = s[:, 0:4], s[:, 4:8], s[:, 8:12]
    return np.concatenate([a & 63, (c & 15) | (a >> 6) << 4], 1), np.concatenate([b & 63, (c >> 4) | (b >> 6) << 4], 1)
def q2k(b):
    sc, qs, d, dm = b[:, :16], b[:, 16:80], f16(b[:, 80:82]), f16(b[:, 82:84]); n = len(b)
    q = (qs.reshape(n, 2, 1, 2, 16) >> np.arange(0, 8, 2, dtype=np.uint8).reshape(1, 1, 4, 1, 1) & 3).reshape(n, 16, 16)
    return ((d * (sc & 15))[..., None] * q - (dm * (sc >> 4))[..., None]).reshape(n, 256)
def q3k(b):
    hm, qs, s, d = b[:, :32], b[:, 32:96], b[:, 96:108], f16(b[:, 108:110]); n = len(b)
    sc = np.concatenate([s[:, :8] & 15, s[:, :8] >> 4], 1) | (np.concatenate([s[:, 8:12] >> k & 3 for k in (0, 2, 4, 6)], 1) << 4)
    q = (qs.reshape(n, 2, 1, 2, 16) >> np.arange(0, 8, 2, dtype=np.uint8).reshape(1, 1, 4, 1, 1) & 3).reshape(n, 16, 16).astype(np.float32)
    h = (hm.reshape(n, 1, 2, 16) >> np.arange(8, dtype=np.uint8).reshape(1, 8, 1, 1) & 1).reshape(n, 16, 16)
    return ((d * (sc.astype(np.float32) - 32))[..., None] * (q - 4 * (1 - h.astype(np.float32)))).reshape(n, 256)
def q45k(b, five):
    d, dm = f16(b[:, :2]), f16(b[:, 2:4]); sc, m = scales6(b[:, 4:16]); n = len(b); qs = b[:, -128:].reshape(n, 4, 32)
    q = np.stack([qs & 15, qs >> 4], 2).reshape(n, 8, 32)
    if five: q = q | (b[:, 16:48].reshape(n, 1, 32) >> np.arange(8, dtype=np.uint8).reshape(1, 8, 1) & 1) << 4
    return ((d * sc)[..., None] * q - (dm * m)[..., None]).reshape(n, 256)
def q6k(b):
    n = len(b); ql, qh, sc, d = b[:, :128].reshape(n, 2, 2, 32), b[:, 128:192].reshape(n, 2, 1, 32), b[:, 192:208].view(np.int8), f16(b[:, 208:210])
    lo = np.concatenate([ql & 15, ql >> 4], 2); hi = qh >> np.array([0, 2, 4, 6], np.uint8).reshape(1, 1, 4, 1) & 3
    q = (lo | hi << 4).astype(np.float32) - 32
    return ((d * sc)[..., None] * q.reshape(n, 16, 16)).reshape(n, 256)
def iq4xs(b):
    n = len(b); d = f16(b[:, :2]); sh = np.ascontiguousarray(b[:, 2:4]).view(np.uint16); g = np.arange(8)
    ls = (b[:, 4:8][:, g // 2] >> (4 * (g % 2)).astype(np.uint8) & 15) | ((sh >> (2 * g).astype(np.uint16) & 3) << 4).astype(np.uint8)
    return ((d * (ls.astype(np.float32) - 32))[..., None] * IQ4[nib(b[:, 8:].reshape(n, 8, 16))]).reshape(n, 256)
def e8m0_half(e):                                                                          # 2^(e - 128), kept exact where it is subnormal
    e = e.astype(np.uint32); return np.where(e < 2, np.uint32(0x00200000) << e, (e - 1) << 23).astype(np.uint32).view(np.float32)
def bits5(qh, q): return q | (qh.view(np.uint32) >> np.arange(32, dtype=np.uint32) & 1).astype(np.uint8) << 4
def q5_0(b): return f16(b[:, :2]) * (bits5(np.ascontiguousarray(b[:, 2:6]), nib(b[:, 6:])).astype(np.float32) - 16)
def q5_1(b): return f16(b[:, :2]) * bits5(np.ascontiguousarray(b[:, 4:8]), nib(b[:, 8:])) + f16(b[:, 2:4])
DEQ = dict(F32=lambda b: b.view(np.float32), F16=f16, BF16=lambda b: (b.view(np.uint16).astype(np.uint32) << 16).view(np.float32),
           Q8_0=lambda b: b[:, 2:].view(np.int8) * f16(b[:, :2]), Q4_0=lambda b: f16(b[:, :2]) * (nib(b[:, 2:]).astype(np.float32) - 8), Q4_1=lambda b: f16(b[:, :2]) * nib(b[:, 4:]) + f16(b[:, 2:4]),
           Q5_0=q5_0, Q5_1=q5_1, Q2_K=q2k, Q3_K=q3k, Q4_K=lambda b: q45k(b, False), Q5_K=lambda b: q45k(b, True), Q6_K=q6k,
           IQ4_NL=lambda b: f16(b[:, :2]) * IQ4[nib(b[:, 2:])], IQ4_XS=iq4xs, MXFP4=lambda b: MX4[nib(b[:, 1:])] * e8m0_half(b[:, :1]))
def dequantise(raw, kind, shape=None):
    _, blk, size = TYPES[kind]; b = np.frombuffer(raw, np.uint8).reshape(-1, size)
    with np.errstate(all='ignore'): y = DEQ[kind](b).astype(np.float32, copy=False)
    return y.reshape(shape) if shape is not None else y
def bf16(a): u = np.ascontiguousarray(a, np.float32).view(np.uint32); return ((u + 0x7fff + ((u >> 16) & 1)) >> 16).astype(np.uint16)

# ---- writing
def gstr(x): x = x.encode() if isinstance(x, str) else x; return struct.pack('<Q', len(x)) + x
SCALAR = dict(u8=(0, 'B'), i8=(1, 'b'), u16=(2, 'H'), i16=(3, 'h'), u32=(4, 'I'), i32=(5, 'i'), f32=(6, 'f'), bool=(7, '?'), u64=(10, 'Q'), i64=(11, 'q'), f64=(12, 'd'))
def kv(key, kind, v):
    """kind: one of SCALAR, 'str', or '[kind]' for an array"""
    if kind == 'str': return gstr(key) + struct.pack('<I', 8) + gstr(v)
    if kind == '[str]': return gstr(key) + struct.pack('<IIQ', 9, 8, len(v)) + b''.join(map(gstr, v))
    if kind[0] == '[': i, c = SCALAR[kind[1:-1]]; return gstr(key) + struct.pack('<IIQ', 9, i, len(v)) + struct.pack(f'<{len(v)}{c}', *v)
    i, c = SCALAR[kind]; return gstr(key) + struct.pack('<I' + c, i, v)
def tensor_info(name, ne, type_id, offset): return gstr(name) + struct.pack('<I', len(ne)) + struct.pack(f'<{len(ne)}Q', *ne) + struct.pack('<IQ', type_id, offset)
def layout(kvs, tensors, align=32, version=3):
    """tensors: [(name, numpy shape [rows.., row length], type name)] -> header bytes, [offset], total bytes"""
    info, offs, off = b'', [], 0
    for name, shape, kind in tensors:
        i, blk, size = TYPES[kind]; assert shape[-1] % blk == 0, (name, shape, kind)
        info += tensor_info(name, shape[::-1], i, off); offs.append(off); off += int(np.prod(shape)) // blk * size; off += -off % align
    h = b'GGUF' + struct.pack('<IQQ', version, len(tensors), len(kvs)) + b''.join(kvs) + info
    return h + b'\0' * (-len(h) % align), offs, off
def write(path, kvs, tensors, align=32, version=3):
    """tensors: [(name, shape, type name, bytes)]"""
    h, offs, total = layout(kvs, [t[:3] for t in tensors], align, version); o = bytearray(h)
    for t in tensors: o += t[3]; o += b'\0' * (-len(t[3]) % align)
    open(path, 'wb').write(o); return o

# ---- reading (well-formed files of version 2 and 3)
def read(path):
    """-> {key: value}, {key: type}, {name: (shape, type name, bytes)}"""
    b = open(path, 'rb').read(); p = 24; assert b[:4] == b'GGUF'; _, nt, nk = struct.unpack_from('<IQQ', b, 4)
    def take(f): nonlocal p; v = struct.unpack_from('<' + f, b, p); p += struct.calcsize('<' + f); return v[0] if len(v) == 1 else v
    def s(): nonlocal p; n = take('Q'); v = b[p:p + n]; p += n; return v.decode('utf-8', 'surrogateescape')
    fmt = {i: c for i, c in SCALAR.values()}; kinds = {i: n for n, (i, _) in SCALAR.items()} | {8: 'str'}
    def val(t):
        if t == 8: return s()
        if t == 9: et, n = take('I'), take('Q'); return [val(et) for _ in range(n)]
        return take(fmt[t])
    meta, mt, infos = {}, {}, []
    for _ in range(nk):
        k = s(); t = take('I')
        if t == 9: et = struct.unpack_from('<I', b, p)[0]; mt[k] = f'[{kinds[et]}]'
        else: mt[k] = kinds[t]
        meta[k] = val(t)
    for _ in range(nt): name = s(); nd = take('I'); ne = [take('Q') for _ in range(nd)]; infos.append((name, ne, take('I'), take('Q')))
    al = meta.get('general.alignment', 32); base = p + -p % al; ts = {}
    for name, ne, t, off in infos:
        k = NAME[t]; _, blk, size = TYPES[k]; n = int(np.prod(ne, dtype=np.int64)) // blk * size; ts[name] = (tuple(ne[::-1]), k, b[base + off:base + off + n])
    return meta, mt, ts

# ---- llama.cpp's own library
class Lib:
    def __init__(self, extra_buffers=True):
        home = os.environ.get('PEERS_HOME', os.path.expanduser('~/.cache/causal4j-peers')); d = glob.glob(home + '/node_modules/@node-llama-cpp/linux-x64/bins/*')[0]
        def lib(n): return C.CDLL(sorted(glob.glob(f'{d}/{n}*'))[0], mode=C.RTLD_GLOBAL)
        self.base = lib('libggml-base'); gg = lib('libggml.v'); self.ll = ll = lib('libllama.v'); self.log = []; self.extra = extra_buffers
        self._cb = C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)(lambda level, text, _: self.log.append((level, text.decode('utf-8', 'replace')))); ll.llama_log_set(self._cb, None)
        gg.ggml_backend_load_all_from_path(d.encode())
        class MP(C.Structure): _fields_ = [('b', C.c_uint8 * 512)]
        class CP(C.Structure): _fields_ = [('b', C.c_uint8 * 512)]
        class QP(C.Structure): _fields_ = [('b', C.c_uint8 * 256)]
        class Batch(C.Structure): _fields_ = [('n', C.c_int32), ('token', C.POINTER(C.c_int32)), ('embd', C.c_void_p), ('pos', C.c_void_p), ('n_seq', C.c_void_p), ('seq', C.c_void_p), ('logits', C.POINTER(C.c_int8))]
        self.MP, self.CP, self.QP, self.Batch = MP, CP, QP, Batch; V, S, I = C.c_void_p, C.c_char_p, C.c_int32
        for f, r, a in (('llama_model_default_params', MP, []), ('llama_context_default_params', CP, []), ('llama_model_quantize_default_params', QP, []), ('llama_model_load_from_file', V, [S, MP]), ('llama_init_from_model', V, [V, CP]),
                        ('llama_free', None, [V]), ('llama_model_free', None, [V]), ('llama_decode', I, [V, Batch]), ('llama_set_n_threads', None, [V, I, I]), ('llama_get_logits_ith', C.POINTER(C.c_float), [V, I]), ('llama_get_memory', V, [V]),
                        ('llama_memory_clear', None, [V, C.c_bool]), ('llama_model_get_vocab', V, [V]), ('llama_vocab_n_tokens', I, [V]), ('llama_model_quantize', C.c_uint32, [S, S, V]),
                        ('llama_tokenize', I, [V, S, I, C.POINTER(I), I, C.c_bool, C.c_bool]), ('llama_detokenize', I, [V, C.POINTER(I), I, C.c_char_p, I, C.c_bool, C.c_bool]), ('llama_vocab_is_eog', C.c_bool, [V, I]),
                        ('llama_vocab_bos', I, [V]), ('llama_vocab_eos', I, [V]), ('llama_vocab_eot', I, [V]), ('llama_vocab_get_add_bos', C.c_bool, [V]), ('llama_vocab_get_add_eos', C.c_bool, [V])):
            g = getattr(ll, f); g.restype, g.argtypes = r, a
        self.base.ggml_quantize_chunk.restype = C.c_size_t; self.base.ggml_quantize_chunk.argtypes = [C.c_int, V, V, C.c_int64, C.c_int64, C.c_int64, V]
        self.base.ggml_fp16_to_fp32_row.argtypes = self.base.ggml_bf16_to_fp32_row.argtypes = [V, V, C.c_int64]
    def quantise(self, a, kind):
        """float32 [rows, n] -> bytes, by ggml_quantize_chunk without importance matrix"""
        a = np.ascontiguousarray(a, np.float32); i, blk, size = TYPES[kind]
        if kind == 'F32': return a.tobytes()
        if kind == 'F16': return a.astype(np.float16).tobytes()
        if kind == 'BF16': return bf16(a).tobytes()
        out = np.zeros(a.size // blk * size, np.uint8); n = a.shape[-1]
        assert self.base.ggml_quantize_chunk(i, a.ctypes.data, out.ctypes.data, 0, a.size // n, n, None) == out.size; return out.tobytes()
    def to_float(self, raw, kind):
        """the library's own dequantize_row_*"""
        _, blk, size = TYPES[kind]; b = np.frombuffer(raw, np.uint8).copy(); out = np.zeros(b.size // size * blk, np.float32)
        if kind == 'F32': return b.view(np.float32)
        f = dict(F16='ggml_fp16_to_fp32_row', BF16='ggml_bf16_to_fp32_row').get(kind, 'dequantize_row_' + (kind.lower() if '_K' not in kind else kind.lower().replace('_k', '_K'))); f = getattr(self.base, f)
        f.restype = None; f.argtypes = [C.c_void_p, C.c_void_p, C.c_int64]; f(b.ctypes.data, out.ctypes.data, out.size); return out
    def quantise_file(self, src, dst, ftype, pure=False, threads=1):
        q = self.ll.llama_model_quantize_default_params(); struct.pack_into('<ii', q, 0, threads, ftype); q.b[19] = pure; return self.ll.llama_model_quantize(src.encode(), dst.encode(), C.byref(q))
class Model:
    """f32 KV cache, no flash attention, one thread, unless told otherwise"""
    def __init__(self, lib, path, n_ctx=256, threads=1, kv_type=0, vocab_only=False):
        self.lib = lib; ll = lib.ll; mp = ll.llama_model_default_params(); mp.b[74] = lib.extra; mp.b[72] = vocab_only; self.c = None
        self.m = ll.llama_model_load_from_file(path.encode(), mp)
        if not self.m: raise ValueError('llama.cpp refuses ' + path)
        self.v = ll.llama_model_get_vocab(self.m); self.n_vocab = ll.llama_vocab_n_tokens(self.v)
        if vocab_only: return
        p = ll.llama_context_default_params(); struct.pack_into('<III', p, 0, n_ctx, n_ctx, n_ctx); struct.pack_into('<ii', p, 28, threads, threads); struct.pack_into('<i', p, 52, 0); struct.pack_into('<ii', p, 104, kv_type, kv_type)
        self.c = ll.llama_init_from_model(self.m, p); assert self.c
    def close(self):
        if self.c: self.lib.ll.llama_free(self.c)
        self.lib.ll.llama_model_free(self.m)
    def logits(self, ids, clear=True):
        """[T, V]: the logits of every position"""
        ll = self.lib.ll; n = len(ids)
        if clear: ll.llama_memory_clear(ll.llama_get_memory(self.c), True)
        t = (C.c_int32 * n)(*ids); lg = (C.c_int8 * n)(*([1] * n)); r = ll.llama_decode(self.c, self.lib.Batch(n, t, None, None, None, None, lg)); assert r == 0, r
        return np.stack([np.ctypeslib.as_array(ll.llama_get_logits_ith(self.c, i), shape=(self.n_vocab,)).copy() for i in range(n)])
    def greedy(self, ids, n):
        lg = self.logits(ids)[-1]; out = []
        for _ in range(n): out.append(int(lg.argmax())); lg = self.logits(out[-1:], clear=False)[-1]
        return out
    def tokenize(self, text, add_special, parse_special):
        b = text.encode(); out = (C.c_int32 * (len(b) + 16))(); n = self.lib.ll.llama_tokenize(self.v, b, len(b), out, len(out), add_special, parse_special); return list(out[:n])
    def detokenize(self, ids, remove_special=False, unparse_special=True):
        a = (C.c_int32 * len(ids))(*ids); buf = C.create_string_buffer(65536); n = self.lib.ll.llama_detokenize(self.v, a, len(ids), buf, 65536, remove_special, unparse_special); return buf.raw[:n].decode('utf-8', 'replace')
if __name__ == '__main__':
    for path in sys.argv[1:]:
        meta, mt, ts = read(path); print(path)
        for k, v in meta.items(): print(f'  {k} ({mt[k]}) = ' + (repr(v) if not isinstance(v, list) or len(v) < 9 else f'{len(v)} x, {v[:4]!r} ..'))
        for n, (sh, k, raw) in ts.items(): print(f'  {n} {list(sh)} {k} {len(raw)}')
