"""A service as part of a boot document: fetched, given its files, run and restarted by systemd."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from crossgate.boot.document import Command, Document, File, Unit, User
from crossgate.boot.systemd import command_line, environment_file
from crossgate.errors import ConfigError
from crossgate.model.names import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossgate.model.service import Artifact, Service, ServiceFile

_FETCH_PROGRAM = "/usr/local/lib/crossgate/fetch"
_STOP_SECONDS = 30
_USER_NAME = 31
_PRIVILEGED_BELOW = 1024
_ARCHIVES = {".tar.gz": "tar", ".tgz": "tar", ".tar.xz": "tar", ".tar": "tar", ".zip": "zip"}
_UNPACKERS = {"zip": ["unzip"], "tar": ["xz-utils"]}

_FETCH = r"""#!/bin/sh
# fetch URL SHA256 DIRECTORY file|tar|zip
# Makes DIRECTORY hold what URL has, once its checksum is right. Nothing to do if it does already.
set -eu
umask 022
url=$1 sha256=$2 directory=$3 kind=$4
staging=$directory.new
fetched=$directory.fetched

if [ "$(cat "$directory/.sha256" 2>/dev/null || true)" = "$sha256" ]; then
  echo "$directory holds $url"
  exit 0
fi
rm -rf "$staging"
mkdir -p "$staging"
trap 'rm -rf "$staging" "$fetched"' EXIT
curl --fail --silent --show-error --location --proto '=http,https' --connect-timeout 10 \
  --speed-limit 1000 --speed-time 30 --output "$fetched" -- "$url"
echo "$sha256  $fetched" | sha256sum --check --quiet -
case $kind in
  file)
    name=${url%%[?#]*}
    install -m 0755 "$fetched" "$staging/${name##*/}"
    ;;
  tar) tar --extract --no-same-owner --file "$fetched" --directory "$staging" ;;
  zip) unzip -q -o "$fetched" -d "$staging" ;;
esac
chmod -R a+rX,go-w "$staging"
echo "$sha256" >"$staging/.sha256"
rm -rf "$directory"
mv "$staging" "$directory"
"""


def service_document(service: Service) -> Document:
    """Return what makes a machine run `service`, and start it again whenever it ends.

    Its environment is in `/etc/crossgate/<name>.env`, which root alone reads. An artifact is in
    `/opt/<name>`, a single file under the last part of its URL. A program has `/var/lib/<name>`
    to write to (`$STATE_DIRECTORY`). The files of a container are below `/etc/crossgate/<name>`
    on the machine and at their own paths inside, read-only.

    Raises:
        ConfigError: an image without a registry, an archive of unknown kind, a command or an
            environment variable that systemd cannot carry.

    """
    return _container(service) if service.image is not None else _program(service)


def _container(service: Service) -> Document:
    image = _with_registry(service)
    before = [Command(f"podman image exists {shlex.quote(image)} || retry podman pull -q {image}")]
    users = []
    if service.user is not None:
        # The image need not know the user's name, so the container is given its numbers.
        before.append(Command(
            f'echo "CONTAINER_USER=$(id -u {service.user}):$(id -g {service.user})"'
            f" >{_user_file(service)}"
        ))  # fmt: skip
        users.append(User(service.user))
    return Document(
        label=service.name,
        packages=["ca-certificates", "podman"],
        users=users,
        files=[*_environment(service), *(_mounted(service, file) for file in service.files)],
        before=before,
        units=[Unit(f"{service.name}.service", _unit(service, _container_lines(service, image)))],
    )


def _program(service: Service) -> Document:
    user = service.user or _user_name(service.name)
    artifact = service.artifact
    files = [
        File(file.path, file.text, mode=file.mode, owner=f"root:{user}") for file in service.files
    ]
    packages, before = [], []
    if artifact is not None:
        kind = _kind(service.name, artifact)
        packages = ["ca-certificates", "curl", *_UNPACKERS.get(kind, [])]
        files.append(File(_FETCH_PROGRAM, _FETCH, mode=0o755))
        url = shlex.quote(artifact.url)
        line = f"{_FETCH_PROGRAM} {url} {artifact.sha256} /opt/{service.name} {kind}"
        before = [Command(line, retry=True)]
    return Document(
        label=service.name,
        packages=packages,
        makes=[f"/opt/{service.name}{end}" for end in ("", ".new", ".fetched") if artifact],
        users=[] if user == "root" else [User(user, home=f"/var/lib/{service.name}")],
        files=[*_environment(service), *files],
        before=before,
        units=[Unit(f"{service.name}.service", _unit(service, _program_lines(service, user)))],
    )


def _unit(service: Service, lines: Iterator[str]) -> str:
    limits = service.limits
    resources = [f"LimitNOFILE={limits.files}"]
    if limits.memory is not None:
        resources.append(f"MemoryMax={limits.memory}M")
    if limits.cpu is not None:
        resources.append(f"CPUQuota={limits.cpu:.0%}")
    return "\n".join([
        "[Unit]",
        f"Description={service.name}, a service of Crossgate",
        "Wants=network-online.target",
        "After=network-online.target",
        # Never given up on: what ends is started again after RestartSec, for ever.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        *lines,
        "Restart=always",
        "RestartSec=2",
        f"TimeoutStopSec={_STOP_SECONDS}",
        *resources,
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ])  # fmt: skip


def _program_lines(service: Service, user: str) -> Iterator[str]:
    yield "Type=exec"
    yield f"User={user}"
    if service.environment:
        yield f"EnvironmentFile={_environment_path(service)}"
    yield f"StateDirectory={service.name}"
    home = f"/opt/{service.name}" if service.artifact else f"/var/lib/{service.name}"
    yield f"WorkingDirectory={home}"
    yield f"ExecStart={command_line(service.command)}"
    yield "KillMode=mixed"
    if user != "root":
        port = "CAP_NET_BIND_SERVICE" if service.port < _PRIVILEGED_BELOW else ""
        yield f"CapabilityBoundingSet={port}"
        yield f"AmbientCapabilities={port}"
    # What a service that listens and computes does without. JIT compilers need memory that is
    # writable and executable, so that stays allowed.
    yield from (
        "NoNewPrivileges=yes",
        "ProtectSystem=full",
        "ProtectHome=read-only",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectKernelTunables=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelLogs=yes",
        "ProtectControlGroups=yes",
        "ProtectClock=yes",
        "RestrictSUIDSGID=yes",
        "RestrictRealtime=yes",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
    )


def _container_lines(service: Service, image: str) -> Iterator[str]:
    """Run it as podman's own unit generator does: conmon tells systemd when it is up."""
    run = [
        "/usr/bin/podman", "run", "--rm", "--replace", "--detach", "--name", service.name,
        "--sdnotify=conmon", "--cgroups=split", "--network=host", "--log-driver=journald",
        "--security-opt=no-new-privileges",
        "--ulimit=host",
    ]  # fmt: skip
    # Named here, valued by the environment file: they are in no command line.
    run += [f"--env={name}" for name in service.environment]
    # `U` gives the file to the user that the image runs as, whichever that is.
    run += [f"--volume={_host_path(service, f)}:{f.path}:ro,U" for f in service.files]
    user = " --user=${CONTAINER_USER}" if service.user is not None else ""
    start = command_line(run) + user
    yield "Type=notify"
    yield "NotifyAccess=all"
    # The container's processes are in a group below the unit's: its limits hold for them.
    yield "Delegate=yes"
    if service.environment:
        yield f"EnvironmentFile={_environment_path(service)}"
    if service.user is not None:
        yield f"EnvironmentFile={_user_file(service)}"
    yield f"ExecStart={start} {command_line(['/', image, *service.command])[2:]}"
    yield f"ExecStop=/usr/bin/podman stop --ignore --time={_STOP_SECONDS - 5} {service.name}"
    yield f"ExecStopPost=/usr/bin/podman rm --force --ignore {service.name}"
    # A first start may have to fetch the image again.
    yield "TimeoutStartSec=300"
    yield "KillMode=mixed"


def _user_name(name: str) -> str:
    """Return a user for a service of that name: at most 31 characters, no digit first, not root."""
    plain = name[0].isalpha() and name != "root"
    return shortened(name if plain else f"_{name}", _USER_NAME)


def _environment(service: Service) -> list[File]:
    if not service.environment:
        return []
    try:
        text = environment_file(service.environment)
    except ConfigError as error:
        raise error.at(f"Service({service.name!r})") from None
    return [File(_environment_path(service), text, mode=0o600)]


def _environment_path(service: Service) -> str:
    return f"/etc/crossgate/{service.name}.env"


def _user_file(service: Service) -> str:
    return f"/var/lib/crossgate/{service.name}.user"


def _host_path(service: Service, file: ServiceFile) -> str:
    return f"/etc/crossgate/{service.name}{file.path}"


def _mounted(service: Service, file: ServiceFile) -> File:
    return File(_host_path(service, file), file.text, mode=file.mode)


def _with_registry(service: Service) -> str:
    image = service.image or ""
    registry, slash, _ = image.partition("/")
    if slash and ("." in registry or ":" in registry or registry == "localhost"):
        return image
    raise ConfigError(
        "the image names no registry, and podman guesses none",
        path=f"Service({service.name!r}): image",
        got=image,
        do=f'write "docker.io/{image if slash else f"library/{image}"}", or where it really is',
    )


def _kind(name: str, artifact: Artifact) -> str:
    if not artifact.unpack:
        return "file"
    path = artifact.url.partition("?")[0].partition("#")[0]
    for suffix, kind in _ARCHIVES.items():
        if path.endswith(suffix):
            return kind
    raise ConfigError(
        "is no archive that can be unpacked, by its name",
        path=f"Service({name!r}): artifact",
        got=artifact.url,
        want=f"a name that ends in one of {', '.join(_ARCHIVES)}",
    )
