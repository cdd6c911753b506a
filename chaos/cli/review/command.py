"""The command `gameday review`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from chaos.cli.review.data import as_json, as_sarif
from chaos.cli.review.github import annotations, markdown
from chaos.cli.review.text import show
from chaos.review import SEVERITIES, Review, review

__all__ = ["review_command"]

FailOn = Literal["error", "warning", "note", "never"]


def review_command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Files or folders of manifests; - is standard input.")
    ],
    *,
    form: Annotated[
        Literal["text", "json", "sarif", "github", "markdown"],
        typer.Option("--format", help="sarif: code scanning; github: annotations; markdown: the summary of a job."),
    ] = "text",
    fail_on: Annotated[FailOn, typer.Option(help="The least severity for which the exit code is 1.")] = "error",
) -> None:
    """Say what is unsound in manifests before they are deployed, with patches. Asks no cluster.

    `helm template … | gameday review -` and `kustomize build … | gameday review -` review what these make.
    """
    found = review(paths)
    if form == "text":
        show(found, Console())
    elif form == "markdown":
        print(markdown(found), end="")  # noqa: T201  # a command speaks on its streams
    elif form == "json":
        print(as_json(found), end="")  # noqa: T201
    else:
        write = as_sarif if form == "sarif" else annotations
        print(write(found, Path.cwd()), end="")  # noqa: T201
    raise typer.Exit(1 if _fails(found, fail_on) else 0)


def _fails(found: Review, fail_on: FailOn) -> bool:
    """Whether any finding is at least as grave."""
    if fail_on == "never":
        return False
    grave = SEVERITIES[: SEVERITIES.index(fail_on) + 1]
    return any(one.severity in grave for one in found.findings)
