"""The image of load workers: the code that the driver expects, and the packages of this environment."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loadgen.pod.contract
from chaos.lab.images.recipes import LOAD_CONFIG, load_image_name, pinned
from loadgen.pod.contract import PORT, code_digest, image_files

DOCKERFILE = Path(loadgen.pod.contract.__file__).with_name("Dockerfile")


def test_the_code_of_the_image_runs_by_itself(tmp_path: Path) -> None:
    """With nothing of the suite beside it: the pod's program starts, and says what it needs."""
    for name, path in image_files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, tmp_path / name)
    check = (
        "import chaos, sys; import loadgen.pod.server, loadgen.generator.locustfile\n"
        "from loadgen.pod.contract import code_digest\n"
        "print(chaos.__file__, code_digest(), sorted({'kubernetes', 'polars'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [str(tmp_path / "chaos/__init__.py"), code_digest(), "[]"]


def test_a_changed_line_makes_another_code_and_another_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver never works with pods of another version."""
    before = code_digest(), load_image_name()
    changed = tmp_path / "records.py"
    changed.write_text(image_files()["loadgen/records.py"].read_text() + "\n# changed\n")
    files = image_files() | {"loadgen/records.py": changed}
    monkeypatch.setattr("loadgen.pod.contract.image_files", lambda: files)
    monkeypatch.setattr("chaos.lab.images.recipes.image_files", lambda: files)
    assert code_digest() != before[0]
    assert load_image_name() != before[1]


def test_its_packages_are_those_that_are_installed_here_and_all_they_need() -> None:
    """Locust and what it imports, each once, in the installed version."""
    pins = dict(line.split("==") for line in pinned())
    assert pins["locust"] == importlib.metadata.version("locust")
    assert {"gevent", "geventhttpclient", "pydantic-core", "requests", "greenlet"} <= pins.keys()
    assert len(pins) == len(pinned())
    assert "polars" not in pins


def test_the_dockerfile_makes_the_same() -> None:
    """The same program, user, port and code."""
    text = DOCKERFILE.read_text()
    entrypoint = json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1])  # type: ignore[index]  # it is there
    assert [Path(word).name for word in entrypoint] == [Path(word).name for word in LOAD_CONFIG["Entrypoint"]]
    assert f"USER {LOAD_CONFIG['User']}" in text
    assert f"EXPOSE {PORT}" in text
    assert all(f"ENV {line}" in text for line in LOAD_CONFIG["Env"] if not line.startswith("PATH"))
    copied = " ".join(re.findall(r"^COPY (.*)$", text, re.MULTILINE))
    assert all(name in copied for name in image_files() if name.startswith("chaos/"))
    assert "loadgen /opt/load/loadgen" in copied
