#!/usr/bin/env python3
"""Time collectives between this machine's GPUs with PyTorch and NCCL.

    python3 measure_collectives.py OUT.csv [GPUS]     columns op, mode, dtype, gpus, message_bytes, latency_us, spread

message_bytes is the whole message: what all_gather returns, what reduce_scatter and all_to_all take.
Each is timed in a CUDA graph and launched one by one (eager): the mean of up to 20 calls, of the slower
rank, median of seven.
"""
import csv
import os
import statistics
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

LARGEST = 1 << 30


def call(op, x, y, rank, world):
    part = x.numel() // world
    if op == "all_reduce":
        return lambda: dist.all_reduce(y)
    if op == "all_gather":
        return lambda: dist.all_gather_into_tensor(y, x[:part])
    if op == "reduce_scatter":
        return lambda: dist.reduce_scatter_tensor(y[:part], x)
    if op == "all_to_all":
        return lambda: dist.all_to_all_single(y, x)

    def both():
        """Every rank sends to the next and receives from the one before."""
        ops = [dist.P2POp(dist.isend, x, (rank + 1) % world), dist.P2POp(dist.irecv, y, (rank - 1) % world)]
        for r in dist.batch_isend_irecv(ops):
            r.wait()

    return both


def work(rank, world, path):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", rank=rank, world_size=world, device_id=torch.device("cuda", rank))
    source = torch.randn(LARGEST // 2, device="cuda").to(torch.bfloat16)
    target = torch.randn(LARGEST // 2, device="cuda").to(torch.bfloat16)

    def slowest(x):
        t = torch.tensor([x], device="cuda", dtype=torch.float64)
        dist.all_reduce(t, dist.ReduceOp.MAX)
        return t.item()

    rows = []
    for op in ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "p2p_both"):
        for size in (2 << k for k in range(7, 30)):
            for mode in ("graph", "eager"):
                fn = call(op, source[:size // 2], target[:size // 2], rank, world)
                target[:size // 2].mul_(1e-3)  # sums of sums stay finite
                torch.cuda.synchronize()
                count = 20 if size < 1 << 24 else 6 if size < 1 << 28 else 2
                stream = torch.cuda.Stream()
                with torch.cuda.stream(stream):
                    for _ in range(3):
                        fn()
                torch.cuda.synchronize()
                graph = torch.cuda.CUDAGraph() if mode == "graph" else None
                if graph:
                    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                        for _ in range(count):
                            fn()
                times = []
                for _ in range(7):
                    dist.barrier()
                    torch.cuda.synchronize()
                    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                    with torch.cuda.stream(stream):
                        start.record()
                        if graph:
                            graph.replay()
                        else:
                            for _ in range(count):
                                fn()
                        end.record()
                    torch.cuda.synchronize()
                    times.append(slowest(start.elapsed_time(end) * 1e3 / count))
                us = statistics.median(times)
                rows.append((op, mode, "bfloat16", world, size, f"{us:.4g}", f"{(max(times) - min(times)) / us:.2g}"))
    if rank == 0:
        print(torch.cuda.get_device_name(), "torch", torch.__version__, "nccl", torch.cuda.nccl.version())
        with open(path, "w", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(("op", "mode", "dtype", "gpus", "message_bytes", "latency_us", "spread"))
            out.writerows(rows)
    dist.destroy_process_group()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    gpus = int(sys.argv[2]) if len(sys.argv) == 3 else torch.cuda.device_count()
    mp.spawn(work, args=(gpus, sys.argv[1]), nprocs=gpus)
