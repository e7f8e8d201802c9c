"""Threads on which torch works alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch


def single_threaded_pool() -> ThreadPoolExecutor:
    """A pool of as many threads as torch would use for one task, each of which does one task by itself.

    Torch's own threads spin while they wait for each other: beside other busy processes that was 100 times slower.
    How many it uses is said for the thread that says it, and for those that begin to use torch later; so the number for
    these is put back once all threads of the pool are there.
    """
    cores = torch.get_num_threads()
    pool = ThreadPoolExecutor(cores, "single-threaded", _use_one_thread)
    all_there = Barrier(cores)
    for started in [pool.submit(all_there.wait) for _ in range(cores)]:
        started.result()
    torch.set_num_threads(cores)
    return pool


def _use_one_thread() -> None:
    torch.get_num_threads()  # makes this thread known to torch: else the number is overwritten at its first task
    torch.set_num_threads(1)
