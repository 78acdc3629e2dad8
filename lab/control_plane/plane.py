"""The control plane as processes: made once, started in about a minute, gone without a trace."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

import trustme

from lab.control_plane.contents import PROJECT, USER, make_identity, make_measures, make_resources
from lab.control_plane.packages import missing, versions
from lab.control_plane.places import ADDRESS, DATABASES, PORTS, PUBLIC, RABBIT_PORT, REGION
from lab.control_plane.settings import Settings
from lab.control_plane.tables import PYTHON, lanes
from lab.daemon import Daemon, connect
from lab.openstack import Project
from tools.toolbox import BOX, ToolError, digest

PRISTINE = BOX / "lab" / "openstack"
"""Databases and keys as they are before anything is in them: making them takes a minute."""

_KEPT = ("gnocchi", "keys", "mysql")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ANSWER_SECONDS = 120
_ANSWERS = frozenset({200, 300, 401})


class ControlPlane:
    """A control plane that runs: leave the `with` block and nothing of it is left.

    Args:
        folder: for all of it; made, and removed in the end.
        groups: files by which its services join control groups; default none.
        say: told of each phase, as it ends, with its name and its seconds; default: nobody.

    """

    def __init__(
        self,
        folder: Path,
        *,
        groups: Sequence[Path] = (),
        say: Callable[[str, float], None] = lambda _phase, _seconds: None,
    ) -> None:
        self._settings = Settings(folder=folder, password=secrets.token_hex(16))
        self._groups = groups
        self._say = say
        self._daemons: list[Daemon] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def project(self) -> Project:
        """The project to deploy to, and its operator."""
        password = self._settings.password
        return Project(
            url=f"http://{ADDRESS}:{PORTS['keystone']}/v3",
            user=USER,
            password=password,
            name=PROJECT,
            operator="admin",
            operator_password=password,
            operator_project="admin",
            region=REGION,
        )

    def start(self) -> None:
        """Start everything and return when it answers.

        Raises:
            ToolError: packages are missing, a port is taken, or a service does not start.

        """
        _check()
        settings = self._settings
        settings.write()
        with self._phase("databases and keys"):
            self._lay_out()
            self._make_authority()
            self._start_database()
            rabbit = self._start_rabbit()
        with self._phase("Keystone"):
            self._uwsgi("keystone", threads=8)
            self._answers("keystone", "/v3")
            self._bootstrap()
            make_identity(self.project.operate(), settings.password)
        with self._phase("services"):
            rabbit.wait(lambda: connect(RABBIT_PORT))
            self._uwsgi("placement", threads=6)
            self._python("glance", "glance.cmd.api")
            self._python("neutron", "neutron.cmd.eventlet.server")
            for part in ("conductor", "scheduler", "api_os_compute"):
                self._python("nova", f"nova.cmd.{part}")
            self._answers("placement")
            self._python("nova", "nova.cmd.compute")
            self._python("heat", "lab_heat")
            self._python("heat", "heat.cmd.api")
            self._uwsgi("gnocchi", threads=4)
            self._python("gnocchi", "gnocchi.cli.metricd", "metricd")
            self._uwsgi("aodh", threads=4)
            self._python("aodh", "aodh.cmd.alarm", "evaluator")
            self._python("aodh", "lab_aodh")
            for name in ("glance", "neutron", "nova"):
                self._answers(name)
        with self._phase("contents"):
            octavia = replace(self.project, operator="octavia", operator_project="service")
            network = make_resources(self.project.operate(), octavia.operate())
            self._settings = replace(settings, network=network)
            self._settings.write()
            self._uwsgi("octavia", threads=4)
            self._python("octavia", "octavia.cmd.octavia_worker")
            for name in ("heat", "octavia", "gnocchi", "aodh"):
                self._answers(name)
            make_measures(self.project.operate())
            self._hypervisor()

    def stop(self) -> None:
        """End everything and remove its folder."""
        if self._daemons:
            with ThreadPoolExecutor(len(self._daemons)) as pool:
                list(pool.map(Daemon.stop, self._daemons))
        self._daemons.clear()
        shutil.rmtree(self._settings.folder, ignore_errors=True)

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._say(name, time.monotonic() - began)

    @property
    def _environment(self) -> dict[str, str]:
        settings = self._settings
        etc = str(settings.folder / "etc")
        return {
            "HOME": str(settings.folder / "home"),
            "LC_ALL": "C.UTF-8",
            "OCTAVIA_CONF": str(settings.file("octavia")),
            "OS_KEYSTONE_CONFIG_DIR": etc,
            "OS_PLACEMENT_CONFIG_DIR": etc,
            "PATH": _PATH,
            "PYTHONPATH": str(settings.folder / "library"),
            "PYTHONWARNINGS": "ignore",
        }

    def _daemon(
        self, name: str, *command: str | Path, more: Mapping[str, str] | None = None
    ) -> Daemon:
        environment = self._environment | dict(more or {})
        daemon = Daemon(
            name,
            self._settings.folder / "log",
            *command,
            groups=self._groups,
            environment=environment,
        )
        self._daemons.append(daemon)
        return daemon

    def _python(self, name: str, module: str, main: str = "main") -> None:
        called = module.rpartition("cmd.")[2] if main == "main" else main
        code = f"import sys; from {module} import {main}; sys.argv[0] = {called!r}"
        code += f"; sys.exit({main}())"
        conf = self._settings.file(name)
        self._daemon(f"{name}-{called}", PYTHON, "-c", code, "--config-file", conf)

    def _uwsgi(self, name: str, *, threads: int) -> None:
        self._daemon(
            name,
            *("uwsgi", "--plugin", "python3", "--http-socket", f"{ADDRESS}:{PORTS[name]}"),
            *("--wsgi-file", self._settings.folder / "wsgi" / f"{name}.py", "--need-app"),
            *("--master", "--processes", "1", "--threads", str(threads), "--lazy-apps"),
            *("--enable-threads", "--die-on-term", "--disable-logging"),
            *("--buffer-size", "65535", "--post-buffering", "65536"),
            *("--add-header", "Connection: close"),
        )

    def _answers(self, name: str, path: str = "/") -> None:
        last = time.monotonic() + _ANSWER_SECONDS
        while not _answer(PORTS[name], path):
            if time.monotonic() > last:
                raise ToolError(
                    f"{name} of OpenStack does not answer on port {PORTS[name]}.",
                    do=f"read the logs of {name} in {self._settings.folder / 'log'}.",
                )
            time.sleep(0.2)

    def _hypervisor(self) -> None:
        compute = self.project.operate().compute
        last = time.monotonic() + _ANSWER_SECONDS
        while not list(compute.hypervisors()):
            if time.monotonic() > last:
                raise ToolError(
                    "Nova finds no hypervisor.",
                    do=f"read the logs of nova in {self._settings.folder / 'log'}.",
                )
            time.sleep(0.5)

    def _bootstrap(self) -> None:
        hosts = {"public": PUBLIC, "internal": ADDRESS, "admin": ADDRESS}
        places = [
            f"--bootstrap-{kind}-url=http://{host}:{PORTS['keystone']}/v3/"
            for kind, host in hosts.items()
        ]
        self._run(
            *("keystone-manage", "--config-file", self._settings.file("keystone"), "bootstrap"),
            *("--bootstrap-region-id", REGION, *places),
            more={"OS_BOOTSTRAP_PASSWORD": self._settings.password},
        )

    def _start_database(self) -> Daemon:
        folder = self._settings.folder
        daemon = self._daemon(
            "mariadb",
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={folder / 'mysql'}"),
            *(f"--socket={self._settings.socket}", "--skip-networking", "--skip-name-resolve"),
            *(f"--pid-file={folder / 'run/mysql.pid'}", "--max-connections=1000"),
            *("--innodb-buffer-pool-size=192M", "--innodb-flush-log-at-trx-commit=0"),
            *("--innodb-doublewrite=0", "--performance-schema=0", "--debug-no-sync"),
            "--transaction-isolation=READ-COMMITTED",
        )
        return daemon.wait(lambda: _connect_to(self._settings.socket))

    def _start_rabbit(self) -> Daemon:
        folder = self._settings.folder
        more = {
            "ERL_EPMD_ADDRESS": ADDRESS,
            "RABBITMQ_CONFIG_FILE": str(folder / "etc/rabbit.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "etc/rabbit-env.conf"),
            "RABBITMQ_DIST_PORT": "25672",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "etc/rabbit-plugins"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_MNESIA_BASE": str(folder / "rabbit"),
            "RABBITMQ_NODENAME": "lab@localhost",
            "RABBITMQ_PID_FILE": str(folder / "run/rabbit.pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        # Started by RabbitMQ itself, it would outlive it.
        self._daemon("epmd", "epmd", "-address", ADDRESS).wait(lambda: connect(4369))
        (program,) = Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server")
        return self._daemon("rabbitmq", program, more=more)

    def _lay_out(self) -> None:
        """Have databases and keys, from an earlier time if they were made for these packages."""
        folder = self._settings.folder
        kept = PRISTINE / digest(Path(__file__).parent.glob("*.py"), versions())[:16]
        if not kept.exists():
            self._make_keys()
            self._run(
                "mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db",
                f"--datadir={folder / 'mysql'}", "--auth-root-authentication-method=normal",
            )  # fmt: skip
            database = self._start_database()
            self._make_tables()
            database.stop()
            shutil.rmtree(PRISTINE, ignore_errors=True)
            draft = PRISTINE / "draft"
            for part in _KEPT:
                shutil.copytree(folder / part, draft / part)
            draft.rename(kept)
            return
        for part in _KEPT:
            shutil.copytree(kept / part, folder / part)

    def _make_keys(self) -> None:
        keys = self._settings.folder / "keys"
        for part in ("fernet", "credential"):
            (keys / part).mkdir(parents=True, mode=0o700)
            self._run(
                "keystone-manage", "--config-file", self._settings.file("keystone"),
                f"{part}_setup", "--keystone-user", "root", "--keystone-group", "root",
            )  # fmt: skip

    def _make_authority(self) -> None:
        """Make who signs the certificates of Octavia's amphorae."""
        keys = self._settings.folder / "keys"
        authority = trustme.CA(key_type=trustme.KeyType.RSA)
        authority.cert_pem.write_to_path(str(keys / "authority.pem"))
        authority.private_key_pem.write_to_path(str(keys / "authority.key"))

    def _make_tables(self) -> None:
        lines = "".join(f"CREATE DATABASE {name} CHARACTER SET utf8;\n" for name in DATABASES)
        self._run("mysql", "--no-defaults", "-uroot", "-S", self._settings.socket, given=lines)

        def follow(lane: Sequence[Sequence[str | Path]]) -> None:
            for command in lane:
                self._run(*command)

        found = lanes(self._settings)
        with ThreadPoolExecutor(len(found)) as pool:
            list(pool.map(follow, found))

    def _run(
        self, *command: str | Path, given: str = "", more: Mapping[str, str] | None = None
    ) -> None:
        done = subprocess.run(  # noqa: S603  (programs of Debian's packages)
            [str(word) for word in command], check=False, input=given, text=True,
            env=self._environment | dict(more or {}), cwd=self._settings.folder,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode:
            raise ToolError(
                f"`{' '.join(map(str, command))}` failed with code {done.returncode}:",
                do="mend what it names, and try again.",
                output=done.stdout,
            )


def _check() -> None:
    if absent := missing():
        raise ToolError(
            f"not installed: {', '.join(absent)}.",
            do="as root: .venv/bin/python -m lab.control_plane install",
        )
    for name, port in {**PORTS, "RabbitMQ": RABBIT_PORT}.items():
        with contextlib.suppress(OSError):
            connect(port)
            raise ToolError(
                f"something listens on port {port} already, where {name} is to.",
                do="stop it; a control plane of an earlier lab perhaps.",
            )


def _answer(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in _ANSWERS
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connect_to(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(path))
