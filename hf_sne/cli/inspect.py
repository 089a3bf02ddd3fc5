"""``hf-sne inspect``: what would be read of a checkpoint, layer by layer, without scoring it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from hf_sne.cards import counted
from hf_sne.cli.console import REFUSED, notes_console, print_error, results_console
from hf_sne.errors import HfSneError
from hf_sne.escape import ascii_json, visible

if TYPE_CHECKING:
    from hf_sne.weights import Checkpoint


def inspect_command(
    source: Annotated[
        str, typer.Argument(metavar="PATH_OR_REPO", help="A file, a folder, a Hub repo id, or hf://owner/name/file.")
    ],
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a Hub repo.")] = None,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Also read a torch pickle (.pt, .pth, .bin, .ckpt), confined.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
) -> None:
    """Show what would be read of a checkpoint, layer by layer, and what is skipped and why.

    Exit code: 0 readable, 1 refused, 2 the command cannot be run as typed.
    """
    with notes_console().status("Reading"):
        from hf_sne.weights import open_checkpoint

        try:
            with open_checkpoint(source, revision=revision, allow_pickle=allow_pickle) as checkpoint:
                described = _describe(checkpoint)
        except HfSneError as error:
            print_error(error)
            raise typer.Exit(REFUSED) from None
    if as_json:
        typer.echo(ascii_json(described))
    else:
        _print_tables(described)


def _describe(checkpoint: "Checkpoint") -> dict[str, Any]:
    """Layers in reading order, each with its tensors, and coverage, as plain data."""
    layers = []
    for layer in checkpoint.layers:
        tensors = {kind: tensor for kind in ("weight", "bias") if (tensor := getattr(layer, kind)) is not None}
        layers.append(
            {
                "name": layer.name,
                "role": str(layer.role),
                "parameters": sum(tensor.numel for tensor in tensors.values()),
                "tensors": {
                    kind: {"name": tensor.name, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}
                    for kind, tensor in tensors.items()
                },
            }
        )
    origin = {"source": checkpoint.source, "commit": checkpoint.commit}
    return {"checkpoint": origin, "layers": layers, "coverage": checkpoint.coverage()}


def _print_tables(described: dict[str, Any]) -> None:
    console = results_console()
    coverage = described["coverage"]
    console.print(_layer_table(described))
    if coverage["skipped"]:
        console.print(_skipped_table(coverage["skipped"]))
    console.print(
        f"{coverage['parameters_read']:,} of {coverage['parameters_total']:,} parameters read "
        f"({coverage['fraction']:.1%}) in {counted(len(described['layers']), 'layer')}"
    )


def _layer_table(described: dict[str, Any]) -> Table:
    table = Table(title=Text(visible(described["checkpoint"]["source"])))
    for heading in ("layer", "role", "weight", "bias", "dtype"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right")
    for layer in described["layers"]:
        tensors = layer["tensors"]
        shapes = ["x".join(map(str, tensors[kind]["shape"])) if kind in tensors else "-" for kind in ("weight", "bias")]
        dtypes = dict.fromkeys(tensor["dtype"] for tensor in tensors.values())
        cells = (layer["name"], layer["role"], *shapes, ", ".join(dtypes), f"{layer['parameters']:,}")
        table.add_row(*(Text(visible(cell)) for cell in cells))
    return table


def _skipped_table(skipped: list[dict[str, Any]]) -> Table:
    table = Table(title="Skipped")
    table.add_column("tensor", overflow="fold")
    table.add_column("why", overflow="fold")
    table.add_column("elements", justify="right")
    for item in skipped:
        table.add_row(Text(visible(item["name"])), Text(visible(item["reason"])), f"{item['elements']:,}")
    return table
