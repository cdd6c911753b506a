"""manifests.py PROGRAM FOLDER [KEY=VALUE…]: write the Kubernetes objects that a Pulumi program declares as YAML files.

It runs the program under Pulumi's own mocks: no engine, no cluster, no network. So it shows what the program says, not
what `pulumi up` would change. Then: `pytest scenarios --gameday-manifests FOLDER`.
"""

import copy
import hashlib
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import yaml

SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105  # a mark, the same in every program
"""The key by which Pulumi marks a secret where a value should be."""


def plain(value: Any) -> Any:
    """Undo what the wire did: whole numbers came as floats, secrets in an envelope."""
    if isinstance(value, Mapping):
        if SECRET in value:
            return plain(value.get("value"))
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Recorder(pulumi.runtime.Mocks):
    """Takes every Kubernetes object down, and gives its inputs back as its state."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.unknown: list[str] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Take it down."""
        inputs = plain(dict(args.inputs))
        if args.typ.startswith("kubernetes:") and "kind" in inputs:
            # The provider names what has no name; here so that the same program gives the same names.
            suffix = hashlib.sha256(args.name.encode()).hexdigest()[:8]
            inputs.setdefault("metadata", {}).setdefault("name", f"{args.name}-{suffix}")
            self.objects.append(inputs)
        elif args.typ.startswith("kubernetes:"):
            self.unknown.append(f"{args.typ} {args.name}")
        return f"{args.name}-id", copy.deepcopy(inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        """Refuse: what it would answer only a provider knows."""
        raise RuntimeError(f"the program asks a provider for {args.token}, which cannot be answered without one")


def main() -> int:
    """Run the program and write the files."""
    program, folder = sys.argv[1], Path(sys.argv[2])
    recorder = Recorder()
    pulumi.runtime.set_all_config(dict(word.split("=", 1) for word in sys.argv[3:]))
    pulumi.runtime.set_mocks(recorder, project="model", stack="offline", preview=False)

    @pulumi.runtime.test
    def run() -> None:
        runpy.run_path(program, run_name="__main__")

    run()
    if recorder.unknown:
        print(f"not written, as only the provider can expand them: {', '.join(recorder.unknown)}", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(recorder.objects):
        path = folder / f"{number:02}-{one['kind'].lower()}-{one['metadata']['name']}.yaml"
        path.write_text(yaml.safe_dump(one, sort_keys=False), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
