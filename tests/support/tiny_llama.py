"""A Llama of random weights that any server of Hugging Face's formats loads: 128 wide, 2 layers, a byte a token.

Its files are written by hand, as no package that would is needed for anything else here. Its head knows letters alone,
so that each token is a text of its own.
"""

from __future__ import annotations

import json
import random
import string
import struct
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

__all__ = ["write_tiny_llama"]

WIDTH, LAYERS, HEADS, INNER, CONTEXT = 128, 2, 4, 256, 512
END, END_ID = "<|end|>", 256
VOCABULARY = 257
SEED = 7
SPREAD, HEAD_SPREAD = 0.05, 0.5
"""Of the weights, and of the head's: chance must not give another token than letters."""

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def write_tiny_llama(folder: Path) -> None:
    """Write its files into that folder."""
    texts = {"config.json": _config(), "tokenizer.json": _tokenizer(), "tokenizer_config.json": _tokenizer_config()}
    for name, said in texts.items():
        (folder / name).write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _write_weights(folder / "model.safetensors")


def _config() -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": WIDTH // HEADS,
        "max_position_embeddings": CONTEXT,
        "vocab_size": VOCABULARY,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": END_ID,
        "dtype": "float32",
    }


def _alphabet() -> list[str]:
    """The character that stands for each byte in a byte-level tokenizer: itself where it is printable."""
    plain = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


def _tokenizer() -> dict[str, object]:
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {**{character: byte for byte, character in enumerate(_alphabet())}, END: END_ID},
        "merges": [],
    }
    added = {"id": END_ID, "content": END, "special": True}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{**added, **flags}],
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": level,
        "decoder": level,
        "model": model,
    }


def _tokenizer_config() -> dict[str, object]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "model_max_length": CONTEXT,
        "chat_template": TEMPLATE,
    }


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each weight and its shape."""
    yield "model.embed_tokens.weight", (VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        of = f"model.layers.{layer}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{of}.{name}.weight", (WIDTH,)
        for name in "qkvo":
            yield f"{of}.self_attn.{name}_proj.weight", (WIDTH, WIDTH)
        for name in ("gate", "up"):
            yield f"{of}.mlp.{name}_proj.weight", (INNER, WIDTH)
        yield f"{of}.mlp.down_proj.weight", (WIDTH, INNER)
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (VOCABULARY, WIDTH)


def _values(chance: random.Random, name: str, shape: tuple[int, ...]) -> array[float]:
    if len(shape) == 1:  # a norm
        return array("f", [1.0] * shape[0])
    rows, columns = shape
    if name != "lm_head.weight":
        return array("f", [chance.gauss(0, SPREAD) for _ in range(rows * columns)])
    letters = set(string.ascii_letters.encode())
    return array(
        "f", [chance.gauss(0, HEAD_SPREAD) if row in letters else 0.0 for row in range(rows) for _ in range(columns)]
    )


def _write_weights(path: Path) -> None:
    """In the format of safetensors: the length of a header, the header, and the numbers, the lowest byte first."""
    chance = random.Random(SEED)  # noqa: S311  # weights, no secret
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    parts, begin = list[bytes](), 0
    for name, shape in _shapes():
        values = _values(chance, name, shape)
        if sys.byteorder == "big":
            values.byteswap()
        parts.append(values.tobytes())
        end = begin + len(parts[-1])
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
        begin = end
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    path.write_bytes(struct.pack("<Q", len(said)) + said + b"".join(parts))
