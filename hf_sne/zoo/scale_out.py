"""Trains units on a Ray cluster (extra ``ray``): the same units, the same zoo, on many machines."""

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from hf_sne.errors import UserError
from hf_sne.optional import require
from hf_sne.zoo.images import ImageData, open_images
from hf_sne.zoo.unit import Unit, train_unit
from hf_sne.zoo.workers import keep_freed_memory

# How often a unit is tried again whose worker or machine died.
_RETRIES = 20
# Ray itself waits minutes for a cluster that is not there, and then ends the process.
_ANSWER_SECONDS = 10.0


class RayWorkers:
    """One task a unit: one core each on the CPU, one GPU each otherwise.

    The driver alone writes to the zoo's folder, so the machines need no shared disk; a unit whose worker died is
    trained anew elsewhere. Where this process has called ``ray.init``, that cluster is used and left running.

    Args:
        address: Of a running cluster; None starts one on this machine.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, address: str | None = None, device: str = "cpu") -> None:
        self.address, self.device = address, device

    def train(self, units: Sequence[Unit], images: Path, state: Path) -> Iterator[tuple[Unit, bytes]]:  # noqa: ARG002
        """Each unit as it is done, with its record.

        Raises:
            UserError: there is no such cluster, or it fails.
        """
        require("ray", "training on a cluster", "ray")
        import ray

        ours = not ray.is_initialized()
        if ours:
            _connect(self.address)
        try:
            gpus = 0 if self.device == "cpu" else 1
            task = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_RETRIES)(_train)
            data = ray.put(open_images(images))
            waiting = {task.remote(unit, data, self.device): unit for unit in units}
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                content = ray.get(done)
                # Dropped here, so that finished records do not pile up in the cluster's memory.
                yield waiting.pop(done), content
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise UserError(f"Ray: {error}", fix="run again when the cluster is well: finished work is kept") from error
        finally:
            if ours:
                ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    try:
        if place := re.fullmatch(r"(?:ray://)?([^/]+):(\d+)", address or ""):
            socket.create_connection((place[1], int(place[2])), _ANSWER_SECONDS).close()
        ray.init(address=address, log_to_driver=False, include_dashboard=False)
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{address}: no Ray cluster ({error})", fix="name one as HOST:PORT, or none") from error


def _train(unit: Unit, data: ImageData, device: str) -> bytes:
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
    return train_unit(unit, data.to(device))
