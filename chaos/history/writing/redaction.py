"""What evidence keeps of what may hold a secret. Pure: everything that is written down goes through here.

Values of environment variables, and what reads like a credential, are replaced by a short hash: two that are alike stay
alike, so that a check or a reader sees what changed, and nobody sees to what.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

__all__ = [
    "NAMES",
    "hashed",
    "redacted",
    "redacted_message",
    "redacted_output",
    "redacted_words",
    "without_secrets",
]

NAMES = (
    r"(?:password|passwd|passphrase|token|secret|authorization|credentials?|cookie|connection[-_]?string"
    r"|(?:api|secret|access|private|account|shared|signing|encryption|master|auth)[-_]?key|(?<![a-z])pwd)"
)
CREDENTIAL = re.compile(rf"(?i){NAMES}$")
"""The end of a name of what should stay unknown: `--api-key`, `HF_TOKEN`, `clientSecret`, `PGPASSWORD`."""

LOGIN = re.compile(r"(?<=://)[^/\s?#\"'<>]+(?=@(?!sha\d+:))")
"""Name and password in a URL, or a token that stands for both; what a digest follows is the name of an image."""

QUERY = re.compile(
    rf"(?i)([?&;](?:[\w.-]*?{NAMES}|(?:[\w.-]*[-_.])?(?:signature|sig|key|code))=)(?!redacted:)([^&;#\s\"'<>]+)"
)
"""A parameter of a URL that lets whoever has it in: `?api_key=…`, and the signature of a link for anybody."""

VALUE = r"(?!redacted:)(?:(?:bearer|basic|digest|token|apikey)\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s\"'&;|]+)"
SETTING = re.compile(rf"(?i)((?<![\w.-])[\w.-]*{NAMES}\\?[\"']?(?:=>?|:\s*|[ \t]+=>?[ \t]+)[\[(]*+\\?+)({VALUE})")
OPTION = re.compile(rf"(?i)((?<![\w.-])-[\w.-]*{NAMES}\s+)(?!-)({VALUE})")
"""A credential in the middle of a word, as that of a shell's script, a header, JSON in JSON or a log: `TOKEN=…`."""

BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")

SHAPED = re.compile(
    r"(?<![\w-])(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}"
    r"|(?:sk|xox[abprs]|glpat)-(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{16,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
"""A token that is known by its own form (Hugging Face, GitHub, AWS, OpenAI, Slack, GitLab, a JWT), wherever it stands.

None is a name that an object of Kubernetes can have: those have small letters alone, and no underscore.
"""

DROPPED = frozenset({"managedFields", "kubectl.kubernetes.io/last-applied-configuration"})
"""Copies of what is written elsewhere, with every value in them."""

MESSAGES = frozenset({"message", "note", "reason", "args", "command"})
"""What programs say in words, of themselves and of what they were told: a kubelet quotes commands and their output."""

SHAPED_MIN = 19
HASH_LENGTH = 12
HASHED = re.compile(rf"redacted:[0-9a-f]{{{HASH_LENGTH}}}")


def hashed(value: str) -> str:
    """What stands in place of a value: the same for the same value, and nothing that leads back to it."""
    if HASHED.fullmatch(value):
        return value
    return f"redacted:{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:HASH_LENGTH]}"


def redacted(kind: str, body: Any) -> Any:
    """The body of a change as the action log keeps it: nothing of a Secret, and no secret of anything else."""
    return "left out: a Secret" if kind == "Secret" and body is not None else without_secrets(body)


def redacted_message(text: str) -> str:
    """What somebody said in words, without credentials: `--api-key VALUE` and `TOKEN=VALUE` too, as in a command."""
    return _phrase(text)


def redacted_words(words: Iterable[str]) -> list[str]:
    """A command's words, without the values of `--api-key VALUE`, `--api-key=VALUE` or `API_KEY=VALUE`."""
    kept: list[str] = []
    of_credential = False
    for word in words:
        name, equals, value = word.partition("=")
        if of_credential and not word.startswith("-"):
            kept.append(hashed(word))
        elif equals and value and _is_credential(name):
            kept.append(f"{name}={hashed(value)}")
        else:
            kept.append(_phrase(word))
        of_credential = word.startswith("-") and not equals and _is_credential(word)
    return kept


def redacted_output(printed: str, argv: Sequence[str]) -> str:
    """What a command printed, in one line, without credentials: those among its own words, which it may repeat, too."""
    said = _phrase(" ".join(printed.split()))
    for word, kept in zip(argv, redacted_words(argv), strict=True):
        for secret in _secrets_of(word) if kept != word else ():
            said = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", hashed(secret), said)
    return said


def _secrets_of(word: str) -> list[str]:
    """The credentials in a word of a command that has some."""
    found = [one[2].strip("\"'\\") for kind in (SETTING, OPTION) for one in kind.finditer(word)]
    found += [login.rpartition(":")[2] for login in LOGIN.findall(word)]
    return [one for one in found if one] or [word]


def without_secrets(part: Any) -> Any:
    """An object of the API, or any plain data, without what may be secret, at any depth; the same where nothing is."""
    if isinstance(part, str):
        return _text(part)
    if isinstance(part, dict):
        kept = {key: _value(key, value) for key, value in part.items() if key not in DROPPED}
        if isinstance(kept.get("value"), str) and _is_credential(str(part.get("name"))):
            kept["value"] = hashed(kept["value"])
        return kept
    if isinstance(part, (list, tuple)):
        return [without_secrets(one) for one in part]
    return without_secrets(dict(part)) if isinstance(part, Mapping) else part


def _value(key: Any, value: Any) -> Any:
    if isinstance(value, str):
        if value and _is_credential(str(key)):
            return hashed(value)
        return _phrase(_document(value)) if key in MESSAGES else _document(value)
    if key in ("env", "httpHeaders"):
        return _environment(value)
    if key == "annotations" and isinstance(value, Mapping):
        return {
            name: redacted_message(text) if isinstance(text, str) else text
            for name, text in without_secrets(value).items()
        }
    if key in ("args", "command") and isinstance(value, (list, tuple)):
        return redacted_words(map(str, value))
    return without_secrets(value) if isinstance(value, (dict, list, tuple, Mapping)) else value


@lru_cache(maxsize=10_000)
def _is_credential(name: str) -> bool:
    return CREDENTIAL.search(name) is not None


def _environment(given: Any) -> Any:
    """Variables and headers, as a container lists them (`name` and `value`) or as plain pairs, without their values."""
    if isinstance(given, Mapping):
        return {name: hashed(str(value)) for name, value in given.items()}
    if not isinstance(given, (list, tuple)):
        return given
    return [
        {**one, "value": hashed(str(one["value"]))} if isinstance(one, Mapping) and one.get("value") else one
        for one in given
    ]


def _document(text: str) -> str:
    """Text that may be a whole object, as annotations and the undo journal hold them: as that would be kept."""
    if text[:1] not in ("{", "["):
        return _text(text)
    try:
        part = json.loads(text)
        kept = without_secrets(part)
    except (ValueError, RecursionError):
        return _text(text)
    return _text(text) if kept == part else json.dumps(kept, separators=(",", ":"))


def _phrase(text: str) -> str:
    return OPTION.sub(_hidden, SETTING.sub(_hidden, _text(text)))


def _text(text: str) -> str:
    if len(text) >= SHAPED_MIN:
        text = SHAPED.sub(lambda found: hashed(found[0]), text)
    if "://" in text:
        text = LOGIN.sub("redacted", text)
    if "?" in text and "=" in text:
        text = QUERY.sub(_hidden, text)
    return BEARER.sub(r"\1 redacted", text) if len(text) > len("basic ") and " " in text else text


def _hidden(found: re.Match[str]) -> str:
    return found[1] + hashed(found[2])
