#!/usr/bin/env python3
"""Time matrix products and Gated Memory Units on this machine's GPU with PyTorch.

    python3 measure_kernels.py OUT GPU      writes OUT/gemm_GPU.csv and OUT/gmu_GPU.csv

gemm_GPU.csv is what `ridgeline calibrate check --measured OUT` and `calibrate fit` read.
Each shape is captured many times over in one CUDA graph, so that launches from the host
are not timed; the median of the replays is kept. Calls take turns on copies of the
weights that together are far larger than the cache: a decode step finds no layer's
weights in it either.
"""
import csv
import itertools
import os
import statistics
import sys

import torch


def microseconds(fn, least=3000.0):
    """Median time of one call of fn, in µs: graphs of at least `least` µs, seven replays."""
    for _ in range(3):
        fn()
    torch.cuda.synchronize()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(5):
        fn()
    end.record()
    torch.cuda.synchronize()
    once = max(start.elapsed_time(end) * 1e3 / 5, 1.0)
    n = int(min(max(least / once, 4), 600))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(n):
            fn()
    graph.replay()
    torch.cuda.synchronize()
    times = []
    for _ in range(7):
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / n)
    return statistics.median(times)


COLD = 256e6  # bytes of weights between two uses of the same copy


def copies(*shape):
    """Endless turns on as many copies of a weight as COLD takes."""
    one = 2 * shape[0] * shape[1]
    count = max(1, min(int(COLD / one) + 1, 200))
    return itertools.cycle([torch.randn(*shape, device="cuda", dtype=torch.bfloat16) for _ in range(count)])


def gemm(m, n, k):
    a = torch.randn(m, k, device="cuda", dtype=torch.bfloat16)
    w = copies(n, k)
    out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
    return microseconds(lambda: torch.mm(a, next(w).t(), out=out))


def gmu(batch, width, d_mem):
    """(memory * silu(x W1)) W2, as PyTorch runs it: two products and two streaming kernels."""
    x = torch.randn(batch, width, device="cuda", dtype=torch.bfloat16)
    memory = torch.randn(batch, d_mem, device="cuda", dtype=torch.bfloat16)
    w1, w2 = copies(d_mem, width), copies(width, d_mem)
    return microseconds(lambda: (memory * torch.nn.functional.silu(x @ next(w1).t())) @ next(w2).t())


def write(path, header, rows):
    with open(path, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        out.writerows(rows)


def main():
    folder, gpu = sys.argv[1], sys.argv[2]
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    rows = []
    layers = [(4096, 4096), (6144, 4096), (28672, 4096), (4096, 14336), (128256, 4096), (5120, 2560), (10240, 2560),
              (2560, 5120), (20480, 2560), (2560, 10240), (1280, 2560), (8192, 8192), (10240, 8192), (1024, 1024), (2048, 2048)]
    for n, k in layers:
        for m in (1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192):
            rows.append(("bfloat16", m, n, k, f"{gemm(m, n, k):.3f}"))
    write(os.path.join(folder, f"gemm_{gpu}.csv"), ("dtype", "m", "n", "k", "latency_us"), rows)
    rows = []
    for width, d_mem in ((2048, 4096), (2560, 5120), (4096, 8192)):
        for batch in (1, 4, 16, 64, 256, 1024, 4096):
            rows.append((batch, width, d_mem, f"{gmu(batch, width, d_mem):.3f}"))
    write(os.path.join(folder, f"gmu_{gpu}.csv"), ("batch", "width", "d_mem", "latency_us"), rows)


if __name__ == "__main__":
    main()
