#!/usr/bin/env python3
"""Time norms, gates, rotary embeddings and sampling on this machine's GPU with PyTorch and Triton.

    python3 measure_streams.py OUT GPU      writes OUT/stream_GPU.csv: kernel, rows, width, bytes, latency_us, spread

Calls are captured in a CUDA graph and take turns on views of one large random buffer, so that no call
finds its input in cache; the median of seven replays is kept. `bytes` is what the operation must move,
each tensor once; `spread` is (slowest - fastest) / median of the replays.
"""
import csv
import os
import statistics
import sys

import torch
import triton
import triton.language as tl

DEV, DT = "cuda", torch.bfloat16
COLD = 200e6  # bytes between two uses of the same view


@triton.jit
def rmsnorm_residual_kernel(X, R, W, O, RO, N, eps, BN: tl.constexpr):
    row, c = tl.program_id(0).to(tl.int64), tl.arange(0, BN)
    m = c < N
    x = tl.load(X + row * N + c, mask=m, other=0.0).to(tl.float32) + tl.load(R + row * N + c, mask=m, other=0.0).to(tl.float32)
    tl.store(RO + row * N + c, x.to(tl.bfloat16), mask=m)
    x = x * tl.rsqrt(tl.sum(x * x, 0) / N + eps) * tl.load(W + c, mask=m, other=0.0).to(tl.float32)
    tl.store(O + row * N + c, x.to(tl.bfloat16), mask=m)


@triton.jit
def gate_kernel(A, B, O, N, SA, SB, BLOCK: tl.constexpr):
    row, c = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    m = c < N
    a = tl.load(A + row * SA + c, mask=m, other=0.0).to(tl.float32)
    b = tl.load(B + row * SB + c, mask=m, other=0.0).to(tl.float32)
    tl.store(O + row * N + c, (a / (1 + tl.exp(-a)) * b).to(tl.bfloat16), mask=m)


@triton.jit
def rotary_kernel(Q, C, S, SQ, D: tl.constexpr, HALF: tl.constexpr):
    row, c = tl.program_id(0).to(tl.int64), tl.arange(0, HALF)
    p = Q + row * SQ + tl.program_id(1) * D
    a, b = tl.load(p + c).to(tl.float32), tl.load(p + HALF + c).to(tl.float32)
    cos, sin = tl.load(C + row * HALF + c).to(tl.float32), tl.load(S + row * HALF + c).to(tl.float32)
    tl.store(p + c, (a * cos - b * sin).to(tl.bfloat16))
    tl.store(p + HALF + c, (b * cos + a * sin).to(tl.bfloat16))


def rmsnorm_residual(x, r, w):
    out, total = torch.empty_like(x), torch.empty_like(x)
    rmsnorm_residual_kernel[(x.shape[0],)](x, r, w, out, total, x.shape[1], 1e-5, BN=triton.next_power_of_2(x.shape[1]), num_warps=8)
    return out, total


def gate(a, b):
    out = torch.empty(a.shape, device=DEV, dtype=DT)
    gate_kernel[(a.shape[0], triton.cdiv(a.shape[1], 1024))](a, b, out, a.shape[1], a.stride(0), b.stride(0), BLOCK=1024, num_warps=4)
    return out


def rotary(q, cos, sin):
    rotary_kernel[(q.shape[0], q.shape[1] // 128)](q, cos, sin, q.stride(0), D=128, HALF=64, num_warps=1)


class Views:
    """Views of one random buffer, one after another, from its start again at its end."""

    def __init__(self, size):
        self.buffer, self.at = torch.empty(size // 2, device=DEV, dtype=DT).normal_(), 0

    def take(self, rows, width):
        need = (rows * width + 127) // 128 * 128
        if self.at + need > self.buffer.numel():
            self.at = 0
        view = self.buffer[self.at:self.at + rows * width].view(rows, width)
        self.at += need
        return view


def microseconds(calls, least=1500.0):
    stream, (start, end) = torch.cuda.Stream(), (torch.cuda.Event(enable_timing=True) for _ in range(2))
    stream.wait_stream(torch.cuda.current_stream())  # the inputs are filled before they are read
    with torch.cuda.stream(stream):
        calls[0]()
        start.record()
        for i in range(4):
            calls[i % len(calls)]()
        end.record()
    torch.cuda.synchronize()
    n = int(min(max(least / max(start.elapsed_time(end) * 250, 0.8), len(calls)), 400))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for i in range(n):
            calls[i % len(calls)]()
    times = []
    with torch.cuda.stream(stream):
        graph.replay()
        for _ in range(7):
            start.record()
            graph.replay()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) * 1e3 / n)
    return statistics.median(times), (max(times) - min(times)) / statistics.median(times)


def kernels(views, m, n):
    """Name, bytes and a maker of calls for m rows of width n."""
    ones = torch.ones(n, device=DEV, dtype=DT)
    cos, sin = torch.rand(2, m, 64, device=DEV).to(DT)
    two = lambda: (views.take(m, n), views.take(m, n))

    def call(f, *args):
        return lambda: f(*args)

    if n <= 8192:
        yield "rmsnorm_residual", 8 * m * n, lambda: call(rmsnorm_residual, *two(), ones)
        yield "rmsnorm_torch", 4 * m * n, lambda: call(torch.nn.functional.rms_norm, views.take(m, n), (n,), ones)
    yield "silu_mul", 6 * m * n, lambda: call(lambda x: gate(x[:, :n], x[:, n:]), views.take(m, 2 * n))
    yield "gmu_gate_fused", 6 * m * n, lambda: call(gate, *two())
    yield "gmu_gate_unfused", 10 * m * n, lambda: call(lambda x, y: y * torch.nn.functional.silu(x), *two())
    yield "rotary", 4 * m * n + 256 * m, lambda: call(rotary, views.take(m, n), cos, sin)
    yield "add", 6 * m * n, lambda: call(torch.add, *two())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, gpu = sys.argv[1:]
    print(torch.cuda.get_device_name(), "torch", torch.__version__, "triton", triton.__version__, flush=True)
    views = Views(int(min(16e9, torch.cuda.mem_get_info()[0] * 0.5)))
    with open(os.path.join(folder, f"stream_{gpu}.csv"), "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(("kernel", "rows", "width", "bytes", "latency_us", "spread"))
        for m in (1, 4, 16, 64, 256, 1024, 8192, 32768):
            shapes = [k for n in (1024, 2560, 4096, 5120, 8192, 16384) for k in ((n, *k) for k in kernels(views, m, n))]
            shapes += [(n, "argmax", 2 * m * n, lambda n=n: (lambda x: lambda: torch.argmax(x, -1))(views.take(m, n))) for n in (32000, 200064) if m <= 1024]
            for n, name, size, make in shapes:
                us, spread = microseconds([make() for _ in range(int(max(1, min(32, COLD // size + 1))))])
                out.writerow((name, m, n, size, f"{us:.4g}", f"{spread:.2g}"))
                f.flush()


if __name__ == "__main__":
    main()
