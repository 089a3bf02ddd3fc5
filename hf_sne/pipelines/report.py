"""Scored results as data to show: flat rows, CSV and tables for a terminal. Nothing here prints."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hf_sne.escape import spreadsheet_cell, visible

Row = dict[str, Any]
_SHUFFLED = "-shuffled"
DAMAGED = f"{_SHUFFLED}: damaged on purpose after training"
# As measured by recipes/interventions.py.
NOT_ACCURACY = "it does not tell which layer the accuracy would miss most"
# Cells of the longest bar.
_BAR = 24
_VERDICTS = {True: "yes", False: "NO", None: "unknown"}

COLUMNS = (
    "source",
    "score",
    "low",
    "high",
    "level",
    "zoo_low",
    "zoo_high",
    "in_distribution",
    "distance_percentile",
    "parameters_total",
    "parameters_read",
    "fraction_read",
    "layers",
    "skipped",
    "commit",
    "sha256",
    "predictor",
    "predictor_version",
    "error",
    "message",
    "fix",
)


def to_rows(results: Iterable[Mapping[str, Any]]) -> list[Row]:
    """One flat row a result, in the order given; every row has all ``COLUMNS``, None where one does not apply."""
    return [
        dict.fromkeys(COLUMNS) | (_refused_row(item) if "refused" in item else _scored_row(item)) for item in results
    ]


def _refused_row(result: Mapping[str, Any]) -> Row:
    return {"source": result["checkpoint"]["source"], **result["refused"]}


def _scored_row(result: Mapping[str, Any]) -> Row:
    coverage, checkpoint = result["coverage"], result["checkpoint"]
    interval, zoo_interval = result["interval"], result["zoo_interval"]
    return {
        "source": checkpoint["source"],
        "score": result["score"],
        "low": interval["low"],
        "high": interval["high"],
        "level": interval["level"],
        "zoo_low": zoo_interval["low"],
        "zoo_high": zoo_interval["high"],
        "in_distribution": result["in_distribution"]["verdict"],
        "distance_percentile": result["in_distribution"]["percentile"],
        "parameters_total": coverage["parameters_total"],
        "parameters_read": coverage["parameters_read"],
        "fraction_read": coverage["fraction"],
        "layers": coverage["layers"],
        "skipped": len(coverage["skipped"]),
        "commit": checkpoint["commit"],
        "sha256": " ".join(file["sha256"] for file in checkpoint["files"]),
        "predictor": result["predictor"]["name"],
        "predictor_version": result["predictor"]["version"],
    }


def ranked(rows: Iterable[Row]) -> list[Row]:
    """The scored rows, best first; equal scores keep their order, refused rows are left out."""
    return sorted((row for row in rows if row["score"] is not None), key=lambda row: -row["score"])


def to_csv(rows: Sequence[Row]) -> str:
    """A CSV table with a header; text cells cannot move a terminal's cursor or run as a spreadsheet formula."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        cells = {key: spreadsheet_cell(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
        writer.writerow(cells)
    return text.getvalue()


def score_table(rows: Sequence[Row]) -> Table:
    """The scored rows (one or more, of one predictor) as a terminal table, in the order given.

    The folder and the ending that all share stand above it; how much was read is told where any was read in part.
    """
    sources = [row["source"] for row in rows]
    folder, ending = _common_folder(sources), _common_ending(sources)
    title = Text("Predicted test accuracy, from the weights alone")
    if folder:
        title.append(f"\n{visible(f'{folder}*{ending}')}")
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("checkpoint", overflow="fold")
    parts = any(row["fraction_read"] < 1 for row in rows)
    level = f"{rows[0]['level']:.0%}"
    for heading in ("predicted", f"{level} interval", "zoo interval", "in dist.", *(["read"] if parts else [])):
        table.add_column(heading, justify="right")
    for place, row in enumerate(rows, start=1):
        table.add_row(
            str(place),
            Text(visible(row["source"].removeprefix(folder).removesuffix(ending))),
            f"{row['score']:.3f}",
            f"{row['low']:.2f}-{row['high']:.2f}",
            f"{row['zoo_low']:.2f}-{row['zoo_high']:.2f}",
            _VERDICTS[row["in_distribution"]],
            *([f"{row['fraction_read']:.1%}"] if parts else []),
        )
    return table


def _common_folder(sources: Sequence[str]) -> str:
    """The folder that several checkpoints are all in, with its slash; empty where there is none."""
    folders = {source.rpartition("/")[0] for source in sources}
    return f"{folders.pop()}/" if len(sources) > 1 and len(folders) == 1 and "/" in sources[0] else ""


def _common_ending(sources: Sequence[str]) -> str:
    """The ending that files in a common folder all have."""
    endings = {PurePosixPath(source).suffix for source in sources}
    return endings.pop() if _common_folder(sources) and len(endings) == 1 else ""


def headline(result: Mapping[str, Any]) -> Text:
    """Which checkpoint the tables below it are about, and its score."""
    return Text(f"{visible(result['checkpoint']['source'])}: {result['score']:.3f}", style="bold")


def explanation_table(result: Mapping[str, Any], most: float) -> Table:
    """What a scored checkpoint's score rests on, layer by layer; a bar for each attribution, and what it is not.

    The longest bar stands for ``most``.
    """
    table = Table(title="What training each layer adds to the score", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("layer", overflow="fold")
    table.add_column("role")
    for heading in ("parameters", "adds"):
        table.add_column(heading, justify="right")
    table.add_column("", no_wrap=True)
    for layer in result["layers"]:
        size = abs(layer["attribution"]) / most
        bar = Text("█" * round(_BAR * size), style="green" if layer["attribution"] > 0 else "red")
        cells = (Text(visible(layer["name"])), layer["role"], f"{layer['parameters']:,}")
        table.add_row(*cells, f"{layer['attribution']:+.3f}", bar)
    table.caption = NOT_ACCURACY
    return table


def neighbour_table(result: Mapping[str, Any]) -> Table:
    """The networks of the training zoos that are nearest to a scored checkpoint, nearest first, and how near."""
    table = Table(title="Nearest networks of the training zoos", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("network", overflow="fold")
    table.add_column("measured", justify="right")
    for neighbour in result["neighbours"]:
        table.add_row(Text(visible(neighbour["name"])), f"{neighbour['test_accuracy']:.3f}")
    damaged = any(is_damaged(neighbour) for neighbour in result["neighbours"])
    told = [how_near(result["in_distribution"]["percentile"]), DAMAGED if damaged else ""]
    table.caption = "; ".join(filter(None, told)) or None
    return table


def how_near(percentile: float | None) -> str:
    """What the distance to the nearest networks means; nothing where none can be told."""
    return "" if percentile is None else f"{percentile:.0f} % of held-out networks of the zoos have nearer ones"


def is_damaged(neighbour: Mapping[str, Any]) -> bool:
    """Whether a network of a zoo was damaged on purpose after its training, as the zoo's names tell."""
    return str(neighbour["name"]).endswith(_SHUFFLED)


def refusal_table(rows: Iterable[Row]) -> Table:
    """The refused rows as a terminal table: which checkpoint, what is wrong, what to do."""
    table = Table(title="Refused", show_lines=True)
    for heading in ("checkpoint", "why", "fix"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        if row["error"] is not None:
            why = row["message"].removeprefix(f"{row['source']}: ")
            table.add_row(*(Text(visible(cell)) for cell in (row["source"], why, row["fix"])))
    return table
