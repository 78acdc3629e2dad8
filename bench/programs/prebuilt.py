"""The AWS resources of another app's JSON once more, through the prebuilt bindings.

Runs in an environment of its own, which has these bindings and knows nothing of Crossgate.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import time
from pathlib import Path
from typing import Any

_, source, folder = sys.argv

start = time.perf_counter()
from cdktf import App, TerraformLocal, TerraformStack, Token  # noqa: E402  # the import is measured
from cdktf_cdktf_provider_aws.provider import (  # type: ignore[import-not-found]  # noqa: E402
    AwsProvider,
)

_OF_TERRAFORM = {"//", "provider", "depends_on", "lifecycle"}


def class_of(kind: str) -> Any:  # noqa: ANN401  # whatever the bindings have
    """Return the prebuilt class of a resource type."""
    name = kind.removeprefix("aws_")
    module = importlib.import_module(f"cdktf_cdktf_provider_aws.{name}")
    return getattr(module, "".join(part.capitalize() for part in name.split("_")))


def argument(value: object, hint: str) -> object:
    """Return a value as the bindings want it: an expression for a number must be a number."""
    if isinstance(value, dict | list):
        return nested(value, listed=False)
    if isinstance(value, str) and value.startswith("${"):
        if "Sequence" in hint:
            return Token.as_list(value)
        if "jsii.Number" in hint and "str" not in hint:
            return Token.as_number(value)
    return value


def nested(value: object, *, listed: bool) -> object:
    """Return a nested block as the bindings take it: in lists, by the names of their JavaScript."""
    if isinstance(value, list):
        return [nested(item, listed=True) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        camel(key) if listed else key: item if key == "tags" else nested(item, listed=listed)
        for key, item in value.items()
    }


def camel(name: str) -> str:
    """Return a Terraform name as JavaScript has it."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


written: dict[str, Any] = json.loads(Path(source).read_text(encoding="utf-8"))
classes = {kind: class_of(kind) for kind in written["resource"] if kind.startswith("aws_")}
hints = {
    kind: {n: str(p.annotation) for n, p in inspect.signature(made.__init__).parameters.items()}
    for kind, made in classes.items()
}
imported = time.perf_counter()
app = App(outdir=folder)
stack = TerraformStack(app, "prebuilt")
provider = AwsProvider(stack, "aws", region="us-east-1", alias="aws")
for name, value in written.get("locals", {}).items():
    TerraformLocal(stack, name, value)
for kind, made in classes.items():
    for name, block in written["resource"][kind].items():
        arguments = {
            key: argument(value, hints[kind][key])
            for key, value in block.items()
            if key not in _OF_TERRAFORM
        }
        made(stack, f"{kind}-{name}", provider=provider, **arguments)
built = time.perf_counter()
app.synth()
done = time.perf_counter()
print(json.dumps({"import": imported - start, "build": built - imported, "synth": done - built}))
