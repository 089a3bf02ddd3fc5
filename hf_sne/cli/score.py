"""``hf-sne score``: checkpoints in, a ranking by predicted accuracy out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import track
from rich.text import Text

from hf_sne.cli.console import REFUSED, check_place, notes_console, results_console
from hf_sne.cli.encoder import AUTO, load_encoder
from hf_sne.cli.sources import expand_folders
from hf_sne.escape import ascii_json, visible
from hf_sne.optional import require

if TYPE_CHECKING:
    from hf_sne.pipelines import WeightPerformancePipeline
    from hf_sne.pipelines.report import Row


def score_command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH_OR_REPO",
            help="Files, folders, Hub repo ids, or hf://owner/name/file; a folder may hold many files.",
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Encoder to score with: folder or Hub repo id. Default: the built-in one.")
    ] = None,
    model_revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of --model.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the Hub repos to score.")] = None,
    device: Annotated[str, typer.Option(help="auto (a GPU when there is one), cpu, cuda or cuda:N.")] = AUTO,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Also read torch pickles (.pt, .pth, .bin, .ckpt), confined.")
    ] = False,
    max_parameters: Annotated[
        int | None,
        typer.Option(
            min=1, help="Read no more numbers of a checkpoint, of some units of each layer; on the Hub by ranges."
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Tell what each layer adds to the score (not which one the accuracy would miss most), and the "
            "nearest networks of the zoos.",
        ),
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the explanations as bars into this PNG, of the best 20; needs --explain.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page to look at, explained (four scores a layer), into this .html.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse networks unlike those that the encoder was trained on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Full results as JSON, in the order given.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="One CSV row a checkpoint, in the order given.")] = False,
) -> None:
    """Predict the test accuracy of each checkpoint from its weights alone, and rank them.

    Exit code: 0 all scored, 1 some refused, 2 the command cannot be run as typed.
    """
    _check_forms(as_json=as_json, as_csv=as_csv, explain=explain)
    _check_places(figure, html, explain=explain)
    if model_revision and not model:
        raise typer.BadParameter("--model-revision needs --model")
    pipe = load_encoder(model, model_revision, device)
    options = {
        "revision": revision,
        "allow_pickle": allow_pickle,
        "max_parameters": max_parameters,
        "explain": explain or html is not None,
        "strict": strict,
    }
    results = _score(pipe, _expanded(sources, allow_pickle), options)
    from hf_sne.pipelines.report import to_csv, to_rows

    rows = to_rows(results)
    _tell_what_came(results)
    if as_json:
        typer.echo(ascii_json(results))
    elif as_csv:
        typer.echo(to_csv(rows), nl=False)
    else:
        _print_tables(rows)
        _print_explanations(results if explain else [])
    _write_files(results, figure, html)
    if any(row["error"] is not None for row in rows):
        raise typer.Exit(REFUSED)


def _check_forms(*, as_json: bool, as_csv: bool, explain: bool) -> None:
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other")
    if explain and as_csv:
        raise typer.BadParameter("--explain and --csv exclude each other: explanations are in tables and in --json")


def _check_places(figure: Path | None, html: Path | None, *, explain: bool) -> None:
    """Before the work what would be found after it."""
    if html:
        check_place(html, "--html", ".html")
    if not figure:
        return
    if not explain:
        raise typer.BadParameter("--figure needs --explain: explanations are what it draws")
    check_place(figure, "--figure", ".png")
    require("matplotlib", "drawing", "plot")


def _expanded(sources: Sequence[str], allow_pickle: bool) -> list[str]:
    found, notes = expand_folders(sources, allow_pickle)
    for note in notes:
        notes_console().print(Text(note), soft_wrap=True)
    return found


def _score(pipe: "WeightPerformancePipeline", sources: Sequence[str], options: dict[str, Any]) -> list[Any]:
    """One result or refusal a source, in order; a progress bar where standard error is a terminal."""
    console = notes_console()
    scored = track(
        pipe.iterate(sources, **options),
        "Scoring",
        total=len(sources),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    return list(scored)


def _print_explanations(results: Sequence[Any]) -> None:
    from hf_sne.pipelines.bars import most_of
    from hf_sne.pipelines.report import explanation_table, headline, neighbour_table

    explained = _explained(results)
    most = most_of(explained)
    for result in explained:
        results_console().print(headline(result), soft_wrap=True)
        results_console().print(explanation_table(result, most))
        results_console().print(neighbour_table(result))


def _explained(results: Sequence[Any]) -> list[Any]:
    """Those with explanations, the best first."""
    return sorted((result for result in results if "layers" in result), key=lambda result: -result["score"])


def _tell_what_came(results: Sequence[Any]) -> None:
    """Of checkpoints that were read on the Hub, in part or whole."""
    for result in results:
        fetched = result["coverage"]["bytes_fetched"] if "coverage" in result else None
        if fetched is not None:
            read = f"{fetched:,} bytes fetched, {result['coverage']['fraction']:.1%} of the parameters read"
            notes_console().print(Text(f"{visible(result['checkpoint']['source'])}: {read}"), soft_wrap=True)


def _write_files(results: Sequence[Any], figure: Path | None, html: Path | None) -> None:
    explained = _explained(results)
    if figure and explained:
        from hf_sne.pipelines.plots import MAX_PANELS, attribution_bars

        attribution_bars(explained, figure)
        some = f", the best {MAX_PANELS} of {len(explained)}" if len(explained) > MAX_PANELS else ""
        notes_console().print(Text(f"figure: {figure}{some}"), soft_wrap=True)
    if html:
        from hf_sne.pipelines.html_report import html_page

        html.write_text(html_page(results), encoding="utf-8")
        notes_console().print(Text(f"page: {html}"), soft_wrap=True)


def _print_tables(rows: "Sequence[Row]") -> None:
    from hf_sne.pipelines.report import ranked, refusal_table, score_table

    console = results_console()
    best_first = ranked(rows)
    if best_first:
        console.print(score_table(best_first))
    if len(best_first) < len(rows):
        console.print(refusal_table(rows))
