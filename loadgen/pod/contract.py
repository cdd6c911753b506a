"""What the driver and a load pod agree on: names, the port, and that both run the same code."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, NoneType

import chaos.clock

__all__ = [
    "ANSWERS",
    "FOLDER",
    "PORT",
    "RECORDS",
    "SILENCE_MAX_S",
    "TOKEN_DIGEST",
    "TOKEN_HEADER",
    "code_digest",
    "image_files",
]

PORT = 8089
TOKEN_DIGEST = "GAMEDAY_TOKEN_SHA256"  # noqa: S105  # the name of a variable, which holds a digest
"""Of the driver's token, as hex; the token itself is in no object of the cluster and in no file."""

TOKEN_HEADER = "X-Gameday-Token"  # noqa: S105  # the name of a header
"""Carries the token, so that nothing else of a stranger's request is read. An API server logs no headers."""

FOLDER = "GAMEDAY_LOAD_FOLDER"
"""The variable that says where the pod's generator writes its records."""

RECORDS = ("requests.jsonl", "generator.jsonl", "generator.log")
"""What a pod's generator writes, and the driver reads."""

_STATE = {"ended": (int, NoneType), "told_to_end": (bool,)}

ANSWERS: Mapping[str, Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "hello": {"code": (str,), "folder": (str, NoneType)},
        "clock": {"mono_ns": (int,), "utc_ns": (int,)},
        "tell": {},
        "hear": {"answer": (dict, NoneType), **_STATE},
        "read": {"pages": (dict,), **_STATE},
        "sums": dict.fromkeys(RECORDS, (dict,)),
        "reach": {"why": (str,)},
        "leave": {},
    }
)
"""The fields of a pod's answer to each action, and of what types they are; a pod of another version may lack one."""

SILENCE_MAX_S = 130.0
"""A pod whose driver has been silent for so long ends itself. A trial outlives an API server that is away for two
minutes (`chaos.cluster.Limits.outage_max_s`), so a pod has to wait as long."""

IMAGE_MODULES = ("__init__.py", "clock.py", "errors.py", "wait.py")
"""What the generator needs of `chaos`."""


def image_files() -> dict[str, Path]:
    """The code that a load pod runs, by its place below PYTHONPATH."""
    load, chaos_folder = Path(__file__).parent.parent, Path(chaos.clock.__file__).parent
    own = {f"loadgen/{path.relative_to(load)}": path for path in sorted(load.rglob("*.py"))}
    return own | {f"chaos/{name}": chaos_folder / name for name in IMAGE_MODULES}


def code_digest() -> str:
    """The SHA-256 of that code: a pod of another version would write other records than the driver reads."""
    digest = hashlib.sha256()
    for name, path in sorted(image_files().items()):
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
