"""The command `gameday review`."""

from pathlib import Path
from typing import Annotated

import typer

from chaos.errors import one_line
from chaos.system.review import review

__all__ = ["review_command"]


def review_command(
    folder: Annotated[Path, typer.Argument(help="A folder of manifests, whatever made them.")],
) -> None:
    """Say what is unsound in manifests, with what to write, before they are deployed. Exit 1 if anything is."""
    lacks = review(folder)
    for lack in lacks:
        print(f"---\n# {one_line(lack.text)}")  # noqa: T201  # a command speaks on its streams
        if lack.patch:
            print(lack.manifest, end="")  # noqa: T201
    raise typer.Exit(1 if lacks else 0)
