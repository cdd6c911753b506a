"""Kubeconfigs that cannot be used are refused in words, before anything is sent."""

from pathlib import Path

import pytest
from kubernetes.client import Configuration

from chaos.cluster import connect
from chaos.cluster.transport import identity_of
from chaos.errors import UsageError

CONTEXT = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: /nowhere/ca.crt}}]
users: []
contexts: [{name: staging, context: {cluster: c}}, {name: lost, context: {cluster: gone}}]
"""


@pytest.mark.parametrize(
    ("content", "context", "words"),
    [
        (None, "staging", "no kubeconfig at"),
        ("", "staging", "is no kubeconfig"),
        ("just words", "staging", "is no kubeconfig"),
        ("{a: [", "staging", "cannot be read"),
        ("{}", "staging", "no context 'staging' in .*; it has no context"),
        (CONTEXT, "production", "no context 'production' in .*; its contexts are staging, lost"),
        (CONTEXT, None, "names no current context; its contexts are staging, lost"),
        (CONTEXT, "lost", "the context lost in .* cannot be used: .*gone"),
        (CONTEXT, "staging", "the context staging in .* cannot be used: .*nowhere/ca.crt"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_words(
    tmp_path: Path, content: str | None, context: str | None, words: str
) -> None:
    """Each way in which a file or context can be wrong is named, in one line, with the contexts that there are."""
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=words) as refused:
        connect(kubeconfig=path, context=context)
    assert "\n" not in refused.value.what


def test_the_generator_is_given_the_same_token() -> None:
    """A token of the kubeconfig is handed on as the header that carries it."""
    configuration = Configuration(api_key={"BearerToken": "Bearer abc"})
    assert identity_of(configuration).headers == {"authorization": "Bearer abc"}


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file that is no text at all is a usage error too."""
    (tmp_path / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        connect(kubeconfig=tmp_path / "config", context="any")
