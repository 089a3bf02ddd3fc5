"""Trains units on this machine: one process a CPU core, or the GPU in this process."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from hf_sne.errors import UserError
from hf_sne.zoo.images import ImageData, open_images
from hf_sne.zoo.unit import Unit, train_unit


class Backend(Protocol):
    """Something that trains units; ``device`` is torch's name of where."""

    device: str

    def train(self, units: Sequence[Unit], images: Path, state: Path) -> Iterator[tuple[Unit, bytes]]:
        """Each unit as it is done, with its record.

        Args:
            units: What to train.
            images: What :func:`hf_sne.zoo.images.open_images` reads.
            state: Folder in which a unit in training may leave word of itself as ``{unit.id}.state``.
        """
        ...


class LocalWorkers:
    """``workers`` processes with one thread each on the CPU; on a GPU, this process alone."""

    def __init__(self, workers: int, device: str = "cpu") -> None:
        self.device = device
        self._workers = workers

    def train(self, units: Sequence[Unit], images: Path, state: Path) -> Iterator[tuple[Unit, bytes]]:
        """Each unit as it is done, with its record."""
        if self.device != "cpu":
            yield from self._train_on_gpu(units, images, state)
            return
        context = get_context("spawn")
        theirs, ours = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(self._workers, len(units)), context, initializer=_start, initargs=(images, theirs)
        )
        futures: dict[Future[bytes], Unit] = {}
        try:
            with _no_interrupt():
                for unit in units:
                    futures[pool.submit(_train, unit, state)] = unit
            for future in as_completed(futures):
                # Dropped here, so that finished records do not pile up in memory.
                yield futures.pop(future), future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a training process was killed, likely for want of memory",
                fix="run again, with fewer workers or smaller populations: finished work is kept",
            ) from error
        finally:
            if futures:
                # A caller that stops early does not wait for the units in training: this ends the processes.
                ours.close()
            pool.shutdown(cancel_futures=True)
            ours.close()

    def _train_on_gpu(self, units: Sequence[Unit], images: Path, state: Path) -> Iterator[tuple[Unit, bytes]]:
        import torch

        # Measured accuracies are those of float32, as on a CPU.
        torch.backends.cudnn.allow_tf32 = False
        data = open_images(images, self.device)
        for unit in units:
            try:
                yield unit, train_unit(unit, data, state / f"{unit.id}.state")
            except torch.OutOfMemoryError as error:
                raise UserError(
                    f"{len(unit.runs)} networks at once do not fit on {self.device}",
                    fix="run again with a smaller --population: finished work is kept",
                ) from error


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold back Ctrl-C: processes started meanwhile never hear it, even before they can ignore it themselves."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_data: ImageData | None = None


def _start(images: Path, parent: Connection) -> None:
    """Set up a training process, which ends when its parent closes its end of a pipe, or is no more."""
    global _data
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    keep_freed_memory()
    torch.set_num_threads(1)
    _data = open_images(images)


def _train(unit: Unit, state: Path) -> bytes:
    assert _data is not None
    return train_unit(unit, _data, state / f"{unit.id}.state")


def _end_with(parent: Connection) -> None:
    """Nobody waits for the work any more, and nobody would end this process."""
    parent.poll(None)
    os._exit(1)


def keep_freed_memory() -> None:
    """Let the C library keep freed memory, where it is glibc.

    Otherwise every large activation is mapped anew and zeroed by the kernel page by page, a third of the time of a
    training step (measured: recipes/benchmark/zoo.py).
    """
    import ctypes
    import sys

    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        trim_threshold, mmap_threshold = -1, -3
        libc.mallopt(mmap_threshold, 32 * 2**20)
        libc.mallopt(trim_threshold, 2**30)
