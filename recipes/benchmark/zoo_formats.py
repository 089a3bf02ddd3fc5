"""How to keep weights in parquet: python recipes/benchmark/zoo_formats.py --output RESULTS.json.

Every form holds the same random networks of 2,464 parameters (normal, times 0.1: about as hard to compress as trained
weights), 1,000 rows a row group, and is streamed from local disk by ``datasets`` in three formats, and by ``ZooStream``
in the form that was chosen. The forms take turns; the best of the rounds counts.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import typer
from torch.utils.data import DataLoader

from hf_sne.training.system_info import system_info
from hf_sne.zoo import ZooStream
from hf_sne.zoo.card import write_card
from hf_sne.zoo.families import empty_network
from hf_sne.zoo.schema import Layout, Rows
from hf_sne.zoo.write import write_zoo

PARAMETERS = 2464
GROUP = 1000
SPLIT = "BYTE_STREAM_SPLIT"


def _offsets(rows: int, kind: type, step: int) -> np.ndarray:
    return np.arange(0, rows * step + 1, step, dtype=kind)


FORMS: dict[str, Callable[[np.ndarray], pa.Array]] = {
    "list": lambda w: pa.ListArray.from_arrays(pa.array(_offsets(len(w), np.int32, PARAMETERS)), pa.array(w.ravel())),
    "large_list": lambda w: pa.LargeListArray.from_arrays(
        pa.array(_offsets(len(w), np.int64, PARAMETERS)), pa.array(w.ravel())
    ),
    "fixed_size_list": lambda w: pa.FixedSizeListArray.from_arrays(pa.array(w.ravel()), PARAMETERS),
    "fixed_size_binary": lambda w: pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 * PARAMETERS), len(w), [None, pa.py_buffer(w)]
    ),
    "binary": lambda w: pa.BinaryArray.from_buffers(
        pa.binary(), len(w), [None, pa.py_buffer(_offsets(len(w), np.int32, 4 * PARAMETERS)), pa.py_buffer(w)]
    ),
}


def write(form: str, encoding: str, weights: np.ndarray, path: Path) -> None:
    """One parquet file of one form."""
    column = "weights.list.element" if "list" in form else "weights"
    options = {"column_encoding": {column: encoding}} if encoding == SPLIT else {}
    kind = FORMS[form](weights[:1]).type
    schema = pa.schema([("id", pa.string()), ("weights", kind)])
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False, **options) as writer:
        for start in range(0, len(weights), GROUP):
            part = weights[start : start + GROUP]
            ids = [str(start + row) for row in range(len(part))]
            writer.write_table(pa.table({"id": ids, "weights": FORMS[form](part)}, schema=schema), row_group_size=GROUP)


def _matrix(column: Any) -> np.ndarray:
    """A batch's weights as float32 [rows, parameters], however they came."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.Array):
        kind = column.type
        if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind):
            values = np.frombuffer(column.buffers()[-1], np.float32)
            start = column.offset if pa.types.is_fixed_size_binary(kind) else int(column.offset)
            return values.reshape(-1, PARAMETERS)[start : start + len(column)]
        return column.flatten().to_numpy().reshape(-1, PARAMETERS)
    if isinstance(column, torch.Tensor | np.ndarray):
        return np.asarray(column)
    if isinstance(column[0], bytes):
        return np.stack([np.frombuffer(row, np.float32) for row in column])
    return np.array(column, dtype=np.float32)


def stream(path: Path, form: str, seconds: float) -> float:
    """Networks a second through ``datasets``; format ``python`` is what iterating without any format gives."""
    from datasets import load_dataset

    rows = load_dataset("parquet", data_files=str(path), split="train", streaming=True)
    if form != "python":
        rows = rows.with_format(form)
    return _rate((len(_matrix(batch["weights"])) for batch in rows.iter(500)), seconds)


def _rate(counts: Iterator[int], seconds: float) -> float:
    done, start = 0, time.perf_counter()
    for count in counts:
        done += count
        if time.perf_counter() - start > seconds:
            break
    return done / (time.perf_counter() - start)


def write_synthetic_zoo(weights: np.ndarray, folder: Path) -> None:
    """The same networks as a zoo folder."""
    layout = Layout.of(empty_network("cnn_s", {"activation": "relu"}, (1, 28, 28), 10).state_dict())
    labels = [
        {"id": f"n-{row}", "run": f"r-{row}", "family": "cnn_s", "arch": layout.arch, "test_accuracy": 0.5}
        | {"parameters": layout.parameters, "damage": "none", "diverged": False}
        for row in range(len(weights))
    ]
    rows = Rows(labels, lambda row: weights[row], {layout.arch: layout})
    list(write_zoo(folder, rows, {"converted_from": "random numbers"}, {"train": 1.0}))
    write_card(folder)


def _loader_rate(zoo: Path, workers: int, seconds: float) -> float:
    """Networks a second from the first batch on: starting worker processes takes seconds, once."""
    loader = iter(DataLoader(ZooStream(str(zoo), batch_size=500), batch_size=None, num_workers=workers))
    next(loader)
    return _rate((len(batch) for batch in loader), seconds)


def main(
    output: Annotated[Path, typer.Option(help="JSON.")],
    networks: Annotated[int, typer.Option(help="Rows of each file.")] = 40_000,
    rounds: Annotated[int, typer.Option(help="Turns of each form.")] = 3,
    seconds: Annotated[float, typer.Option(help="At most so long a turn.")] = 4.0,
) -> None:
    """Size and streaming speed of every form."""
    weights = (np.random.default_rng(0).standard_normal((networks, PARAMETERS)) * 0.1).astype(np.float32)
    cases = [
        (form, encoding) for form in FORMS for encoding in ("PLAIN", SPLIT) if (form, encoding) != ("binary", SPLIT)
    ]
    forms: dict[str, dict[str, float]] = {f"{form}, {encoding}": {} for form, encoding in cases}
    result: dict[str, Any] = {"system": system_info(), "networks": networks, "parameters": PARAMETERS, "forms": forms}
    with TemporaryDirectory() as folder:
        for form, encoding in cases:
            write(form, encoding, weights, Path(folder) / f"{form}-{encoding}.parquet")
        for _ in range(rounds):
            for form, encoding in cases:
                path, found = Path(folder) / f"{form}-{encoding}.parquet", forms[f"{form}, {encoding}"]
                found["size"] = path.stat().st_size / weights.nbytes
                # Binary values lose trailing zero bytes in numpy and torch formats: not an option, so not measured.
                formats = ("python", "arrow") if "binary" in form else ("python", "torch", "arrow")
                for name in formats:
                    found[name] = max(found.get(name, 0.0), stream(path, name, seconds))
        zoo = Path(folder) / "zoo"
        write_synthetic_zoo(weights, zoo)
        result["zoo_stream"] = {
            f"{workers} workers": max(_loader_rate(zoo, workers, seconds) for _ in range(rounds)) for workers in (0, 2)
        }
    output.write_text(json.dumps(result, indent=1) + "\n")
    for name, found in forms.items():
        print(
            name, *(f"{key} {value:,.3f}" if key == "size" else f"{key} {value:,.0f}/s" for key, value in found.items())
        )
    print("ZooStream", *(f"{name} {value:,.0f}/s" for name, value in result["zoo_stream"].items()))


if __name__ == "__main__":
    typer.run(main)
