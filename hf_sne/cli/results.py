"""``hf-sne results``: results files as tables."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from hf_sne.cli.console import results_console
from hf_sne.escape import visible


def results_command(
    files: Annotated[list[Path], typer.Argument(metavar="RESULTS.json...", help="As recipes/*/results hold them.")],
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Markdown instead of a table to look at.")] = False,
) -> None:
    """Show results of trainings and comparisons as tables, each figure with its 95 % interval."""
    from rich.box import SIMPLE_HEAD

    from hf_sne.evaluation.board import read_boards

    for board in read_boards(files):
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
