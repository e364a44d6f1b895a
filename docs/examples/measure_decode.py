#!/usr/bin/env python3
"""Time whole decode steps of Phi-4-mini and Phi-4-mini-flash on this machine's GPU.

    python3 measure_decode.py OUT.csv

Both models are built layer by layer in their real shapes with random weights, their caches
filled to the context, and one step is captured in a CUDA graph. Attention is a split-keys
Triton kernel that reads each key and value once for its group of queries; the same kernel
serves both models, and `per_query_head` launches it without groups. Differential attention
runs as one pass over the same heads, as ridgeline prices it when it says `fused`.
"""
import csv
import sys

import torch
import torch.nn.functional as F
import triton
import triton.language as tl

DEV, DT = "cuda", torch.bfloat16


@triton.jit
def attend(Q, K, V, O, M, L, N, PER, scale, KV: tl.constexpr, G: tl.constexpr, GP: tl.constexpr, D: tl.constexpr, BN: tl.constexpr):
    """One block: the queries of one KV head of one sequence over PER of its N keys."""
    bk, split = tl.program_id(0), tl.program_id(1)
    splits = tl.num_programs(1)
    g, d = tl.arange(0, GP), tl.arange(0, D)
    q = tl.load(Q + (bk * G + g[:, None]) * D + d[None, :], mask=g[:, None] < G, other=0.0)
    m = tl.full([GP], -1e30, tl.float32)
    l = tl.zeros([GP], tl.float32)
    acc = tl.zeros([GP, D], tl.float32)
    lo = split * PER
    hi = tl.minimum(lo + PER, N)
    base = bk.to(tl.int64) * N * D
    for at in range(lo, hi, BN):
        n = at + tl.arange(0, BN)
        k = tl.load(K + base + n[:, None] * D + d[None, :], mask=n[:, None] < hi, other=0.0)
        s = tl.dot(q, tl.trans(k)) * scale
        s = tl.where(n[None, :] < hi, s, -1e30)
        new = tl.maximum(m, tl.max(s, 1))
        p = tl.exp(s - new[:, None])
        fade = tl.exp(m - new)
        l = l * fade + tl.sum(p, 1)
        v = tl.load(V + base + n[:, None] * D + d[None, :], mask=n[:, None] < hi, other=0.0)
        acc = acc * fade[:, None] + tl.dot(p.to(v.dtype), v)
        m = new
    row = (bk * splits + split) * GP + g
    tl.store(O + row[:, None] * D + d[None, :], acc)
    tl.store(M + row, m)
    tl.store(L + row, l)


@triton.jit
def combine(O, M, L, OUT, SPLITS: tl.constexpr, G: tl.constexpr, GP: tl.constexpr, D: tl.constexpr):
    bk = tl.program_id(0)
    g, d = tl.arange(0, GP), tl.arange(0, D)
    m = tl.full([GP], -1e30, tl.float32)
    l = tl.zeros([GP], tl.float32)
    acc = tl.zeros([GP, D], tl.float32)
    for s in range(SPLITS):
        row = (bk * SPLITS + s) * GP + g
        ms, ls = tl.load(M + row), tl.load(L + row)
        new = tl.maximum(m, ms)
        a, b = tl.exp(m - new), tl.exp(ms - new)
        acc = acc * a[:, None] + tl.load(O + row[:, None] * D + d[None, :]) * b[:, None]
        l = l * a + ls * b
        m = new
    tl.store(OUT + (bk * G + g[:, None]) * D + d[None, :], (acc / l[:, None]).to(OUT.dtype.element_ty), mask=g[:, None] < G)


SMS = torch.cuda.get_device_properties(0).multi_processor_count


def attention(q, k, v):
    """q [B, H, D] over k, v [B, KV, N, D]; returns [B, H·D]."""
    b, h, d = q.shape
    kv, n = k.shape[1], k.shape[2]
    g = h // kv
    gp = max(16, triton.next_power_of_2(g))
    splits = max(1, min((2 * SMS) // (b * kv), n // 128))
    per = triton.cdiv(triton.cdiv(n, splits), 64) * 64
    splits = triton.cdiv(n, per)
    o = torch.empty(b * kv * splits * gp, d, device=DEV, dtype=torch.float32)
    m, l = torch.empty(2, b * kv * splits * gp, device=DEV, dtype=torch.float32)
    out = torch.empty(b, h * d, device=DEV, dtype=DT)
    attend[(b * kv, splits)](q, k, v, o, m, l, n, per, d ** -0.5, KV=kv, G=g, GP=gp, D=d, BN=64, num_warps=4, num_stages=3)
    combine[(b * kv,)](o, m, l, out, SPLITS=splits, G=g, GP=gp, D=d, num_warps=4)
    return out


def weight(out, inp):
    return torch.randn(out, inp, device=DEV, dtype=DT) * inp ** -0.5


@torch.compile(dynamic=True)
def gate(x):
    a, b = x.chunk(2, -1)
    return F.silu(a) * b


@torch.compile(dynamic=True)
def gate_memory(x, memory):
    return memory * F.silu(x)


@torch.compile(dynamic=True)
def conv_step(x, state, w, bias):
    full = torch.cat([state, x.unsqueeze(-1)], -1)
    state.copy_(full[..., 1:])
    return F.silu((full * w).sum(-1) + bias)


@torch.compile(dynamic=True)
def scan_step(x, dt, dt_bias, a, b, c, skip, state):
    delta = F.softplus(dt.float() + dt_bias)
    new = state * torch.exp(delta.unsqueeze(-1) * a) + (delta * x.float()).unsqueeze(-1) * b.float().unsqueeze(1)
    state.copy_(new)
    return ((new * c.float().unsqueeze(1)).sum(-1) + skip * x.float()).to(x.dtype)


@torch.compile(dynamic=True)
def rope(q, cos, sin):
    half = q.shape[-1] // 2
    a, b = q[..., :half], q[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class MLP:
    def __init__(self, w, inner):
        self.norm, self.up, self.down = torch.ones(w, device=DEV, dtype=DT), weight(2 * inner, w), weight(w, inner)

    def __call__(self, x):
        h = F.rms_norm(x, (x.shape[-1],), self.norm)
        return x + F.linear(gate(F.linear(h, self.up)), self.down)


class Attention:
    def __init__(self, w, heads, kv, dim, batch, context, cache=None, rotary=True, unpacked=False):
        self.h, self.kv, self.d, self.own, self.rotary, self.unpacked = heads, kv, dim, cache is None, rotary, unpacked
        self.norm = torch.ones(w, device=DEV, dtype=DT)
        self.proj = weight((heads + 2 * kv if self.own else heads) * dim, w)
        self.out = weight(w, heads * dim)
        many = heads if unpacked else kv
        self.cache = cache or tuple(torch.randn(batch, many, context, dim, device=DEV, dtype=DT) for _ in range(2))
        self.cos, self.sin = (torch.rand(1, 1, dim // 2, device=DEV, dtype=DT) for _ in range(2))

    def __call__(self, x):
        b = x.shape[0]
        y = F.linear(F.rms_norm(x, (x.shape[-1],), self.norm), self.proj)
        q = y[:, :self.h * self.d].reshape(b, self.h, self.d).contiguous()
        if self.own:
            k, v = y[:, self.h * self.d:].reshape(b, 2, self.kv, self.d).unbind(1)
            if self.rotary:
                k = rope(k, self.cos, self.sin)
            if not self.unpacked:
                self.cache[0][:, :, -1], self.cache[1][:, :, -1] = k, v
        if self.rotary:
            q = rope(q, self.cos, self.sin)
        return x + F.linear(attention(q, *self.cache), self.out)


class Mamba:
    def __init__(self, w, inner, state, rank, batch):
        self.n, self.rank = state, rank
        self.norm = torch.ones(w, device=DEV, dtype=DT)
        self.inp, self.x, self.dt, self.out = weight(2 * inner, w), weight(rank + 2 * state, inner), weight(inner, rank), weight(w, inner)
        self.conv, self.bias = weight(inner, 4), torch.zeros(inner, device=DEV, dtype=DT)
        self.a, self.dt_bias, self.skip = -torch.rand(inner, state, device=DEV), torch.rand(inner, device=DEV), torch.ones(inner, device=DEV)
        self.conv_state = torch.zeros(batch, inner, 3, device=DEV, dtype=DT)
        self.state = torch.zeros(batch, inner, state, device=DEV)
        self.memory = None

    def __call__(self, x):
        u, z = F.linear(F.rms_norm(x, (x.shape[-1],), self.norm), self.inp).chunk(2, -1)
        u = conv_step(u, self.conv_state, self.conv, self.bias)
        low = F.linear(u, self.x)
        dt, b, c = low.split([self.rank, self.n, self.n], -1)
        y = scan_step(u, F.linear(dt, self.dt), self.dt_bias, self.a, b, c, self.skip, self.state)
        self.memory = y
        return x + F.linear(gate_memory(z, y), self.out)


class GMU:
    def __init__(self, w, inner, source):
        self.source = source
        self.norm, self.inp, self.out = torch.ones(w, device=DEV, dtype=DT), weight(inner, w), weight(w, inner)

    def __call__(self, x):
        h = F.rms_norm(x, (x.shape[-1],), self.norm)
        return x + F.linear(gate_memory(F.linear(h, self.inp), self.source.memory), self.out)


def phi4_mini(batch, context, unpacked):
    layers = []
    for _ in range(32):
        layers += [Attention(3072, 24, 8, 128, batch, context, unpacked=unpacked), MLP(3072, 8192)]
    return layers, 3072


def phi4_mini_flash(batch, context, unpacked):
    layers, memory, cache = [], None, None
    for i in range(32):
        if i <= 16 and i % 2 == 0:
            memory = Mamba(2560, 5120, 16, 160, batch)
            layers.append(memory)
        elif i <= 15:
            layers.append(Attention(2560, 40, 20, 64, batch, min(512, context), rotary=False, unpacked=unpacked))
        elif i == 17:
            owner = Attention(2560, 40, 20, 64, batch, context, rotary=False)
            cache = owner.cache
            layers.append(owner)
        elif i % 2 == 0:
            layers.append(GMU(2560, 5120, memory))
        else:
            layers.append(Attention(2560, 40, 20, 64, batch, context, cache=cache, rotary=False))
        layers.append(MLP(2560, 10240))
    return layers, 2560


@torch.no_grad()
def milliseconds(build, batch, context, unpacked=False):
    layers, width = build(batch, context, unpacked)
    head = weight(200064, width)
    x = torch.randn(batch, width, device=DEV, dtype=DT)

    def step():
        h = x
        for layer in layers:
            h = layer(h)
        return F.linear(h, head)

    for _ in range(3):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    times = []
    for _ in range(12):
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times[2:])[5]


def check():
    """The attention kernel against PyTorch's."""
    q, k, v = torch.randn(2, 24, 128, device=DEV, dtype=DT), *torch.randn(2, 2, 8, 1000, 128, device=DEV, dtype=DT)
    want = F.scaled_dot_product_attention(q.unsqueeze(2), k, v, enable_gqa=True).reshape(2, -1)
    off = (attention(q, k, v) - want).abs().max().item()
    assert off < 0.02, off


def main():
    check()
    print(torch.cuda.get_device_name(), "torch", torch.__version__, flush=True)
    rows = []
    for batch, context in ((1, 2048), (1, 8192), (1, 32768), (4, 2048), (4, 8192), (4, 32768), (16, 2048), (16, 8192), (16, 16384), (16, 32768)):
        for name, build in (("phi4-mini", phi4_mini), ("phi4-mini-flash", phi4_mini_flash)):
            for kernel in ("packed", "per_query_head"):
                unpacked = kernel == "per_query_head" and name == "phi4-mini"
                if kernel == "per_query_head" and (name != "phi4-mini" or batch * context > 100000):
                    continue  # only the window's declarer reads so; three times the cache must fit
                try:
                    ms = milliseconds(build, batch, context, unpacked)
                except torch.cuda.OutOfMemoryError:
                    print(name, kernel, batch, context, "does not fit", flush=True)
                    continue
                finally:
                    torch.cuda.empty_cache()
                rows.append((name, kernel, batch, context, f"{ms:.4f}"))
                print(*rows[-1], flush=True)
    with open(sys.argv[1], "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(("model", "kv_read", "batch", "context", "step_ms"))
        out.writerows(rows)


if __name__ == "__main__":
    main()
