"""``hf-sne results``: results files as tables, and comparisons as a picture."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from hf_sne.cli.console import check_place, notes_console, results_console
from hf_sne.escape import visible
from hf_sne.optional import require


def results_command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="RESULTS.json|ORG/NAME...", help="Files, or results or predictors on the Hub."),
    ],
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown instead of a table to look at.")] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw into this PNG by how much SNE is above the others in comparisons.")
    ] = None,
) -> None:
    """Show results of trainings, comparisons and evaluations as tables, each figure with its 95 % interval."""
    from rich.box import SIMPLE_HEAD

    from hf_sne.evaluation.board import read_boards

    if figure:
        check_place(figure, "--figure", ".png")
        require("matplotlib", "drawing", "plot")
    with TemporaryDirectory() as scratch:
        files = [_file(source, Path(scratch)) for source in sources]
        boards = read_boards(files)
        if figure:
            _draw(files, figure)
    for board in boards:
        if as_markdown:
            typer.echo(f"{board.markdown()}\n")
            continue
        table = Table(title=board.title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for place, heading in enumerate(board.headings):
            side: Literal["left", "right"] = "left" if place < board.names else "right"
            table.add_column(Text(visible(heading)), justify=side, overflow="fold")
        for row in board.rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        results_console().print(table)


def _draw(files: Sequence[Path], figure: Path) -> None:
    from hf_sne.evaluation.board import read_margins
    from hf_sne.pipelines.plots import margin_bars

    margins = read_margins(files)
    if not margins:
        raise typer.BadParameter("--figure draws by how much SNE is above other predictors, and none of these tells it")
    margin_bars(margins, figure)
    notes_console().print(Text(f"figure: {figure}"), soft_wrap=True)


def _file(source: str, scratch: Path) -> Path:
    from hf_sne.weights.files import path_exists
    from hf_sne.weights.hub import is_repo_id

    if path_exists(source) or source.endswith(".json") or source.startswith(".") or not is_repo_id(source):
        return Path(source)
    from hf_sne.hub.results import fetch_results

    return fetch_results(source, Path(mkdtemp(dir=scratch)))
