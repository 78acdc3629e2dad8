"""The boot script: one idempotent POSIX script that does all of a document but write its files."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from crossgate.model.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossgate.boot.document import Command, Document
    from crossgate.model.text import TextLike

BOOT_SCRIPT = "/var/lib/crossgate/boot.sh"
"""Where the boot script is on a machine."""

# Packages, users and owners are the script's work and not cloud-init's own modules': these go on
# after a failure, do not try again when the network is late, and give files to users that a
# package has not made yet. And a machine reached over SSH runs the very same lines.
_HEAD = r"""#!/bin/sh
# Makes this machine what its boot document says. It may run again.
set -eu
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=$(getent passwd 0 | cut -d: -f6)
export HOME DEBIAN_FRONTEND=noninteractive

step=start
finish() {
  status=$?
  [ "$status" = 0 ] || echo "crossgate: boot failed at: $step (exit status $status)" >&2
}
trap finish EXIT

begin() {
  step=$*
  echo "crossgate: $step"
}
"""

# Pauses of 1, 2, 4 ... 128 seconds: nine tries in some four minutes.
RETRY = r"""
retry() {
  pause=1
  until "$@"; do
    [ "$pause" -le 128 ] || return 1
    echo "crossgate: failed, again in $pause s: $*" >&2
    sleep "$pause"
    pause=$((pause * 2))
  done
}
"""

# Packages that are there need no network (a machine image, the lab). Our files are written before
# the packages come, so dpkg keeps the configuration that it finds.
INSTALL = r"""
install_packages() {
  missing=
  for package; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  # shellcheck disable=SC2086 # a list of names
  apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install --no-install-recommends $missing
}
"""

_ADD_USER = r"""
add_user() { # NAME HOME
  getent group "$1" >/dev/null || groupadd --system "$1"
  getent passwd "$1" >/dev/null ||
    useradd --system --gid "$1" --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"
}
"""

_OWN = r"""
own() { # OWNER MODE PATH
  chown "$1" "$3"
  chmod "$2" "$3"
}
"""


def boot_script(document: Document) -> Text:
    """Return the script that, run as root once the files are there, does the rest."""
    return Text.of(_HEAD, RETRY, *_functions(document), "\n", *_steps(document), 'begin "done"\n')


def _functions(document: Document) -> Iterator[str]:
    if document.packages:
        yield INSTALL
    if document.users:
        yield _ADD_USER
    if _owned(document):
        yield _OWN


def _steps(document: Document) -> Iterator[TextLike]:
    if document.packages:
        names = shlex.join(document.packages)
        yield f"begin packages {names}\nretry install_packages {names}\n"
    if document.users:
        yield f"begin users {' '.join(user.name for user in document.users)}\n"
        for user in document.users:
            yield f"add_user {user.name} {shlex.quote(user.home)}\n"
    if owned := _owned(document):
        yield "begin owners of files\n"
        for owner, mode, path in owned:
            yield f"own {owner} {mode:04o} {shlex.quote(path)}\n"
    yield from _commands("before units start", document.before)
    yield from _units(document)
    yield from _commands("after units start", document.after)


def _owned(document: Document) -> list[tuple[str, int, str]]:
    return [
        (file.owner, file.mode, file.path)
        for _, file in document.written()
        if file.owner != "root:root"
    ]


def _commands(when: str, commands: Sequence[Command]) -> Iterator[TextLike]:
    for number, command in enumerate(commands, 1):
        yield f"begin command {number} of {len(commands)} {when}\n"
        yield Text.of("retry " if command.retry else "", command.line, "\n")


def _units(document: Document) -> Iterator[str]:
    if not document.units:
        return
    yield "begin units\nsystemctl daemon-reload\n"
    names = shlex.join(unit.name for unit in document.units if unit.enable)
    if names:
        # One transaction, so that After= between them holds; restarted because a package may have
        # started its own with other files; not waited for, because systemd is who restarts them.
        yield f"systemctl --quiet enable {names}\nsystemctl --no-block restart {names}\n"
