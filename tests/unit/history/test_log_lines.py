"""What is kept of the lines of logs, and what is not."""

from __future__ import annotations

import pytest

from chaos.history.writing.log_lines import LINE_MAX, LineRedactor, shown_line

CANARY = "canary-secret-0123456789"
AROUND = [
    f"api_key={CANARY}",
    f"HF_TOKEN: {CANARY} loaded",
    f"--api-key {CANARY} --port 8000",
    f"Authorization: Bearer {CANARY}",
    f"GET https://user:{CANARY}@host/x",
    f"GET /v1?api_key={CANARY}&x=1",
    f'{{"token": "{CANARY}", "port": 1}}',
    f"password='{CANARY} with blanks'",
    f"tok\x1b[1men={CANARY}",
    f"tok\u200ben={CANARY}",
    f"prompt: '{CANARY}', params: SamplingParams(n=1)",
    f'"content": "{CANARY} \\" and more"',
    f"messages=[{{'role': 'user', 'x': '{CANARY}'}}]",
    f"generated_text='{CANARY}",
    "using sk-canarycanarycanary1234",
    "using hf_canarycanarycanary1234",
    "jwt eyJjYW5hcnkxMjM0.eyJjYW5hcnkxMjM0.canary",
]


@pytest.mark.parametrize("line", AROUND, ids=range(len(AROUND)))
def test_no_secret_and_no_users_text_is_kept(line: str) -> None:
    """Wherever it stands in a line, whatever is in between."""
    assert "canary" not in LineRedactor().line(line)


SPLIT = [
    ("Authorization: Bearer", f"{CANARY} rest"),
    ("api_key=", f"  {CANARY}"),
    ("serve --api-key", CANARY),
    ('"token":', f'   "{CANARY}",'),
    (f'password="begin {CANARY}', f'{CANARY} end" after'),
    (f"-----BEGIN RSA PRIVATE KEY-----{CANARY}", CANARY, CANARY, f"{CANARY}-----END RSA PRIVATE KEY-----"),
]


@pytest.mark.parametrize("lines", SPLIT, ids=range(len(SPLIT)))
def test_a_secret_over_two_lines_is_in_neither(lines: tuple[str, ...]) -> None:
    """A name at the end of a line, a quote that is not closed, a key; what follows is kept again."""
    redactor = LineRedactor()
    kept = [redactor.line(line) for line in (*lines, "INFO all is well")]
    assert "canary" not in "\n".join(kept)
    assert kept[-1] == "INFO all is well"


def test_a_quote_that_is_never_closed_hides_only_a_few_lines() -> None:
    """The last words of a server matter more."""
    redactor = LineRedactor()
    redactor.line('token: "')
    redactor.line('token="abc')
    kept = [redactor.line("CUDA out of memory") for _ in range(5)]
    assert kept[-1] == "CUDA out of memory"


def test_what_the_trial_sent_is_left_out() -> None:
    """Its own prompts, where they are long enough to be told from words of the server."""
    redactor = LineRedactor(["Hi", "Tell me a story about whales"])
    kept = redactor.line("Hi: input 'Tell me a story about whales' of 7 tokens")
    assert "whales" not in kept
    assert kept.startswith("Hi: input")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("INFO 12:00 Running: 1 reqs, 10.5 tokens/s, KV cache usage: 1.2%", None),
        ("Traceback (most recent call last):", None),
        ("max_tokens=16, temperature=0.0", None),
        ("\x1b[31mERROR\x1b[0m \x1b]0;title\x07done", "ERROR done"),
        ("50%\r100%", "50% 100%"),
        ("a\x00b\x07c\u202ed", "abcd"),
        ("\x1b", ""),
        ("trailing   ", "trailing"),
    ],
)
def test_all_else_is_kept_as_it_can_be_read(line: str, kept: str | None) -> None:
    """Without what a terminal would do at its sight."""
    assert LineRedactor().line(line) == (line if kept is None else kept)


def test_a_huge_line_is_cut() -> None:
    """And told to be."""
    assert len(shown_line("z" * 10 * LINE_MAX)) == LINE_MAX + 4
    assert shown_line("z" * 10 * LINE_MAX).endswith("[…]")
