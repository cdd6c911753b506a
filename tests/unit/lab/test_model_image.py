"""The two ways to make the model's image agree, and what it is made of is pinned."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from chaos.lab.images import layers as image_layers
from chaos.lab.images import recipes
from chaos.lab.images.layers import INPUTS
from chaos.lab.images.recipes import MODEL_CONFIG, MODEL_IMAGE

LISTS = ("debian-packages.txt", "python-packages.txt", "weights-packages.txt", "busybox-applets.txt")


def dockerfile() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (INPUTS / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines]


def values(instruction: str) -> list[str]:
    """What follows each occurrence of an instruction."""
    return [value for name, value in dockerfile() if name == instruction]


def test_both_ways_run_the_same_program_as_the_same_user_on_the_same_port() -> None:
    """Entrypoint, user, port and environment are equal."""
    [entrypoint], [user], [port] = values("ENTRYPOINT"), values("USER"), values("EXPOSE")
    assert json.loads(entrypoint) == MODEL_CONFIG["Entrypoint"]
    assert user == MODEL_CONFIG["User"]
    assert list(MODEL_CONFIG["ExposedPorts"]) == [f"{port}/tcp"]
    assert values("ENV") == MODEL_CONFIG["Env"]


def test_both_ways_install_from_the_same_lists() -> None:
    """Each list is copied and used; nothing in the last stage is installed beside them."""
    copied = " ".join(values("COPY"))
    used = " ".join(values("RUN"))
    assert all(name in copied and f"/lists/{name}" in used for name in LISTS)
    last_stage = dockerfile()[[name for name, _ in dockerfile()].index("FROM", 1) :]
    installs = [value for name, value in last_stage if name == "RUN" and "apt-get install" in value]
    assert len(installs) == 1
    assert re.search(
        r"xargs --arg-file /lists/debian-packages.txt apt-get install --yes --no-install-recommends +&&", installs[0]
    )
    source = Path(recipes.__file__).read_text() + Path(image_layers.__file__).read_text()
    assert all(f'"{name}"' in source for name in LISTS)


def test_both_ways_put_things_in_the_same_places() -> None:
    """Packages, weights and server are where the environment says."""
    source = Path(recipes.__file__).read_text() + Path(image_layers.__file__).read_text()
    used = " ".join(values("RUN"))
    for place in ("/opt/python", "/opt/weights"):
        assert f"--target {place} " in used
        assert f'at="{place}"' in source
    assert "server /opt/server/server" in values("COPY")
    assert 'at="/opt/server"' in source


def test_python_packages_are_pinned_to_one_version_each() -> None:
    """A build a year from now installs the same."""
    for name in ("python-packages.txt", "weights-packages.txt"):
        lines = (INPUTS / name).read_text().splitlines()
        assert lines
        assert all(re.fullmatch(r"[a-z0-9_-]+==[0-9.]+", line) for line in lines), name


def test_the_python_is_debian_12_s() -> None:
    """Wheels are chosen for the Python that the list of Debian packages brings."""
    assert f"python{image_layers.PYTHON}-minimal" in (INPUTS / "debian-packages.txt").read_text().split()


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("server/chat.py", {"server"}),
        ("weights-packages.txt", {"weights"}),
        ("python-packages.txt", {"python"}),
        ("debian-packages.txt", {"base", "python", "server"}),
        ("Dockerfile", set()),
    ],
)
def test_a_changed_input_rebuilds_its_own_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changed: str, rebuilt: set[str]
) -> None:
    """Weights are not fetched again for a line of code; what Debian's Python compiled is compiled again with it."""
    inputs = tmp_path / "image"
    shutil.copytree(INPUTS, inputs)
    for module in (recipes, image_layers):
        monkeypatch.setattr(module, "INPUTS", inputs)
    before = recipes._model_keys()
    (inputs / changed).write_text((inputs / changed).read_text() + "\n# changed\n")
    after = recipes._model_keys()
    assert {name for name in before if before[name] != after[name]} == rebuilt


def test_the_image_is_named_for_the_lab_and_its_tag_is_its_contents() -> None:
    """A name that no registry has, with a tag that changes with the inputs."""
    assert re.fullmatch(r"lab\.local/gameday-model:[0-9a-f]{12}", MODEL_IMAGE)
