"""What is kept of the lines that containers write: no terminal's commands, no secrets, none of what users asked or got.

Pure, but for what a line leaves open for the next: a quoted value, a name whose value comes there, a private key.
"""

import re
from collections.abc import Iterable

from chaos.history.writing.redaction import NAMES, hashed, redacted_message

__all__ = ["LINE_MAX", "LineRedactor", "shown_line"]

LINE_MAX = 4096
"""Characters of a line that are kept."""

PRIVATE_MIN = 8
"""A shorter text of a request, such as `Hi`, may stand in a log by chance: it is not looked for."""

ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?|\x9b[0-?]*[ -/]*[@-~]?|[\x1b][\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?"
)
"""What moves a terminal's cursor, sets its colours, title or clipboard (ECMA-48)."""

UNSEEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Control characters, and those that turn the direction of text or are not seen."""

SHAPES = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"
)
"""Tokens that are known by how they look, wherever they stand: OpenAI's, Hugging Face's, GitHub's, AWS', any JWT."""

KEY_BEGIN = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
KEY_END = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")

EXPECTING = re.compile(rf"(?i)(?:{NAMES}[\"']?\s*[=:]\s*(?:bearer|basic)?|(?<![\w.-])-[\w.-]*{NAMES}|\bbearer)\s*$")
"""A line after which a credential's value comes."""

OPEN = re.compile(rf"(?i)({NAMES}[\"']?\s*[=:]\s*)([\"'])((?:(?!\2).)*)$")
"""A credential's value whose quote is not closed in the line."""

OPEN_LINES_MAX = 3
"""A quote that is not closed within so many lines was none."""

USERS = re.compile(
    r"(?i)((?<!\w)(?:prompt|content|messages|(?:generated|output|input|prompt)_?text|completion)[\"']?\s*[:=]\s*)"
    r"(\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?|\[.*)"
)
"""What servers that log requests say of them: `prompt: '…'`, `"content": "…"`, `messages=[…]`."""

LEFT_OUT = "[text of a request left out]"


def shown_line(text: str) -> str:
    """A line as it may be shown: on one line, without commands to a terminal, of bounded length."""
    bare = UNSEEN.sub("", ESCAPES.sub("", text.replace("\r", " "))).rstrip()
    return bare if len(bare) <= LINE_MAX else f"{bare[:LINE_MAX]} […]"


class LineRedactor:
    """Redacts the lines of one stream, in order. `private` are texts that the trial sent itself, such as prompts."""

    def __init__(self, private: Iterable[str] = ()) -> None:
        self._private = [text for text in dict.fromkeys(private) if len(text) >= PRIVATE_MIN]
        self._in_key = False
        self._value_next = False
        self._quote = ""
        self._open_lines = 0

    def line(self, text: str) -> str:
        """The line as it is kept."""
        bare = shown_line(text)
        if self._in_key:
            return self._of_key(bare)
        bare = self._continued(bare)
        # Before credentials are replaced, which would hide that a value is still to come.
        self._value_next = bool(EXPECTING.search(bare))
        begun = KEY_BEGIN.search(bare)
        if begun:
            ended = KEY_END.search(bare, begun.end())
            self._in_key = ended is None
            bare = bare[: begun.start()] + "redacted: a private key" + (bare[ended.end() :] if ended else "")
        for sent in self._private:
            if sent in bare:
                bare = bare.replace(sent, LEFT_OUT)
        bare = USERS.sub(rf"\1{LEFT_OUT}", bare)
        return SHAPES.sub(lambda found: hashed(found[0]), self._opened(redacted_message(bare)))

    def _of_key(self, bare: str) -> str:
        """A line inside of a private key, nothing of which is kept but what follows its end."""
        ended = KEY_END.search(bare)
        if ended is None:
            return "redacted"
        self._in_key = False
        return f"redacted{redacted_message(bare[ended.end() :])}"

    def _continued(self, bare: str) -> str:
        """The line without the rest of a value that began in one before."""
        if self._quote:
            self._open_lines += 1
            value, quote, rest = bare.partition(self._quote)
            if quote or self._open_lines >= OPEN_LINES_MAX:
                self._quote = ""
            return f"{hashed(value)}{rest}"
        if self._value_next and bare.strip():
            word = bare.split(maxsplit=1)[0]
            return bare.replace(word, hashed(word), 1)
        return bare

    def _opened(self, bare: str) -> str:
        """The line without the begin of a value that goes on in the next."""
        found = OPEN.search(bare)
        if found is None or not found[3] or found[3].startswith("redacted:"):
            return bare
        self._quote, self._open_lines = found[2], 0
        return f"{bare[: found.start(3)]}{hashed(found[3])}"
