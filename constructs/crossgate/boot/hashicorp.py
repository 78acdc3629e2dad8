"""HashiCorp's programs, in pinned versions, from its signed apt repository or a mirror of it."""

from __future__ import annotations

from typing import Annotated

import pydantic

from crossgate.boot.document import Command, Document, File
from crossgate.model.value import Many, value

_DIRECTORY = "/usr/local/lib/crossgate"
_INSTALLER = f"{_DIRECTORY}/install-signed"


@value
class AptRepository:
    """An apt repository and the key that signs it.

    Attributes:
        name: what its files on the machine are called.
        url: where it is.
        key: where its public key is, https.
        fingerprint: of that key, 40 hexadecimal digits: no other key is trusted, whatever else
            the address holds.
        suite: the release in it; default: the code name of the machine's own distribution.
        components: default `main`.

    """

    name: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    url: Annotated[str, pydantic.Field(pattern=r"^https?://[A-Za-z0-9._~:/%+-]+$")]
    key: Annotated[str, pydantic.Field(pattern=r"^https://[A-Za-z0-9._~:/%+-]+$")]
    fingerprint: Annotated[str, pydantic.Field(pattern=r"^[0-9A-F]{40}$")]
    suite: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9./-]+$")] | None = None
    components: Many[Annotated[str, pydantic.Field(pattern=r"^[a-z0-9-]+$")]] = ("main",)


HASHICORP = AptRepository(
    name="hashicorp",
    url="https://apt.releases.hashicorp.com",
    key="https://apt.releases.hashicorp.com/gpg",
    fingerprint="798AEC654E5C15428C8E42EEAA16FCBCA621E701",
)
"""HashiCorp's own; the key is the one on its page "Security at HashiCorp", for Linux packages."""

# install-signed REPOSITORY PROGRAM VERSION: the package of that name, unless that version is there.
# Debian revisions count from 1 for each upstream version and all hold the same program, so any of
# them will do: "Linux Packaging Debian Revision Change", discuss.hashicorp.com, March 2022.
# Only the pinned key is exported from what was fetched, so a second one beside it gains nothing.
_INSTALL = r"""#!/bin/sh
set -eu
umask 022
repository=$1 program=$2 version=$3

found=$("$program" --version 2>/dev/null | awk 'NR == 1 { print $2 }' || true)
if [ "$found" = "v$version" ]; then
  echo "$program $version is there"
  exit 0
fi

# shellcheck source=/dev/null
. "/etc/crossgate/apt/$repository"
# shellcheck source=/dev/null
. /etc/os-release
export DEBIAN_FRONTEND=noninteractive
keyring=/etc/apt/keyrings/$repository.gpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! { command -v curl && command -v gpg; } >/dev/null; then
  apt-get -q update
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install --no-install-recommends ca-certificates curl gnupg
fi
curl --fail --silent --show-error --location --proto =https --proto-redir =https \
  --connect-timeout 10 --max-time 60 --output "$work/key" "$KEY"
mkdir -m 700 "$work/gnupg"
gpg --batch --quiet --homedir "$work/gnupg" --import "$work/key"
gpg --batch --quiet --homedir "$work/gnupg" --output "$work/keyring" --export "$FINGERPRINT"
if ! [ -s "$work/keyring" ]; then
  echo "$KEY does not hold the key $FINGERPRINT" >&2
  exit 1
fi
install -D -m 0644 "$work/keyring" "$keyring"

echo "deb [signed-by=$keyring] $URL ${SUITE:-$VERSION_CODENAME} $COMPONENTS" \
  >"/etc/apt/sources.list.d/$repository.list"
apt-get -q update
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
  install --no-install-recommends --allow-downgrades "$program=$version-*"
"""


def hashicorp(program: str, version: str, *, repository: AptRepository = HASHICORP) -> Document:
    """Return what installs one program of HashiCorp, such as `consul`.

    A machine that has that version already (a machine image with everything in it) needs no
    network for it. The package may bring a unit and files in `/etc/<program>.d` of its own, and
    does not start anything: a unit of that name in the document wins over it.

    Args:
        program: the program and its package, `consul` or `consul-template`.
        version: as HashiCorp writes it, without the revision of the package: `1.20.0`.
        repository: where packages come from; default HashiCorp's own.

    """
    return _Pinned(program=program, version=version).document(repository)


@value
class _Pinned:
    program: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]+$")]
    version: Annotated[
        str, pydantic.Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+([+~-][A-Za-z0-9.]+)?$")
    ]

    def document(self, repository: AptRepository) -> Document:
        settings = {
            "URL": repository.url,
            "KEY": repository.key,
            "FINGERPRINT": repository.fingerprint,
            "SUITE": repository.suite or "",
            "COMPONENTS": " ".join(repository.components),
        }
        lines = "".join(f"{name}='{text}'\n" for name, text in settings.items())
        # Nothing else upgrades the program; and two parts that want two versions contradict.
        pin = f"Package: {self.program}\nPin: version {self.version}-*\nPin-Priority: 1001\n"
        call = f"{_INSTALLER} {repository.name} {self.program} {self.version}"
        return Document(
            label=self.program,
            files=[
                File(_INSTALLER, _INSTALL, mode=0o755),
                File(f"/etc/crossgate/apt/{repository.name}", lines),
                File(f"/etc/apt/preferences.d/crossgate-{self.program}", pin),
            ],
            before=[Command(call, retry=True)],
            makes=[
                f"/etc/apt/keyrings/{repository.name}.gpg",
                f"/etc/apt/sources.list.d/{repository.name}.list",
            ],
        )
