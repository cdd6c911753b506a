"""No secret in what is written: environment values, credentials among arguments, copies of manifests, logins."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.cluster import mutations
from chaos.errors import HarnessBroken
from chaos.faults import CommandInfrastructure, RollingUpdate
from chaos.history.writing.action_log import Journal
from chaos.history.writing.jsonl import AppendFile, private_folder, write_private
from chaos.history.writing.redaction import (
    hashed,
    redacted,
    redacted_message,
    redacted_output,
    redacted_words,
    without_secrets,
)
from chaos.history.writing.watch_log import WatchLogWriter
from chaos.objects.base import Ref
from loadgen.driver import channel
from loadgen.records import Writer

CANARY = "sk-canary-1234567890abcdef"


def pod(value: str = CANARY) -> dict[str, Any]:
    """A raw pod that holds the canary wherever people put secrets."""
    container = {
        "name": "model",
        "image": "vllm:1",
        "args": ["--model", "llama", "--api-key", value, f"--hf-token={value}"],
        "command": ["sh", "-c", "serve"],
        "livenessProbe": {
            "httpGet": {
                "path": f"/live?deep=yes&token={value}",
                "httpHeaders": [{"name": "X-Key-Of-Ours", "value": value}],
            }
        },
        "lifecycle": {
            "preStop": {
                "exec": {"command": ["sh", "-c", f"curl -H 'X-Api-Key: {value}' me/drain; leave --token {value}"]}
            }
        },
        "env": [
            {"name": "HF_TOKEN", "value": value},
            {"name": "PORT", "value": "8000"},
            {"name": "A", "valueFrom": {}},
        ],
    }
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"env": value}), "team": "llm"}
    return {
        "metadata": {
            "name": "model-1",
            "annotations": applied,
            "managedFields": [{"manager": value}],
        },
        "spec": {
            "containers": [container],
            "initContainers": [{**container, "name": "fetch"}],
            "template": {"spec": {"containers": [container]}},
            "password": value,
            "auth": {"api_key": value, "clientSecret": value, "tokenExpirationSeconds": 60, "secretName": "hf"},
        },
        "status": {
            "imageID": "docker-pullable://vllm@sha256:ab12",
            "source": f"https://{value}@hub.example/model?X-Amz-Signature={value}&part=1",
            "message": f"pull from https://user:{value}@registry.example/v2 with Bearer {value} refused",
        },
    }


def test_no_value_of_a_canary_is_left() -> None:
    """Wherever a secret stands in an object, at any depth, its text is gone."""
    assert CANARY not in json.dumps(without_secrets(pod()))


def test_what_is_no_secret_stays() -> None:
    """Names, images, plain arguments, references and reasons are evidence, and stay as they were."""
    kept = without_secrets(pod())
    container = kept["spec"]["containers"][0]
    assert (container["name"], container["image"]) == ("model", "vllm:1")
    assert container["args"][:3] == ["--model", "llama", "--api-key"]
    assert container["command"] == ["sh", "-c", "serve"]
    assert [one["name"] for one in container["env"]] == ["HF_TOKEN", "PORT", "A"]
    assert kept["spec"]["auth"]["secretName"] == "hf"
    assert kept["spec"]["auth"]["tokenExpirationSeconds"] == 60
    assert kept["metadata"]["annotations"] == {"team": "llm"}
    assert container["livenessProbe"]["httpGet"]["path"] == f"/live?deep=yes&token={hashed(CANARY)}"
    script = f"curl -H 'X-Api-Key: {hashed(CANARY)}' me/drain; leave --token {hashed(CANARY)}"
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sh", "-c", script]
    source = f"https://redacted@hub.example/model?X-Amz-Signature={hashed(CANARY)}&part=1"
    assert kept["status"]["source"] == source
    assert kept["status"]["imageID"] == "docker-pullable://vllm@sha256:ab12"
    assert without_secrets(kept["status"]) == kept["status"]
    assert kept["status"]["message"].startswith("pull from https://redacted@registry.example/v2 with Bearer redacted")


def test_a_setting_without_a_value_hides_nothing_of_the_next() -> None:
    """An empty password stands at the end of its line, or before a word that is not its own."""
    told = "PASSWORD=\nHOST=db.example\nTOKEN= run --all"
    assert redacted_message(told) == told


def test_a_change_of_a_secret_is_seen() -> None:
    """Two templates are the same after redaction if, and only if, they were before."""
    assert without_secrets(pod()) == without_secrets(pod())
    assert without_secrets(pod()) != without_secrets(pod("sk-canary-other"))


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--api-key", "abc", "--port", "80"], ["--api-key", hashed("abc"), "--port", "80"]),
        (["--token=abc", "x"], [f"--token={hashed('abc')}", "x"]),
        (["API_KEY=abc"], [f"API_KEY={hashed('abc')}"]),
        (["--token", "--verbose"], ["--token", "--verbose"]),
        (["--tokenizer", "llama", "--max-tokens=6"], ["--tokenizer", "llama", "--max-tokens=6"]),
        (["curl", "http://me:pw@host/x"], ["curl", "http://redacted@host/x"]),
        (["curl", "http://me:p@w@host/x"], ["curl", "http://redacted@host/x"]),
        (["git", "clone", "https://ghp-abc@host/x"], ["git", "clone", "https://redacted@host/x"]),
        (["sh", "-c", "serve --api-key abc -p 80"], ["sh", "-c", f"serve --api-key {hashed('abc')} -p 80"]),
        (["sh", "-c", "A=b HF_TOKEN=abc serve"], ["sh", "-c", f"A=b HF_TOKEN={hashed('abc')} serve"]),
        (["-H", "Authorization: Token abc"], ["-H", f"Authorization: {hashed('Token abc')}"]),
        (['{"api_key": "abc", "n": 1}'], [f'{{"api_key": {hashed(chr(34) + "abc" + chr(34))}, "n": 1}}']),
        (["http://host/x?a=b&api_key=abc#c"], [f"http://host/x?a=b&api_key={hashed('abc')}#c"]),
        (["http://host/x?accessToken=abc"], [f"http://host/x?accessToken={hashed('abc')}"]),
        (["http://host/x?sv=1;sig=abc"], [f"http://host/x?sv=1;sig={hashed('abc')}"]),
        (["http://host/x?tokens=5&monkey=1", "a?b=c"], ["http://host/x?tokens=5&monkey=1", "a?b=c"]),
        (["sh", "-c", "serve --token --max-tokens 6"], ["sh", "-c", "serve --token --max-tokens 6"]),
        (["sh", "-c", "echo tokens: 5; sleep 5"], ["sh", "-c", "echo tokens: 5; sleep 5"]),
        (
            ["--clientSecret=abc", "--authtoken", "abc"],
            [f"--clientSecret={hashed('abc')}", "--authtoken", hashed("abc")],
        ),
        (
            ["sh", "-c", "A=b PGPASSWORD=abc psql; MYSQL_PWD=abc mysql --dbPassword abc"],
            [
                *("sh", "-c"),
                f"A=b PGPASSWORD={hashed('abc')} psql; MYSQL_PWD={hashed('abc')} mysql --dbPassword {hashed('abc')}",
            ],
        ),
        (["--topologyKey=zone", "--tokenize", "a", "--cpwd=b"], ["--topologyKey=zone", "--tokenize", "a", "--cpwd=b"]),
    ],
)
def test_credentials_among_arguments(words: list[str], kept: list[str]) -> None:
    """The option stays and its value goes; options that only sound alike keep theirs."""
    assert redacted_words(words) == kept


def test_a_secret_is_left_out_whole() -> None:
    """Of a Secret's body nothing is kept."""
    assert redacted("Secret", {"data": {"a": CANARY}}) == "left out: a Secret"


def test_what_is_written_of_a_trial_holds_no_canary(tmp_path: Path) -> None:
    """The watch log and the action log, as files."""
    run = tmp_path / "runs" / "one"
    private_folder(run)
    log = WatchLogWriter("Pod", AppendFile(run / "watch.jsonl"))
    log.listed(1, json.dumps(pod()).encode())
    log.event(2, json.dumps({"type": "MODIFIED", "object": pod()}).encode())
    with Journal(run / "actions.jsonl", Clock.start()) as journal:
        mutation = mutations.apply(
            {"apiVersion": "v1", "kind": "Pod", **pod(), "metadata": {"name": "a", "namespace": "b"}}
        )
        journal.event("action-begin", detail=mutation.detail())
    write_private(run / "trial.json", "{}")
    for path in run.iterdir():
        assert CANARY not in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert run.stat().st_mode & 0o777 == 0o700
    lines = [json.loads(line) for line in (run / "watch.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["LISTED", "MODIFIED"]
    assert lines[1]["object"]["metadata"]["name"] == "model-1"


def test_a_node_command_is_shown_without_its_password() -> None:
    """What the command is called in evidence; it is run with the password all the same."""
    nodes = CommandInfrastructure("ipmi --password abc off {node}", "ipmi --password abc on {node}")
    for words in (nodes.words, nodes.manual_on("n1")):
        assert "abc" not in words
        assert "--password" in words


ECHOES = """
import sys
print("usage: ipmi", *sys.argv[1:], "\\nlogin of", sys.argv[2], "refused by https://me:abc@bmc", file=sys.stderr)
raise SystemExit(3)
"""


def test_a_node_command_that_repeats_its_password_is_quoted_without_it(tmp_path: Path) -> None:
    """A command that fails prints its own line, or names the login: that stands in the record as the reason."""
    (tmp_path / "ipmi.py").write_text(ECHOES)
    run = f"{sys.executable} {tmp_path / 'ipmi.py'}"
    for secret in ("--password abc", "--password=abc", "--login https://me:abc@bmc"):
        why = CommandInfrastructure(f"{run} {secret} off {{node}}", f"{run} {secret} on {{node}}").on("n1")
        assert "abc" not in why
        assert "exit code 3: usage: ipmi" in why
        assert " refused by " in why


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("login of abc\nrefused", f"login of {hashed('abc')} refused"),
        ("abcdef is not abc.", f"abcdef is not {hashed('abc')}."),
        ("no route to n1", "no route to n1"),
        ("Authorization: Token abcdefgh", f"Authorization: {hashed('Token abcdefgh')}"),
    ],
)
def test_what_a_command_printed_is_kept_without_its_credentials(printed: str, kept: str) -> None:
    """Its own words are known to be such; all else stays as it was printed, in one line."""
    for argv in (["ipmi", "--password", "abc"], ["ipmi", "--password=abc"], ["sh", "-c", "ipmi --password 'abc'"]):
        assert redacted_output(printed, argv) == kept
    assert redacted_output("of abc", ["ipmi", "abc"]) == "of abc"


def test_a_rollouts_words_hold_no_credential() -> None:
    """What a fault is called stands in the record, the report and the terminal; plain values say what changed."""
    fault = RollingUpdate(Ref("Deployment", "llm", "chat", "d-1"), env={"API_KEY": CANARY, "LOAD_DELAY_S": "8"})
    assert CANARY not in fault.words
    assert "LOAD_DELAY_S=8" in fault.words


def test_no_evidence_is_for_others_nor_written_through_a_link(tmp_path: Path) -> None:
    """Whoever draws or judges the run folder of another, as it came out of an archive, writes into it alone."""
    (mine := tmp_path / "bashrc").write_text("mine")
    for name in ("report.html", "verdict.json"):
        (link := tmp_path / name).symlink_to(mine)
        with pytest.raises(HarnessBroken, match="symbolic links"):
            write_private(link, "<!doctype html>")
    assert mine.read_text() == "mine"
    page = tmp_path / "session.html"
    write_private(page, "a longer page")
    write_private(page, "a page")
    assert page.read_text() == "a page"
    (tmp_path / "log").mkdir()
    Writer(requests := tmp_path / "requests.jsonl").close()
    with channel.start(tmp_path / "log", lambda _: ["true"]) as generator:
        generator.wait(30)
    for path in (page, requests, tmp_path / "log/generator.log"):
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_an_object_within_a_text_is_kept_as_that_object_is() -> None:
    """The undo journal holds its entries as texts, and annotations copies of manifests; other text stays as it is."""
    entry = json.dumps({"detail": {"before": {"containers": [{"env": [{"name": "A", "value": CANARY}]}]}}})
    kept = redacted("ConfigMap", {"data": {"0001": entry, "0002": '{"a": 1}', "0003": "{not JSON", "0004": "[" * 9999}})
    assert CANARY not in json.dumps(kept)
    assert hashed(CANARY) in kept["data"]["0001"]
    assert (kept["data"]["0002"], kept["data"]["0003"]) == ('{"a": 1}', "{not JSON")


TOLD = (
    f"Exec lifecycle hook ([sh -c curl -H 'X-Api-Key: {CANARY}' me/drain]) for Container \"model\" failed",
    f"Liveness probe failed: usage: probe --api-key {CANARY} --port 80",
    f'Error: failed to start container: exec: "--hf-token={CANARY}": executable file not found in $PATH',
    f"admission webhook denied the request: HF_TOKEN={CANARY} must come from a Secret",
    f"Failed to pull image: unauthorized: https://user:{CANARY}@hub.example/v2?X-Amz-Signature={CANARY}&n=1",
    f"Get https://metrics: 401, sent Authorization: Bearer {CANARY}",
    f"request refused: {json.dumps(json.dumps({'user': 'me', 'password': CANARY}))}",
    f"api_key = {CANARY} is not valid",
    f"config: :token => '{CANARY}', :port => 80",
    f"headers={{'Authorization': ['{CANARY}'], 'Accept': ['*/*']}}",
    f"request map[Authorization:[Bearer {CANARY}] Accept:[*/*]]",
)
"""What kubelets, webhooks, libraries and programs say, with what they were given."""


@pytest.mark.parametrize("text", TOLD)
def test_what_is_told_of_a_failure_holds_no_credential(text: str, tmp_path: Path) -> None:
    """In an Event, a status and a condition; as the reason of a gap, of an action and of a fault that missed."""
    event = {"message": text, "note": text, "series": {"reason": text}}
    ended = {"state": {"terminated": {"message": text}}, "conditions": [{"reason": "Failed", "message": text}]}
    kept = without_secrets({**event, "status": ended})
    assert CANARY not in json.dumps(kept)
    assert without_secrets(kept) == kept
    log = WatchLogWriter("Pod", AppendFile(tmp_path / "watch.jsonl"))
    log.gap(1, 0, text)
    log.resumed(2, 1, text)
    with Journal(tmp_path / "actions.jsonl", Clock.start()) as journal:
        journal.event("fault-missed", fault="f-1", reason=text)
        journal.event("fault-begin", parameters={"message": text, "api_key": CANARY}, words=text)
        with journal.action("patch", Ref("Pod", "llm", "chat-1")) as entry:
            entry.end("fail", reason=text, answer={"message": text})
    for name in ("watch.jsonl", "actions.jsonl"):
        assert CANARY not in (tmp_path / name).read_text()


def test_an_object_within_a_message_is_kept_as_that_object_is() -> None:
    """A program may end with its settings as its last words."""
    told = {"message": json.dumps({"env": [{"name": "A", "value": CANARY}], "args": ["--token", CANARY]})}
    assert CANARY not in json.dumps(without_secrets(told))


@pytest.mark.parametrize(
    "text",
    [
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {gpu: true}.",
        'MountVolume.SetUp failed for volume "token" : secret "hf-token" not found',
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "New size: 5; reason: cpu resource utilization (percentage of request) above target",
        'Error: secret "registry" not found; couldn\'t find key password in Secret llm/hf',
        "max-tokens: 6, tokenizer: llama, keys: 2, secrets: 3",
    ],
)
def test_a_reason_without_a_credential_stays_as_it_was(text: str) -> None:
    """Checks and people read it."""
    event = {"message": text, "note": text, "reason": text}
    assert without_secrets(event) == event
    assert redacted_message(text) == text


def test_what_is_hashed_stays_so() -> None:
    """Whatever goes through it twice is kept as once: a change would be seen where there was none."""
    once = without_secrets(pod())
    assert without_secrets(once) == once
    assert hashed(hashed(CANARY)) == hashed(CANARY)
    assert redacted_words(redacted_words(["--api-key", CANARY])) == ["--api-key", hashed(CANARY)]


KEY = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
SHAPED = (
    f"hf_{KEY}",
    f"ghp_{KEY}",
    f"github_pat_{KEY}",
    "AKIAIOSFODNN7EXAMPLE",
    f"sk-proj-{KEY}",
    f"xoxb-12345-{KEY}",
    f"glpat-{KEY}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{KEY}",
)


@pytest.mark.parametrize("token", SHAPED)
def test_a_token_of_a_known_form_is_none_wherever_it_stands(token: str) -> None:
    """Without any name beside it: in a label, an annotation, a plain argument, the end of a path."""
    seen = {
        "metadata": {"labels": {"who": token}, "annotations": {"see": f"as {token}, or not"}},
        "spec": {"image": "x:1", "containers": [{"args": ["serve", token], "workingDir": f"/home/{token}/x"}]},
        "message": f"login as {token}: refused",
    }
    assert token not in json.dumps(without_secrets(seen))
    assert without_secrets({"a": token}) == {"a": hashed(token)}


@pytest.mark.parametrize(
    "name",
    [
        "sk-learn-server-6f7d9c5b8d-x2x4z",
        "glpat-mirror-0-6f7d9c5b8d",
        "xoxb-relay-6f7d9c5b8d-abcde-1",
        "registry.example/sk-learn/server@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "vault/secret:1.2",
        "3f0c8a52-6d0e-4d5e-9a7b-1c2d3e4f5a6b",
        "kube-root-ca.crt",
    ],
)
def test_what_kubernetes_calls_its_objects_is_no_token(name: str) -> None:
    """Checks know pods by their names, and images by their digests."""
    seen = {"metadata": {"name": name, "uid": name, "labels": {"app": name}}, "spec": {"nodeName": name, "image": name}}
    assert without_secrets(seen) == seen


@pytest.mark.parametrize(
    "seen",
    [
        {"envVars": [{"name": "HF_TOKEN", "value": CANARY}]},
        {"parameters": [{"name": "dbPassword", "value": CANARY}]},
        {"args": f"--port 80 --api-key {CANARY}"},
        {"command": f"API_KEY={CANARY} serve"},
        {"annotations": {"helm/values": f"user: me\npassword: {CANARY}\nport: 80"}},
        {"annotations": {"note": f"AccountKey={CANARY};EndpointSuffix=core"}},
        {"args": ["--connection-string", CANARY, f"--signing-key={CANARY}"]},
        {"storage": {"accountKey": CANARY, "encryption_key": CANARY, "masterKey": CANARY}},
    ],
)
def test_kinds_of_others_and_notes_of_owners_hide_no_credential(seen: dict[str, Any]) -> None:
    """Custom resources list variables under names of their own, and annotations hold whole files of settings."""
    kept = without_secrets({"spec": seen})
    assert CANARY not in json.dumps(kept)
    assert without_secrets(kept) == kept


def test_of_managed_fields_only_who_set_the_replicas_is_kept(tmp_path: Path) -> None:
    """They are a third of an object; that one fact tells an autoscaler from whoever else sets the number."""
    owners = [
        {
            "manager": "kube-controller-manager",
            "operation": "Update",
            "subresource": "scale",
            "time": "2026-01-01T00:00:10Z",
            "fieldsV1": {"f:spec": {"f:replicas": {}}},
        },
        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}},
    ]
    raw = {"metadata": {"name": "chat", "managedFields": owners}, "spec": {"replicas": 3}}
    path = tmp_path / "watch.jsonl"
    file = AppendFile(path)
    log = WatchLogWriter("Deployment", file)
    log.listed(1, json.dumps(raw).encode())
    log.event(2, json.dumps({"type": "MODIFIED", "object": raw}).encode())
    file.close()
    kept = {key: owners[0][key] for key in ("manager", "operation", "subresource", "time")}
    for line in map(json.loads, path.read_text().splitlines()):
        assert line["object"]["metadata"] == {"name": "chat", "replicasSetBy": [kept]}
