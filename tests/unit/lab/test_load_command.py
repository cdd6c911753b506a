"""`gameday lab load`: what it takes, and how an image is found in a host's containerd, with a stand-in for ctr."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chaos.cli import app
from chaos.errors import LabError
from chaos.lab.images import containerd_root
from chaos.lab.images.containerd_root import export_image, has_image, import_image
from chaos.lab.images.oci import image_targets, layer_from_folder, write_image

CTR = """#!/bin/sh
echo "$*" >> "$0.log"
space=$4
case "$*" in
  *"namespaces list"*) printf 'default\\nk8s.io\\nmoby\\n';;
  *"images list"*) [ "$space" = moby ] && echo docker.io/library/chat:1; true;;
  *"images export"*) for out; do last=$file; file=$out; done; touch "$last";;
  *"images check"*) printf '%s\\n' 'REF TYPE STATUS UNPACKED' 'a:1 t complete true' 'b:1 t incomplete false';;
esac
"""


@pytest.fixture
def ctr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ctr that has one image, in one of its namespaces; what it was told."""
    program = tmp_path / "bin" / "ctr"
    program.parent.mkdir()
    program.write_text(CTR)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{Path('/usr/bin')}:/bin")
    monkeypatch.setattr(containerd_root, "architecture", lambda: "amd64")
    return Path(f"{program}.log")


def test_an_image_is_found_in_whatever_namespace_it_is(ctr: Path, tmp_path: Path) -> None:
    """Kubernetes' own is asked first; only this machine's platform is written."""
    export_image(Path("/run/x.sock"), "docker.io/library/chat:1", tmp_path / "out.tar")
    told = ctr.read_text().splitlines()
    assert [line.split()[3] for line in told if "images list" in line] == ["k8s.io", "default", "moby"]
    assert told[-1].endswith(f"moby images export --platform linux/amd64 {tmp_path}/out.tar docker.io/library/chat:1")
    assert all(line.startswith("--address /run/x.sock") for line in told)


@pytest.mark.usefixtures("ctr")
def test_one_that_is_in_none_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    """A part of a name is another name."""
    with pytest.raises(LabError, match=r"no image docker\.io/library/chat in any .*default, k8s\.io, moby"):
        export_image(Path("/run/x.sock"), "docker.io/library/chat", tmp_path / "out.tar")


@pytest.mark.usefixtures("ctr")
def test_only_an_image_that_is_whole_is_there() -> None:
    """A half one could not be started."""
    assert [has_image(Path("/run/x.sock"), name) for name in ("a:1", "b:1", "c:1")] == [True, False, False]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "takes one image"),
        (["x.tar", "--from-containerd", "chat"], "takes one image"),
        (["--from-containerd", "chat", "--name", "b:1"], "--name goes with FILE.tar"),
    ],
)
def test_one_image_is_named_in_one_way(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else nothing is read, and no lab is asked for."""
    monkeypatch.setattr(sys, "argv", ["gameday", "lab", "load", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("digest", "imported"), [("same", False), ("another", True)])
def test_a_tag_that_was_built_anew_is_imported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digest: str, *, imported: bool
) -> None:
    """The same image is not; either way it is seen to be whole in the end."""
    layer = tmp_path / "layer.tar"
    layer_from_folder(tmp_path, layer)
    image = tmp_path / "image.tar"
    write_image(image, name="a:1", layers=[layer], config={})
    (target,) = image_targets(image).values()
    told: list[tuple[str, ...]] = []

    def ctr(_socket: Path, *words: str, deadline_s: float = 0) -> str:
        told.append(words)
        there = target if digest == "same" or ("images", "import") in [one[:2] for one in told] else "sha256:0"
        return f"REF TYPE DIGEST STATUS UNPACKED\na:1 t {there} complete true\n"

    monkeypatch.setattr(containerd_root, "_ctr", ctr)
    import_image(tmp_path / "x.sock", image)
    assert (("images", "import") in [one[:2] for one in told]) is imported
