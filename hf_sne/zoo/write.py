"""Write a zoo folder: parquet shards by config and split, layouts, and the manifest last."""

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hf_sne.errors import UserError
from hf_sne.escape import visible
from hf_sne.evaluation.splits import split_by_run
from hf_sne.zoo.atomic import atomic_file, check_space, clear_parts, make_folder
from hf_sne.zoo.large import LARGE_PARAMETERS, write_large
from hf_sne.zoo.manifest import FileRecord, Manifest
from hf_sne.zoo.schema import LABELS, LAYOUTS, ROWS, WEIGHTS, Labels, Rows

LAYOUTS_FILE = "layouts.parquet"
# Configs of every zoo beside those of its families.
_OTHER_CONFIGS = ("default", "layouts")
# Rows of a row group: what a reader holds at a time, so large networks go in smaller groups.
_GROUP_ROWS = 1000
_GROUP_BYTES = 64 * 2**20
_SHARD_BYTES = 256 * 2**20


def write_zoo(
    folder: Path, rows: Rows, source: dict[str, Any], splits: Mapping[str, float], seed: int = 0
) -> Iterator[int]:
    """Write all rows; yields how many are written after every row group. The manifest makes the zoo complete.

    One config a family. Splits are by run, over all families at once. Within a split the rows are in a random order
    that ``seed`` and their ids decide, so that reading them one after another mixes runs and trajectories.

    Raises:
        ZooWriteError: the disk is full or the folder cannot be written to.
        UserError: a split would be empty, or the name of a family is none for a config.
    """
    _check_families({str(label["family"]) for label in rows.labels})
    make_folder(folder)
    clear_parts(folder)
    check_space(folder, sum(map(rows.bytes_of, range(len(rows.labels)))))
    members = split_by_run([str(label["run"]) for label in rows.labels], splits, seed)
    files: dict[str, FileRecord] = {}
    configs: dict[str, dict[str, dict[str, int]]] = {}
    for split, indices in members.items():
        for config, group in _by_family(rows.labels, indices.tolist()).items():
            group.sort(key=lambda row: sha256(f"{seed}/{rows.labels[row]['id']}".encode()).digest())
            runs = {rows.labels[row]["run"] for row in group}
            configs.setdefault(config, {})[split] = {"rows": len(group), "runs": len(runs)}
            for shard in _shards(rows, group, f"data/{config}/{split}"):
                yield from _write_shard(folder, rows, shard, files)
    _write_layouts(folder, rows, files)
    Manifest(source, configs, files).write(folder)


def _check_families(names: set[str]) -> None:
    for name in sorted(names):
        if not re.fullmatch(r"\w[\w.-]*", name) or name in _OTHER_CONFIGS:
            raise UserError(
                f"a family is named {visible(name)!r}",
                fix=f"use letters, digits, '_', '-' and '.' alone, and not {' or '.join(_OTHER_CONFIGS)}",
            )


def _by_family(labels: Sequence[Labels], indices: Sequence[int]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index in indices:
        groups.setdefault(str(labels[index]["family"]), []).append(index)
    return groups


def _shards(rows: Rows, group: Sequence[int], stem: str) -> Iterator[tuple[str, list[int]]]:
    """Names of shards and their rows, of about equal size."""
    count = max(1, -(-sum(map(rows.bytes_of, group)) // _SHARD_BYTES))
    for number, part in enumerate(np.array_split(np.array(group), count)):
        yield f"{stem}-{number:05d}-of-{count:05d}.parquet", part.tolist()


def _write_shard(folder: Path, rows: Rows, shard: tuple[str, list[int]], files: dict[str, FileRecord]) -> Iterator[int]:
    name, indices = shard
    widest = max(map(rows.bytes_of, indices))
    large = widest > 4 * LARGE_PARAMETERS
    beside = write_large(folder, name, rows, indices, files) if large else {}
    size = _GROUP_ROWS if large else max(1, min(_GROUP_ROWS, _GROUP_BYTES // max(1, widest)))
    with atomic_file(folder / name) as part, _writer(part, ROWS) as writer:
        # Groups of equal size: readers share them out.
        for members in np.array_split(np.array(indices), -(-len(indices) // size)):
            writer.write_table(_table(rows, members.tolist(), beside), row_group_size=len(members))
            yield len(members)
    files[name] = FileRecord.of(folder / name, len(indices))


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Bytes of floats apart (their exponents compress), no dictionaries, checksums on every page."""
    encoding = {f"{WEIGHTS}.list.element": "BYTE_STREAM_SPLIT"} if WEIGHTS in schema.names else None
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=False,
        column_encoding=encoding,
        write_page_checksum=True,
    )


def _table(rows: Rows, members: Sequence[int], beside: Mapping[int, str]) -> pa.Table:
    labels = [rows.labels[row] for row in members]
    columns = [
        pa.array([label.get(name) for label in labels], kind, from_pandas=False) for name, kind in LABELS.items()
    ]
    columns.append(pa.array([beside.get(row) for row in members], pa.string()))
    if beside:
        columns.append(pa.nulls(len(members), ROWS.field(WEIGHTS).type))
    else:
        vectors = [rows.vector(row) for row in members]
        offsets = np.cumsum([0, *map(len, vectors)], dtype=np.int32)
        columns.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(vectors), pa.float32())))
    return pa.table(columns, schema=ROWS)


def _write_layouts(folder: Path, rows: Rows, files: dict[str, FileRecord]) -> None:
    table = pa.Table.from_pylist([row for layout in rows.layouts.values() for row in layout.as_rows()], schema=LAYOUTS)
    with atomic_file(folder / LAYOUTS_FILE) as part, _writer(part, LAYOUTS) as writer:
        writer.write_table(table)
    files[LAYOUTS_FILE] = FileRecord.of(folder / LAYOUTS_FILE)
