"""What a machine runs, and how the balancers reach it."""

from __future__ import annotations

from dataclasses import field
from datetime import timedelta
from typing import Annotated, Literal

import pydantic

from crossgate.errors import ConfigError
from crossgate.model.check import Check, HttpCheck, TcpCheck, ThriftCheck
from crossgate.model.names import Label
from crossgate.model.net import Port
from crossgate.model.text import TextLike
from crossgate.model.units import Duration, whole_seconds
from crossgate.model.value import Many, Table, value

Protocol = Literal["tcp", "thrift", "http", "grpc"]
"""What a service speaks; balancers choose their checks and timeouts by it."""

_LONGEST_DRAIN = timedelta(minutes=15)

# Units and users that a Debian machine has, and those that crossgate puts there.
_TAKEN = frozenset(
    """
    backup bin chrony consul consul-template cron daemon dbus docker games getty haproxy irc
    keepalived list lp mail man messagebus networking news nobody podman polkit proxy root rsyslog
    ssh sshd sudo sync sys systemd udev uucp www-data
    """.split()  # noqa: SIM905  # a list would be forty lines
)


@value
class Artifact:
    """A file fetched when a machine starts, kept only when its checksum is right.

    Attributes:
        url: where it is, https; http is accepted because the checksum is verified.
        sha256: its checksum, 64 hexadecimal digits.
        unpack: whether it is a .tar.gz, .tar.xz or .zip archive to unpack; default False, then
            it is made executable.

    """

    url: Annotated[str, pydantic.Field(pattern=r"^https?://[^\s'\"\\]+$")]
    sha256: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")]
    unpack: bool = False


@value
class ServiceFile:
    """A file that a service needs.

    Attributes:
        path: absolute path on the machine.
        text: what is in it; `Text.of(...)` mixes in references to other resources.
        mode: permissions, default 0o640; the owner is root, the group the service's user.

    """

    path: Annotated[str, pydantic.Field(pattern=r"^/[A-Za-z0-9._/@+-]+$")] = field(kw_only=False)
    text: TextLike = field(kw_only=False)
    mode: Annotated[int, pydantic.Field(ge=0, le=0o7777)] = 0o640


@value
class Limits:
    """What a service may use of its machine, kept by systemd.

    Attributes:
        memory: MiB; the service is killed and started again above it. Default: no limit.
        cpu: processors, at least 0.01; 0.5 is half of one. Default: no limit.
        files: open files, one for each connection; default 65536.

    """

    memory: Annotated[int, pydantic.Field(ge=16)] | None = None
    cpu: Annotated[float, pydantic.Field(ge=0.01, allow_inf_nan=False, strict=False)] | None = None
    files: Annotated[int, pydantic.Field(ge=64, le=1048576)] = 65536


@value
class Service:
    """A program that machines run and balancers send traffic to.

    It is a container `image`, or an `artifact` with a `command`, or `files` with a `command`.

    Attributes:
        name: its name in Consul and systemd, a DNS label.
        port: the TCP port it listens on, on every address of the machine.
        protocol: what it speaks; default `tcp`.
        image: a container image, run by the distribution's own runtime (podman).
        artifact: a program or archive fetched by URL and checksum, into `/opt/<name>`.
        command: the program and its arguments; for an image, arguments of its entry point.
        files: files written before it starts.
        environment: environment variables.
        user: the system user it runs as, made when missing; default: the service's name. A
            container runs as the user of its image unless this is given.
        limits: memory, processors, open files.
        drain: how long a machine that leaves waits, out of the balancers' lists, for the service's
            connections to end by themselves before it is told to end; default 20 seconds, at most
            15 minutes.
        max_connections: how many connections one machine takes at a time, above which the
            balancers let clients wait for as long as `Listener(queue=...)` says; default None: no
            limit. Each balancer keeps to its part of it, rounded up: HAProxy's `maxconn` of a
            server counts in one process. See docs/groups/scaling.md.
        check: how one knows that it works; default by `protocol`: a Thrift `ping`, an HTTP GET of
            `/health`, or a TCP connect.
        agent_port: a second TCP port, on every address of the machine, on which the service says
            to every connection in one line how it is ("75%", "drain", "ready", "down", "up"), and
            closes it: HAProxy's agent-check. Its balancers ask once a second, and the port is open
            to them alone. Default None: nothing is asked. See docs/checks.md.
        send_proxy: whether its balancers begin every connection with a header of the PROXY
            protocol, of version `v1` (text) or `v2` (binary), which says from where the client
            came. The service must want it. Consul, which cannot write one, only connects then.
            Default None: none.

    Raises:
        ConfigError: no port, no program, two programs, one port twice, a name that is no DNS label
            or is a system service's.

    """

    name: Label
    port: Port
    protocol: Protocol = "tcp"
    image: Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]*$")] | None = None
    artifact: Artifact | None = None
    command: Many[str] = ()
    files: Many[ServiceFile] = ()
    environment: Table[
        Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], TextLike
    ] = field(default_factory=dict)
    user: Annotated[str, pydantic.Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")] | None = None
    limits: Limits = field(default_factory=Limits)
    drain: Duration = timedelta(seconds=20)
    max_connections: Annotated[int, pydantic.Field(ge=1)] | None = None
    check: Check | None = None
    agent_port: Port | None = None
    send_proxy: Literal["v1", "v2"] | None = None

    def __post_init__(self) -> None:
        """Refuse a service that names two programs or none."""
        path = f"Service({self.name!r})"
        if self.name in _TAKEN:
            raise ConfigError(
                "has the name of a system service or user, which it would replace",
                path=path,
                got=self.name,
                do=f'write "{self.name}-service", or what it does',
            )
        if self.image is not None and self.artifact is not None:
            raise ConfigError(
                "names two programs",
                path=path,
                got={"image": self.image, "artifact": self.artifact.url},
                want="image=, or artifact= with command=, or command= alone",
            )
        if self.image is None and not self.command:
            raise ConfigError(
                "says nothing to run",
                path=path,
                want='image="registry.example.org/api:1.4", or command=["/opt/api/bin/api"]',
            )
        if self.image is None and not self.command[0].startswith("/"):
            raise ConfigError(
                "the command must begin with an absolute path: systemd looks nothing up",
                path=path,
                got=self.command[0],
                do=f'write "/opt/{self.name}/{self.command[0]}", or where the program is',
            )
        paths = [file.path for file in self.files]
        twice = sorted({p for p in paths if paths.count(p) > 1})
        if twice:
            raise ConfigError("writes one file twice", path=path, got=twice)
        if self.drain > _LONGEST_DRAIN:
            raise ConfigError(
                "a machine would take too long to leave",
                path=f"{path}: drain",
                got=str(self.drain),
                want="at most 15 minutes",
            )
        whole_seconds(self.drain, f"{path}: drain")
        if self.agent_port == self.port:
            raise ConfigError(
                "the port of the service's clients says how the service is",
                path=f"{path}: agent_port",
                got=self.agent_port,
                want="another port, on which nothing else is said",
            )

    @property
    def asked(self) -> Check:
        """The check, given or chosen by the protocol."""
        if self.check is not None:
            return self.check
        if self.protocol == "thrift":
            return ThriftCheck()
        return HttpCheck() if self.protocol == "http" else TcpCheck()
