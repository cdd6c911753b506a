"""The servers that are broken on purpose, as a container of the reference image runs them."""

from pathlib import Path

from chaos.lab.images.layers import PYTHON

__all__ = ["command_of"]


def command_of(program: str) -> tuple[str, ...]:
    """The command of a container: the image has nothing of them but a Python."""
    return (f"/usr/bin/python{PYTHON}", "-c", Path(__file__).with_name(f"{program}.py").read_text())
