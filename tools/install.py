"""`make tools`: brings every program that building, checking and testing need, step by step."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tools import golang, node, terraform
from tools.mirrors import (
    WANTED,
    Provider,
    find_mirrors,
    place_providers,
    usual_roots,
    write_configuration,
)
from tools.toolbox import BIN, DEBIAN, PROVIDERS, ROOT, ToolError, platform_name, program, run

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = "as it was"


def _terraform() -> str:
    return terraform.install_terraform()


def _node() -> str:
    return "from its wheel" if node.install_node() else _KEPT


def _cdktf() -> str:
    return "from npm, with a Node of its own" if node.install_cdktf() else _KEPT


def _providers() -> str:
    here = platform_name()
    for provider in WANTED:
        if not place_providers(find_mirrors(usual_roots()), [provider]):
            _bring(provider, here)
    places = write_configuration()
    return ", ".join(
        f"{provider.type} {provider.version}"
        for providers in places.values()
        for provider in providers
    )


def _bring(provider: Provider, here: str) -> None:
    if provider.program:
        golang.build(provider.program, provider.executable(PROVIDERS, here))
    elif not provider.is_in(PROVIDERS, here):
        download(provider, PROVIDERS, here)


def download(provider: Provider, mirror: Path, platform: str) -> None:
    """Have Terraform download a provider from its registry into a mirror."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = {"source": provider.source, "version": provider.version}
        text = json.dumps({"terraform": {"required_providers": {provider.type: wanted}}})
        Path(folder, "main.tf.json").write_text(text, encoding="utf-8")
        mirror.mkdir(parents=True, exist_ok=True)
        run(
            [BIN / "terraform", "providers", "mirror", f"-platform={platform}", mirror],
            cwd=Path(folder),
            env=os.environ | {"CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull},
            do=f"let this machine reach Terraform's registry, or lay provider {provider.source} "
            f"{provider.version} for {platform} "
            f"into a plug-in folder such as {usual_roots()[0]}, and run the same command again.",
        )


def _daemons() -> str:
    built = [name for name in golang.DAEMONS if golang.build(name, golang.daemon(name))]
    return f"{', '.join(built)} from source" if built else _KEPT


def _debian() -> str:
    missing = []
    for name in DEBIAN:
        try:
            program(name)
        except ToolError:
            missing.append(name)
    if not missing:
        return _KEPT
    names = ", ".join(missing)
    if not shutil.which("apt-get"):
        raise ToolError(
            f"{names}: not on this machine, which has no apt.",
            do="install them with this system's package manager.",
        )
    if os.geteuid():
        raise ToolError(
            f"{names}: not on this machine.",
            do="run `sudo tools/apt-packages`, then this command again.",
        )
    run(
        [ROOT / "tools" / "apt-packages"],
        do="see that this machine reaches its Debian mirror, and run the same command again.",
    )
    return f"{names} from Debian"


STEPS: dict[str, tuple[str, Callable[[], str]]] = {
    "terraform": ("Terraform", _terraform),
    "node": ("Node.js", _node),
    "cdktf": ("cdktf CLI (half a minute the first time)", _cdktf),
    "providers": ("Terraform providers (about a minute the first time)", _providers),
    "daemons": ("Consul and consul-template (about five minutes the first time)", _daemons),
    "debian": ("Debian packages", _debian),
}
"""What is brought, in this order; a step that finds its work done takes no time."""


def install(names: list[str], console: Console) -> None:
    """Do the named steps, showing which one runs and for how long each took.

    Raises ToolError, which says what to do, at the first step that fails.
    """
    for name in names:
        title, step = STEPS[name]
        started = time.monotonic()
        with console.status(f"{title} ..."):
            if not console.is_terminal:
                console.print(f"{title} ...")
            result = step()
        console.print(
            f"  {title.partition(' (')[0]}: {result} ({time.monotonic() - started:.1f} s)"
        )


def main() -> int:
    """Bring the programs named on the command line; all of them when none is named."""
    parser = argparse.ArgumentParser(prog="python -m tools.install", description=__doc__)
    parser.add_argument(
        "steps", nargs="*", metavar="STEP", help=f"one of {', '.join(STEPS)}; all by default"
    )
    names = parser.parse_args().steps
    if unknown := sorted(set(names) - set(STEPS)):
        parser.error(f"no such step: {', '.join(unknown)}; there are {', '.join(STEPS)}")
    console = Console(highlight=False, soft_wrap=True)
    try:
        install(names or list(STEPS), console)
    except ToolError as error:
        console.print(str(error), markup=False, style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
