"""Stream the checkpoints of a published zoo, from the Hub or from disk, as batches of weight tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow.dataset import ParquetFragmentScanOptions
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from hf_sne.errors import UserError
from hf_sne.zoo.large import open_large
from hf_sne.zoo.schema import DAMAGED, FILE, WEIGHTS, Layout, LayoutError, layouts_of

if TYPE_CHECKING:
    import datasets

LAYOUTS_CONFIG = "layouts"
_NAME_ONE = "name a zoo folder or a Hub id that can be reached, and one of its configs and splits"


@dataclass(frozen=True)
class ZooBatch:
    """Checkpoints of one zoo.

    Args:
        table: Their labels, one row a checkpoint; ``table.to_pandas()`` for people.
        flat: The weights of all, end to end.
        offsets: [rows + 1] where each begins.
        layouts: ``arch`` -> what lies where in a row's weights, of the batch's networks.
    """

    table: pa.Table
    flat: Tensor
    offsets: Tensor
    layouts: Mapping[str, Layout]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def weights(self) -> Tensor:
        """[rows, elements] where all rows are equally long.

        Raises:
            UserError: they are not.
        """
        lengths = self.offsets.diff()
        if len(lengths) and (lengths != lengths[0]).any():
            raise UserError(
                f"the batch has networks of {int(lengths.min())} to {int(lengths.max())} elements, not one matrix",
                fix="iterate over networks(), or stream one config of one architecture",
            )
        return self.flat.view(len(self), -1)

    def column(self, name: str) -> Tensor:
        """A numeric label of every row, [rows]; null is NaN."""
        return torch.from_numpy(self.table[name].to_numpy().astype(np.float64))

    def networks(self) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
        """Each row's labels and state dict (views of the batch)."""
        bounds = self.offsets.tolist()
        for place, labels in enumerate(self.table.to_pylist()):
            vector = self.flat[bounds[place] : bounds[place + 1]]
            yield labels, self.layouts[labels["arch"]].unflatten(vector)

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickled by itself, a slice of a table takes its whole row group along.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        return _unpickled, (sink.getvalue().to_pybytes(), self.flat, self.offsets, self.layouts)


def _unpickled(table: bytes, flat: Tensor, offsets: Tensor, layouts: Mapping[str, Layout]) -> ZooBatch:
    return ZooBatch(pa.ipc.open_stream(table).read_all(), flat, offsets, layouts)


class ZooStream(IterableDataset[ZooBatch]):
    """One split of a zoo, batch by batch, in the order of its files; memory stays bounded.

    A family's rows lie in random order; ``default`` goes through the families one after another. Ranks and DataLoader
    workers see disjoint rows that make up the whole split: row groups are dealt out in turn, so that numbers of groups
    differ by one at most, and numbers of rows by more where families differ in size. ``state_dict`` and
    ``load_state_dict`` resume exactly at a batch. ``layouts`` holds the layout of every ``arch`` of the zoo.

    Args:
        source: Local zoo folder or Hub id.
        config: Family, or ``default`` for all of them.
        split: Of the zoo's splits, which are by run.
        batch_size: Rows of a batch.
        rank: Of this process.
        world_size: Processes.
        revision: Branch, tag or commit on the Hub.

    Raises:
        UserError: there is no such zoo, config or split; when iterated over: a file is damaged or out of reach.
    """

    def __init__(
        self,
        source: str | Path,
        config: str = "default",
        split: str = "train",
        *,
        batch_size: int = 256,
        rank: int = 0,
        world_size: int = 1,
        revision: str | None = None,
    ) -> None:
        self.source, self.split, self.batch_size, self.revision = str(source), split, batch_size, revision
        self._place = (rank, world_size)
        # A shard a row group: memory holds no more at a time, and even a zoo of one file can be divided.
        self._rows = _load(self.source, config, split, revision).reshard()
        self.layouts = _load_layouts(self.source, revision)
        self._current: datasets.IterableDataset | None = None
        self._state: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[ZooBatch]:
        self._current = rows = self._share().with_format("arrow")
        if self._state is not None:
            rows.load_state_dict(self._state)
            self._state = None
        with _told(
            f"{self.source}, split {self.split}: a file is damaged or out of reach",
            fix="restore the file that `hf-sne zoo info --verify` names, or check the network",
        ):
            for table in rows.iter(self.batch_size):
                yield self._batch(table)

    def _share(self) -> "datasets.IterableDataset":
        """The rows of this rank and worker."""
        from datasets.distributed import split_dataset_by_node

        worker = get_worker_info()
        rank, world_size = self._place
        if worker is not None:
            rank, world_size = rank * worker.num_workers + worker.id, world_size * worker.num_workers
        if world_size <= self._rows.num_shards:
            return self._rows.shard(world_size, rank, contiguous=False)
        # Too few row groups: everyone reads all of them and keeps its rows.
        return split_dataset_by_node(self._rows, rank, world_size)

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration in this process has come to."""
        if self._current is None:
            return self._state or {}
        state: dict[str, Any] = self._current.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next iteration where ``state`` was taken, by the same rank with the same batch size."""
        self._state, self._current = state or None, None

    def _batch(self, table: pa.Table) -> ZooBatch:
        labels = table.drop_columns([WEIGHTS, FILE])
        layouts = self._layouts_of(table)
        weights = table[WEIGHTS].combine_chunks()
        if weights.null_count:
            vectors = list(self._vectors(table, layouts))
            flat, offsets = torch.cat(vectors), torch.tensor([0, *map(len, vectors)]).cumsum(0)
        else:
            offsets = torch.from_numpy(weights.offsets.to_numpy().astype(np.int64))
            # A copy: arrow's memory is read-only and belongs to the whole row group.
            flat, offsets = torch.from_numpy(weights.flatten().to_numpy().copy()), offsets - offsets[0]
        self._check_lengths(table, offsets, layouts)
        return ZooBatch(labels, flat, offsets, layouts)

    def _layouts_of(self, table: pa.Table) -> dict[str, Layout]:
        wanted = table["arch"].unique().to_pylist()
        unknown = [arch for arch in wanted if arch not in self.layouts]
        if unknown:
            raise LayoutError(f"{self.source}: rows of arch {unknown[0]!r}, which has no layout", fix=DAMAGED)
        return {arch: self.layouts[arch] for arch in wanted}

    def _check_lengths(self, table: pa.Table, offsets: Tensor, layouts: Mapping[str, Layout]) -> None:
        lengths = {arch: layout.length for arch, layout in layouts.items()}
        wanted = torch.tensor([lengths[arch] for arch in table["arch"].to_pylist()])
        wrong = (offsets.diff() != wanted).nonzero().flatten().tolist()
        if wrong:
            found, told = int(offsets.diff()[wrong[0]]), int(wanted[wrong[0]])
            where = f"{self.source}: row {table['id'][wrong[0]].as_py()!r}"
            raise LayoutError(f"{where} has {found} elements, its layout has {told}", fix=DAMAGED)

    def _vectors(self, table: pa.Table, layouts: Mapping[str, Layout]) -> Iterator[Tensor]:
        """The weights of rows of which some or all lie in shards beside the table."""
        places = zip(table["id"].to_pylist(), table["arch"].to_pylist(), table[FILE].to_pylist(), strict=True)
        for (network, arch, file), weights in zip(places, table[WEIGHTS], strict=True):
            if file is None:
                yield torch.tensor(weights.values.to_numpy())
            else:
                yield open_large(self.source, self.revision, file, network, layouts[arch])


def splits_of(source: str, config: str = "default", revision: str | None = None) -> list[str]:
    """The splits of a zoo, in its own order."""
    from datasets import get_dataset_split_names

    with _told(_no_zoo(source, config), fix=_NAME_ONE):
        names: list[str] = get_dataset_split_names(source, config, revision=revision)
    return names


def _load(source: str, config: str, split: str, revision: str | None) -> "datasets.IterableDataset":
    from datasets import load_dataset

    # A changed bit is a network that is slightly another; without checksums nobody would notice.
    checked = ParquetFragmentScanOptions(page_checksum_verification=True)
    with _told(_no_zoo(source, f"{config}, split {split}"), fix=_NAME_ONE):
        return load_dataset(
            source, config, split=split, streaming=True, revision=revision, fragment_scan_options=checked
        )


def _load_layouts(source: str, revision: str | None) -> dict[str, Layout]:
    tables = _load(source, LAYOUTS_CONFIG, "train", revision).with_format("arrow")
    with _told(f"{source}: the layouts are damaged or out of reach", fix=_NAME_ONE):
        rows = [row for table in tables.iter(10_000) for row in table.to_pylist()]
    return layouts_of(rows)


def _no_zoo(source: str, what: str) -> str:
    return f"{source}: no zoo with config {what}"


@contextmanager
def _told(what: str, *, fix: str) -> Iterator[None]:
    """Turns what the readers of tables and the Hub's clients raise into a sentence."""
    from datasets.exceptions import DatasetsError
    from httpx2 import HTTPError

    try:
        yield
    except (DatasetsError, ValueError, OSError, HTTPError, pa.ArrowException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"{what} ({reason})", fix=fix) from error
