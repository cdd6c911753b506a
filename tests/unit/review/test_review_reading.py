"""The review reads what people have, goes on after a mistake, and counts what it passes over."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from review_stories import service_of, workload_of

from chaos.errors import UsageError
from chaos.review import Review, review

DEPLOYMENT, SERVICE, BUDGET = service_of()
TEMPLATE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "chat.fullname" . }}
spec:
  {{- if not .Values.autoscaling.enabled }}
  replicas: {{ .Values.replicaCount }}
  {{- end }}
"""
BROKEN = "apiVersion: v1\nkind: Service\nmetadata: {name: x\nspec: ]\n"


def of_text(folder: Path, text: str | bytes, name: str = "all.yaml") -> Review:
    """The review of one file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return review([str(folder)])


def rules(found: Review) -> list[str]:
    """The names of the rules that were broken, in order."""
    return [one.rule for one in found.findings]


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump_all([DEPLOYMENT, None, SERVICE, BUDGET]),
        yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [DEPLOYMENT, SERVICE, BUDGET]}),
        json.dumps({"kind": "List", "items": [DEPLOYMENT, SERVICE, BUDGET]}, indent="\t"),
        json.dumps([DEPLOYMENT, SERVICE, BUDGET]),
        "\n".join(json.dumps(one, indent=1) for one in (DEPLOYMENT, SERVICE, BUDGET)),
        "\ufeff" + yaml.safe_dump_all([DEPLOYMENT, SERVICE, BUDGET]).replace("\n", "\r\n"),
        "%YAML 1.1\n---\n" + "\n--- # next\n".join(yaml.safe_dump(one) for one in (DEPLOYMENT, SERVICE, BUDGET)),
        "---\n".join("\ufeff" + yaml.safe_dump(one) for one in (DEPLOYMENT, SERVICE, BUDGET)),
    ],
    ids=[
        "documents",
        "a List",
        "JSON with tabs",
        "a JSON array",
        "a stream of JSON",
        "a byte order mark and CRLF",
        "directives and comments",
        "files put together",
    ],
)
def test_a_sound_set_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    """Nothing is found in it, and nothing passed over."""
    assert of_text(tmp_path, text) == Review(())


def test_typed_lists_and_utf_16_are_read(tmp_path: Path) -> None:
    """As clients and editors of other systems write them."""
    bare = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in (DEPLOYMENT,)]
    lists = [{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": bare}, SERVICE, BUDGET]
    assert of_text(tmp_path, yaml.safe_dump_all(lists).encode("utf-16")) == Review(())


def test_folders_below_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    """What belongs together may lie apart; `.git` and the like hold nobody's manifests."""
    of_text(tmp_path, yaml.safe_dump(DEPLOYMENT), "base/deployment.yaml")
    of_text(tmp_path, yaml.safe_dump(SERVICE), "base/deep/service.yml")
    of_text(tmp_path, BROKEN, ".github/workflow.yaml")
    assert of_text(tmp_path, json.dumps(BUDGET), "budget.json") == Review(())


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `helm template` and `kustomize build` print comes by a pipe; its findings say so."""
    text = yaml.safe_dump_all([DEPLOYMENT, SERVICE]).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    (one,) = review(["-"]).findings
    assert (one.rule, one.path, one.line) == ("budget-missing", "-", 1)


def test_a_finding_names_its_file_and_the_line_of_its_document(tmp_path: Path) -> None:
    """In a file of several documents, and of a List, the line is that of the object."""
    text = yaml.safe_dump_all([SERVICE, workload_of(), {**BUDGET, "spec": {"maxUnavailable": 0}}])
    found = of_text(tmp_path, text)
    lines = text.split("\n")
    for one in found.findings:
        kind = one.object.split()[0]
        assert one.path == str(tmp_path / "all.yaml")
        assert lines[one.line - 1] == "apiVersion: policy/v1", kind
    listed = yaml.safe_dump({"kind": "List", "items": [SERVICE, workload_of()]})
    (missing,) = of_text(tmp_path, listed).findings
    assert listed.split("\n")[missing.line - 1] == "- apiVersion: apps/v1"


def test_a_broken_document_is_told_and_the_others_are_reviewed(tmp_path: Path) -> None:
    """Never a traceback, never a stop at the first mistake."""
    found = of_text(tmp_path, "---\n".join([BROKEN, *map(yaml.safe_dump, (DEPLOYMENT, SERVICE))]))
    assert rules(found) == ["document-unreadable", "budget-missing"]
    assert "all.yaml cannot be read: line " in found.findings[0].sentence


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\napiVersion: v1\nkind: x\n",
        "apiVersion: v1\nkind: !!python/object:os.system x\n",
        "apiVersion: v1\nkind: List\nitems: {a: [1, {b: c}]}\n",
        "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: [x]}\nspec: []\n",
        (
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: x}\n"
            "spec: {template: {spec: {containers: [1, {image: 2, ports: 3, env: [4]}]}}}\n"
        ),
        "kind: [Deployment]\napiVersion: {v: 1}\nmetadata: {name: x, labels: [y], annotations: z}\n",
        "apiVersion: v1\nkind: x\nwhen: 2020-99-99\n",
        "apiVersion: v1\nkind: x\nwhen: !!timestamp soon\n",
        "apiVersion: v1\nkind: x\nwhen: 0001-01-01T00:00:00+10:00\n",
        "apiVersion: v1\nkind: x\nready: !!bool maybe\n",
        'apiVersion: v1\nkind: x\ncount: !!int ""\n',
        "apiVersion: v1\nkind: x\na: " + "[" * 100_000,
        "apiVersion: v1\nkind: x\na:\n" + "- " * 100_000,
        "[" * 100_000,
        "\x00\x01\x02",
        "",
    ],
)
def test_whatever_is_read_there_is_no_traceback(tmp_path: Path, text: str) -> None:
    """Anybody may propose a change to the manifests under review."""
    found = of_text(tmp_path, "\n---\n".join([text, *map(yaml.safe_dump, (DEPLOYMENT, SERVICE))]))
    assert "budget-missing" in rules(found)


def test_plain_scalars_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    """A time of day, a date and the sign `=` are text to go-yaml: nothing is wrong with them."""
    written = workload_of(container={"args": ["x0", "x1", "x2", "x3"]})
    text = yaml.safe_dump_all([written, SERVICE, BUDGET])
    for name, plain in (("x0", "22:22"), ("x1", "2020-99-99"), ("x2", "="), ("x3", "10:30.5")):
        text = text.replace(f"- {name}\n", f"- {plain}\n")
    assert "- =\n" in text
    assert of_text(tmp_path, text) == Review(())


def test_aliases_that_mean_more_than_fits_are_refused(tmp_path: Path) -> None:
    """Nine lines of nine aliases each are a billion parts."""
    lines = ["apiVersion: v1", "kind: x", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert rules(of_text(tmp_path, "\n".join(lines))) == ["document-unreadable"]


@pytest.mark.parametrize(
    ("name", "chart"),
    [("deployment.yaml", "CHART"), ("chat/templates/deployment.yaml", "{folder}/chat")],
)
def test_a_template_is_told_with_the_command_that_renders_it(tmp_path: Path, name: str, chart: str) -> None:
    """Nobody can review what is not rendered, and to pass it over would look like praise."""
    found = of_text(tmp_path, TEMPLATE, name)
    (one,) = found.findings
    assert (one.rule, one.severity) == ("template-unrendered", "error")
    assert f"helm template NAME {chart.format(folder=tmp_path)} | gameday review -" in one.sentence


def test_a_template_of_another_program_is_no_chart(tmp_path: Path) -> None:
    """A chat template, an alert's text or a placeholder in quotes is a value like any other."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"t": '{{ include "x" . }}'}}
    said = workload_of(container={"args": ["--chat-template", "{{ messages }}"]})
    assert rules(of_text(tmp_path, yaml.safe_dump_all([said, SERVICE, BUDGET, config]))) == []


def test_a_chart_is_told_once_and_not_read(tmp_path: Path) -> None:
    """Its values and templates are no manifests."""
    of_text(tmp_path, "name: chat\n", "chat/Chart.yaml")
    of_text(tmp_path, "replicas: 1\n", "chat/values.yaml")
    found = of_text(tmp_path, TEMPLATE, "chat/templates/all.yaml")
    assert rules(found) == ["template-unrendered"]
    assert f"helm template NAME {tmp_path}/chat" in found.findings[0].sentence


def test_a_kustomization_is_told_and_its_resources_are_reviewed(tmp_path: Path) -> None:
    """Its patches are parts of other objects, and nothing to review."""
    part: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {}}
    built = {"kind": "Kustomization", "resources": ["all.yaml"], "patches": [{"path": "part.yaml"}]}
    of_text(tmp_path, yaml.safe_dump(built), "kustomization.yaml")
    of_text(tmp_path, yaml.safe_dump(part), "part.yaml")
    found = of_text(tmp_path, yaml.safe_dump_all([DEPLOYMENT, SERVICE]))
    assert sorted(rules(found)) == ["budget-missing", "kustomization-unbuilt"]
    assert f"kustomize build {tmp_path} | gameday review -" in " ".join(one.sentence for one in found.findings)


def test_an_image_that_a_kustomization_tags_names_its_version(tmp_path: Path) -> None:
    """In the manifest it has none, or the latest, for the kustomization to put its own there."""
    built: dict[str, Any] = {
        "kind": "Kustomization",
        "images": [{"name": "registry.example:5000/chat", "newTag": "v2"}],
    }
    of_text(tmp_path, yaml.safe_dump(built), "overlay/kustomization.yaml")
    for image, told in (("registry.example:5000/chat", []), ("registry.example:5000/chat:latest", []), ("chat", [1])):
        found = of_text(tmp_path, yaml.safe_dump_all(service_of(container={"image": image})), "base/all.yaml")
        assert [1 for one in rules(found) if one == "image-unpinned"] == told


def test_what_no_rule_is_about_is_counted(tmp_path: Path) -> None:
    """Kinds of the cluster and of others are passed over; what makes pods unseen is named."""
    kinds = ("ClusterRole", "ConfigMap", "ConfigMap", "PersistentVolume")
    others = [{"apiVersion": "v1", "kind": kind, "metadata": {"name": f"n{n}"}} for n, kind in enumerate(kinds)]
    others += [
        {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": {"name": "lws"},
            "spec": {},
        },
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "ds"}, "spec": {"selector": {}}},
    ]
    found = of_text(tmp_path, yaml.safe_dump_all([*service_of(others=others), {"a": 1}]))
    assert found.findings == ()
    assert "passed over 1 document that is no Kubernetes object" in found.notes
    assert "passed over 4 objects that no rule is about: 1 ClusterRole, 2 ConfigMap, 1 PersistentVolume" in found.notes
    assert [note.split(" is ")[0] for note in found.notes if "is not reviewed" in note] == [
        "LeaderWorkerSet lws",
        "DaemonSet ds",
    ]


def test_each_of_several_workloads_is_reviewed_in_its_namespace(tmp_path: Path) -> None:
    """Objects of the same name in two namespaces are two, and a repeated one is passed over."""
    placed = [
        {**one, "metadata": {"name": "chat", "namespace": place}} for place in "ab" for one in (DEPLOYMENT, SERVICE)
    ]
    found = of_text(tmp_path, yaml.safe_dump_all([*placed, placed[0]]))
    assert [(one.rule, one.object) for one in found.findings] == [
        ("budget-missing", "Deployment chat in namespace a"),
        ("budget-missing", "Deployment chat in namespace b"),
    ]
    patches = [yaml.safe_load(one.patch)["metadata"] for one in found.findings]
    assert patches == [{"name": "chat", "namespace": "a"}, {"name": "chat", "namespace": "b"}]
    assert any("repeat an object" in note for note in found.notes)


def test_nothing_to_review_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    """An empty folder and a path that is not there are no praise."""
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="there is no"):
            review([str(path)])


def test_a_link_to_a_device_is_not_read(tmp_path: Path) -> None:
    """A pull request may hold a link to what never ends."""
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    (tmp_path / "kustomization.yaml").symlink_to("/dev/zero")
    found = of_text(tmp_path, yaml.safe_dump_all([DEPLOYMENT, SERVICE, BUDGET]))
    assert found == Review((), ("passed over 2 files that are no text",))


@pytest.mark.parametrize("text", ["[" * 100_000, "patches: " + "[" * 100_000, "patches: 3\n", "- x\n", "\x00"])
def test_a_strange_kustomization_is_told_all_the_same(tmp_path: Path, text: str) -> None:
    """What it changes cannot be read; what stands beside it can."""
    (tmp_path / "kustomization.yaml").write_text(text)
    found = of_text(tmp_path, yaml.safe_dump_all([DEPLOYMENT, SERVICE, BUDGET]))
    assert rules(found) == ["kustomization-unbuilt"]
