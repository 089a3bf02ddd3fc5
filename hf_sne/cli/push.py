"""``hf-sne push``: a zoo, a predictor, results or a metric to the Hub, with its card."""

from typing import Annotated

import typer

from hf_sne.cli.console import notes_console, results_console


def push_command(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Folder of a zoo or a predictor, results, or the name of a metric.")
    ],
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="Repository on the Hub; made if it is not there.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch to push to; default: main.")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose it as a pull request.")] = False,
    space: Annotated[
        bool, typer.Option("--space", help="Publish a page to try a predictor on; SOURCE is its Hub id.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, send nothing.")] = False,
) -> None:
    """Publish a zoo, a predictor, results or a metric on the Hub, with a card that is written from the thing itself.

    A zoo and results go to a data set, a predictor to a model, and a metric to a Space; with --space a Space is made on
    which a predictor that is on the Hub can be tried out. The token is the one of hf auth login, or HF_TOKEN.
    """
    with notes_console().status("Preparing"):
        from transformers.utils import logging

        from hf_sne.hub import Destination, push

        logging.disable_progress_bar()
        destination = Destination(repo, private=private, revision=revision, create_pr=create_pr)
    told = push(source, destination, space=space, dry_run=dry_run)
    results_console().print(told, highlight=False, markup=False, soft_wrap=True)
