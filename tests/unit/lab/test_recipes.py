"""The images agree with their Dockerfiles, and what they are made of is pinned."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import loadgen.pod.contract
from chaos.lab.images import layers as image_layers
from chaos.lab.images import recipes
from chaos.lab.images.layers import INPUTS
from chaos.lab.images.recipes import LOAD_CONFIG, MODEL_CONFIG, MODEL_IMAGE, load_image_name, pinned
from loadgen.pod.contract import PORT, code_digest, image_files

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
