"""What a review found, as GitHub shows it: annotations of a pull request, and the summary of a job."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_words import steers
from review_findings import WORDS, finding, hostile

from chaos.cli.review.github import annotations, markdown
from chaos.review import Review

ROOT = Path("/checkout")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """A command as the runner of GitHub reads it. Source: actions/runner, src/Runner.Common/ActionCommand.cs."""
    head, data = line.removeprefix("::").split("::", 1)
    name, _, written = head.partition(" ")
    properties = dict(one.split("=", 1) for one in written.split(",") if one)
    signs = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    for code, sign in signs.items():
        properties = {key: value.replace(code, sign) for key, value in properties.items()}
        data = data if sign in ":," else data.replace(code, sign)
    return name, properties, data


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Every command of a job's log."""
    return [read(line) for line in text.split("\n") if line.lstrip().startswith("::")]


def test_each_finding_is_a_command_of_its_severity() -> None:
    """The worst first; the file, the line, the rule as title; and the reason with the patch in several lines."""
    note = finding(severity="note", patch="", sums=())
    first, second, third = commands(annotations(Review((note, finding(severity="warning"), finding())), ROOT))
    assert (first[0], second[0], third[0]) == ("error", "warning", "notice")
    assert first[1] == {"file": "deploy/chat.yaml", "line": "12", "title": "startup-probe-missing"}
    assert first[2] == (
        "Deployment chat in namespace prod: no startup probe: liveness ends every start over 40 s\n"
        "initialDelaySeconds 10 + periodSeconds 10 * failureThreshold 3 = 40 s\n"
        "To mend it:\n"
        "apiVersion: apps/v1\n"
        "kind: Deployment"
    )
    assert third[2] == "Deployment chat in namespace prod: no startup probe: liveness ends every start over 40 s"


def test_signs_that_end_a_property_or_a_line_are_escaped() -> None:
    """Per cent, colon, comma and both ends of a line arrive as they were; a colon in the text is left as it is."""
    odd = finding(path="a,b:c%2C.yaml", rule="r:1,2%\r\n3", sentence="50 %: yes,\r\n no", sums=(), patch="")
    text = annotations(Review((odd,)), ROOT)
    assert text.startswith(
        "::error file=a%2Cb%3Ac%252C.yaml,line=12,title=r%3A1%2C2%25%0D%0A3::"
        "Deployment chat in namespace prod: 50 %25: yes,%0D%0A no\n"
    )
    ((_, properties, data),) = commands(text)
    assert (properties["file"], properties["title"]) == ("a,b:c%2C.yaml", "r:1,2%\r\n3")
    assert data == "Deployment chat in namespace prod: 50 %: yes,\r\n no"


@pytest.mark.parametrize(
    ("path", "file"),
    [("/checkout/deploy/a.yaml", "deploy/a.yaml"), ("./deploy//a.yaml", "deploy/a.yaml"), ("a b.yaml", "a b.yaml")],
)
def test_a_file_is_named_from_the_root_of_the_repository(path: str, file: str) -> None:
    """Or else its annotation is not shown beside its lines."""
    ((_, properties, _),) = commands(annotations(Review((finding(path=path),)), ROOT))
    assert properties["file"] == file


def test_standard_input_has_no_file() -> None:
    """An annotation then belongs to the whole job."""
    ((_, properties, _),) = commands(annotations(Review((finding(path="-"),)), ROOT))
    assert properties == {"title": "startup-probe-missing"}


@pytest.mark.parametrize("text", WORDS)
def test_no_word_of_a_manifest_makes_a_command_of_its_own(text: str) -> None:
    """One finding is one command of known properties, whatever its words; all other lines are plain."""
    said = annotations(hostile(text), ROOT)
    ((name, properties, _),) = commands(said)
    assert name == "error"
    assert set(properties) == {"file", "line", "title"}
    first, *others = said.split("\n")
    assert first.startswith("::error file=")
    assert first.isprintable()
    assert "##" not in first
    assert steers("\n".join(others)) == []
    said.encode()


def cells(text: str) -> list[int]:
    """How many bars of a table stand in each line outside of code."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.split("\n")]


def test_a_summary_has_a_table_and_the_patches() -> None:
    """Whole, for one finding: the counts, its row with a link to the document, its patch, and what was passed over."""
    assert markdown(Review((finding(),), ("1 object of another kind was passed over: Ingress 1",))) == (
        "### gameday review: 1 error, 0 warnings, 0 notes\n"
        "\n"
        "| severity | rule | where | what |\n"
        "| --- | --- | --- | --- |\n"
        "| error | [startup-probe-missing](https://kubernetes.io/docs/concepts/configuration/"
        "liveness-readiness-startup-probes/) | deploy/chat.yaml:12 | Deployment chat in namespace prod: "
        "no startup probe: liveness ends every start over 40 s<br>"
        "initialDelaySeconds 10 \\+ periodSeconds 10 \\* failureThreshold 3 = 40 s |\n"
        "\n"
        "To mend startup-probe-missing of Deployment chat in namespace prod:\n"
        "\n"
        "```yaml\n"
        "apiVersion: apps/v1\n"
        "kind: Deployment\n"
        "```\n"
        "\n"
        "1 object of another kind was passed over: Ingress 1\n"
    )


def test_a_summary_of_nothing_is_a_heading() -> None:
    """No empty table."""
    assert markdown(Review(())) == "### gameday review: 0 errors, 0 warnings, 0 notes\n\n"


@pytest.mark.parametrize("text", WORDS)
def test_no_word_of_a_manifest_is_more_than_text_in_a_summary(text: str) -> None:
    """As many lines and cells as with plain words; no element, no link, no code, nobody is called."""
    said, plain = markdown(hostile(text)), markdown(hostile("x"))
    assert cells(said) == cells(plain)
    assert steers(said.replace("\u200b", "")) == []  # which keeps a sign and a name apart
    outside = re.sub(r"\\.", "", said.replace("<br>", "").split("```yaml")[0])
    assert not re.search(r"[<>`\[\]]", outside)
    assert not re.search(r"[@#]\w", said)
    said.encode()


@pytest.mark.parametrize("text", ["``` \n<img src=x>", "~~~~", "a\n`````\nb", "`"])
def test_no_patch_ends_its_block_of_code(text: str) -> None:
    """The fence is longer than any in the patch, and closes once, after all of it."""
    said = markdown(Review((finding(patch=f"a: |\n {text}\n"),)))
    opening = re.search(r"^(`{3,})yaml\n", said, re.MULTILINE)
    assert opening is not None
    inside, rest = said[opening.end() :].split(f"\n{opening[1]}\n")
    assert f"\n {text}" in f"\n{inside}\n"
    assert rest == ""
    assert opening[1] not in inside


def test_a_long_summary_says_what_it_leaves_out() -> None:
    """GitHub shows none of more than 1 MiB: two hundred findings are shown, the worst, and the rest is counted."""
    many = tuple(finding(severity="note", line=line) for line in range(1, 302))
    said = markdown(Review((*many, finding(line=999))))
    assert said.count("\n| note |") == 199
    assert "deploy/chat.yaml:999" in said
    assert "and 102 findings more; `--format json` has them all" in said
    assert len(said.encode()) < 1 << 20


def test_what_is_silenced_is_told_with_its_reason() -> None:
    """In both: a reader of the pull request sees what its author waved through."""
    silenced = Review((), (), ((finding(rule="replicas-one"), "a batch job"),))
    line = "silenced: replicas-one of Deployment chat in namespace prod: a batch job\n"
    for said in (annotations(silenced, ROOT), markdown(silenced)):
        assert line in said
        assert "0 notes, 1 silenced" in said
    assert annotations(replace(silenced, silenced=()), ROOT) == "0 errors, 0 warnings, 0 notes\n"
