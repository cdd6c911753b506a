"""docs/architecture.md and its picture name what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "architecture.md").read_text()
PICTURE = (ROOT / "docs" / "house.svg").read_text()


def test_every_path_exists() -> None:
    """Where a reader is sent, there is something."""
    paths = re.findall(r"`((?:chaos|loadgen|reports)/[\w/.]*)`", TEXT)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_picture_shows_every_package() -> None:
    """A package that is added is drawn, and one that goes is taken out."""
    there = {f"chaos.{path.parent.name}" for path in (ROOT / "chaos").glob("*/__init__.py")} | {"loadgen", "reports"}
    drawn = set(re.findall(r'font-weight="bold">([\w.]+)<', PICTURE)) - {"scenarios", "chaos.slo"}
    assert drawn == there
