"""Terraform providers: which are wanted, where they may lie already, how Terraform is told."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.toolbox import PROVIDERS, TERRAFORM_CONFIGURATION, platform_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HOST = "registry.terraform.io"
"""The host of a provider's address where none is written; a mirror holds a folder of this name."""

_DEPTH = 4
"""How far below a root a mirror is looked for; system-wide ones lie one or two folders down."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """One provider in the one version that is tested.

    `program` is the folder below `tools/` whose Go module builds it; None where there is none.
    """

    source: str
    version: str
    program: str | None = None

    @property
    def type(self) -> str:
        """The last part of the address, which is what resource names start with."""
        return self.source.rpartition("/")[2]

    @property
    def address(self) -> str:
        """The whole address, host included."""
        return f"{HOST}/{self.source}"

    def folder(self, mirror: Path, platform: str) -> Path:
        """Where the unpacked provider lies in a mirror."""
        return mirror / HOST / self.source / self.version / platform

    def executable(self, mirror: Path, platform: str) -> Path:
        """The provider's program in an unpacked mirror."""
        return self.folder(mirror, platform) / f"terraform-provider-{self.type}_v{self.version}"

    def archive(self, mirror: Path, platform: str) -> Path:
        """The provider's archive in a packed mirror, as `terraform providers mirror` makes one."""
        return (
            mirror
            / HOST
            / self.source
            / f"terraform-provider-{self.type}_{self.version}_{platform}.zip"
        )

    def is_in(self, mirror: Path, platform: str) -> bool:
        """Tell whether a mirror holds this version for this platform.

        Linked folders do not count, for Terraform does not follow them.
        """
        folder = self.folder(mirror, platform)
        linked = any(
            step.is_symlink()
            for step in (folder, *folder.parents)
            if step.is_relative_to(mirror) and step != mirror
        )
        return (folder.is_dir() and not linked and any(folder.iterdir())) or self.archive(
            mirror, platform
        ).is_file()


AWS = Provider(source="hashicorp/aws", version="5.100.0")
OPENSTACK = Provider(
    source="terraform-provider-openstack/openstack",
    version="1.54.1",
    program="terraform-provider-openstack",
)
RANDOM = Provider(source="hashicorp/random", version="3.9.0", program="terraform-provider-random")
TLS = Provider(source="hashicorp/tls", version="4.3.0", program="terraform-provider-tls")
WANTED = (AWS, OPENSTACK, RANDOM, TLS)


def usual_roots(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the folders below which a machine may keep Terraform plug-ins."""
    home = Path(environment.get("HOME", "~")).expanduser()
    data = [
        Path(folder)
        for folder in environment.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":")
        if folder
    ]
    own = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [
        home / ".terraform.d" / "plugins",
        home / "Library" / "Application Support" / "io.terraform" / "plugins",
        *(folder / "terraform" / "plugins" for folder in (own, *data)),
        Path("/opt"),
    ]


def find_mirrors(roots: Iterable[Path]) -> list[Path]:
    """Return the mirrors below the roots: the folders that hold one named after the registry."""
    found: dict[Path, None] = {}
    for root in roots:
        found.update(dict.fromkeys(_mirrors_below(root, _DEPTH)))
    return list(found)


def _mirrors_below(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / HOST).is_dir() and not (folder / HOST).is_symlink():
        yield folder
        return
    if depth == 0:
        return
    try:
        inside = sorted(
            child for child in folder.iterdir() if child.is_dir() and not child.is_symlink()
        )
    except OSError:
        # A root that is absent or closed to this user holds nothing for this user.
        return
    for child in inside:
        yield from _mirrors_below(child, depth - 1)


def place_providers(
    mirrors: Sequence[Path], wanted: Sequence[Provider] = WANTED, *, platform: str | None = None
) -> dict[Path, list[Provider]]:
    """Return which wanted provider is taken from which mirror: the first one that holds it.

    Those in no mirror are left out.
    """
    here = platform or platform_name()
    places: dict[Path, list[Provider]] = {}
    for provider in wanted:
        for mirror in mirrors:
            if provider.is_in(mirror, here):
                places.setdefault(mirror, []).append(provider)
                break
    return places


def configuration_text(places: Mapping[Path, Sequence[Provider]]) -> str:
    """Return the Terraform CLI configuration for providers in these places.

    Everything else comes from its registry, as always.
    """
    blocks = []
    for mirror, providers in places.items():
        include = [provider.address for provider in providers]
        blocks.append(_block("filesystem_mirror", path=str(mirror), include=include))
    placed = [provider.address for providers in places.values() for provider in providers]
    blocks.append(_block("direct", exclude=placed))
    return "\n".join(("disable_checkpoint = true", "", "provider_installation {", *blocks, "}", ""))


def _block(name: str, **arguments: str | list[str]) -> str:
    # JSON's strings and lists are HCL's too, as long as no template starts in them.
    lines = (
        f"    {key} = {json.dumps(value).replace('${', '$${').replace('%{', '%%{')}"
        for key, value in arguments.items()
    )
    return "\n".join((f"  {name} {{", *lines, "  }"))


def write_configuration(
    path: Path = TERRAFORM_CONFIGURATION, *, own: Path = PROVIDERS
) -> dict[Path, list[Provider]]:
    """Write this machine's CLI configuration and return where each wanted provider is from."""
    places = place_providers([own, *find_mirrors(usual_roots())])
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(configuration_text(places), encoding="utf-8")
    draft.replace(path)
    return places
