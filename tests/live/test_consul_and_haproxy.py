"""The documents as they are, on real machines: Consul, consul-template and HAProxy together."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from crossgate.balancers.haproxy.config import configuration
from crossgate.balancers.haproxy.document import haproxy_document, seen_document
from crossgate.balancers.haproxy.settings import HEALTH_PATH, HEALTH_PORT, LAYOUT, STATS_PORT
from crossgate.boot.document import Document, File, Unit
from crossgate.boot.metrics import METRICS_PORT, metrics_document
from crossgate.boot.program import PYTHON
from crossgate.discovery.consul.acl import KEYRING, MANAGEMENT_TOKEN, Gossip
from crossgate.discovery.consul.agent import (
    WATCH,
    client_document,
    server_document,
    watch_document,
)
from crossgate.discovery.consul.settings import METRICS_URL
from crossgate.discovery.consul.template import keep_document
from crossgate.model.listener import Listener
from crossgate.model.service import Service
from crossgate.model.text import Reference, Text
from crossgate.specs import Addresses, Watch
from tests.dashboards.watched import figures
from tests.discovery.consul.authority import AUTHORITY, SERVER, TOKENS, known
from tests.live.machine import Machine, until
from tools import toolbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.machine import Network

pytestmark = [pytest.mark.live, pytest.mark.root]

SERVERS = ("10.71.0.11", "10.71.0.12", "10.71.0.13")
BALANCER = "10.71.0.21"
GOSSIP_KEY = Reference("${random_bytes.gossip.base64}")
PASSWORD = Reference("${random_password.stats.result}")
FOREIGN = Reference("${tls_self_signed_cert.foreign.cert_pem}")
KNOWN = {
    **known("here"),
    FOREIGN: trustme.CA().cert_pem.bytes().decode(),
    GOSSIP_KEY: base64.b64encode(bytes(range(32))).decode(),
    # Whatever is in it: nothing on the way to HAProxy may take it for its own.
    PASSWORD: "p'a\"ss: #${x} {{w}} \\ö",
}
JOIN = Addresses(addresses=tuple(Text.of(address) for address in SERVERS))
API = Service(name="api", port=9190, protocol="thrift", command=["/usr/bin/python3"])
LISTENER = Listener(port=9000, to=API)
PAGES = {"consul": METRICS_URL}
ASKED = Watch(cluster="here", program=(PYTHON, WATCH), document=watch_document())


class System:
    """All the machines; further ones can be started."""

    def __init__(self, network: Network, folder: Path, stack: contextlib.ExitStack) -> None:
        self.network = network
        self._folder = folder
        self._stack = stack
        self._made = 0

    def server(self, name: str, address: str) -> Machine:
        document = Document.merge(
            server_document(
                datacenter="here",
                gossip=Gossip(key=GOSSIP_KEY),
                join=JOIN,
                expected=len(SERVERS),
                **SERVER,
            ),
            metrics_document(pages=PAGES, password=PASSWORD),
        )
        return self._machine(name, address, document)

    def api(self, name: str, address: str) -> Machine:
        code = Path(__file__).with_name("thrift_server.py").read_text(encoding="utf-8")
        unit = f"[Service]\nExecStart=/usr/bin/python3 /opt/api.py 0.0.0.0 9190 {name}\n"
        document = Document.merge(
            client_document(
                datacenter="here",
                gossip=Gossip(key=GOSSIP_KEY),
                authority=AUTHORITY,
                tokens=TOKENS,
                join=JOIN,
                services=[API],
            ),
            Document(
                label="api",
                files=[File("/opt/api.py", code)],
                units=[Unit("api.service", unit + "[Install]\nWantedBy=multi-user.target\n")],
            ),
        )
        return self._machine(name, address, document)

    def stranger(self) -> Machine:
        document = client_document(
            datacenter="here",
            gossip=Gossip(key=GOSSIP_KEY),
            authority=FOREIGN,
            tokens=TOKENS,
            join=JOIN,
        )
        return self._machine("stranger", "10.71.0.41", document)

    def balancer(self) -> Machine:
        file = configuration([LISTENER], stats_address="*")
        document = Document.merge(
            haproxy_document(stats_password=PASSWORD),
            client_document(
                datacenter="here",
                gossip=Gossip(key=GOSSIP_KEY),
                authority=AUTHORITY,
                tokens=TOKENS,
                join=JOIN,
            ),
            keep_document(file),
            seen_document([LISTENER], ASKED),
            metrics_document(pages=PAGES),
        )
        return self._machine("edge", BALANCER, document)

    def _machine(self, name: str, address: str, document: Document) -> Machine:
        self._made += 1
        made = Machine(
            self.network,
            self._folder / str(self._made),
            name,
            address,
            document,
            programs={
                "/usr/bin/consul": toolbox.program("consul"),
                "/usr/bin/consul-template": toolbox.program("consul-template"),
            },
            known=KNOWN,
        )
        return self._stack.enter_context(made)

    def call(self, connection: socket.socket, method: str = "host") -> str:
        name = method.encode()
        connection.sendall(
            struct.pack(">II", 0x80010001, len(name)) + name + struct.pack(">i", 7) + b"\0"
        )
        answer = connection.recv(4096)
        if not answer:
            raise ConnectionResetError
        (length,) = struct.unpack_from(">i", answer, 8 + len(name) + 4 + 3)
        return answer[8 + len(name) + 4 + 7 :][:length].decode()

    def connect(self) -> socket.socket:
        with self.network.entered():
            return socket.create_connection((BALANCER, LISTENER.port), timeout=5)

    def hosts(self, calls: int = 8) -> set[str]:
        """Call on `calls` connections that are open together; fail if one fails."""
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self.connect()) for _ in range(calls)]
            return {self.call(connection) for connection in connections}

    def reaches(self, *names: str) -> bool:
        try:
            return self.hosts() == set(names)
        except OSError:
            return False

    def get(
        self, port: int, path: str, password: str | None = None, address: str = BALANCER
    ) -> tuple[int, bytes]:
        headers = {}
        if password is not None:
            login = base64.b64encode(f"stats:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        with self.network.entered():
            connection = http.client.HTTPConnection(address, port, timeout=15)
            connection.connect()
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read()

    def told(self, address: str = BALANCER) -> dict[str, float]:
        """Return the figures that a machine shows of itself."""
        status, page = self.get(METRICS_PORT, "/metrics/machine", KNOWN[PASSWORD], address)
        assert status == 200
        return figures(page.decode())

    def frozen(self) -> bool:
        return self.told()["crossgate_list_frozen"] == 1


@pytest.fixture(scope="module")
def system(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with contextlib.ExitStack() as stack:
        yield System(network, tmp_path_factory.mktemp("machines"), stack)


@pytest.fixture(scope="module")
def balancer(system: System) -> Machine:
    return system.balancer()


@pytest.fixture(scope="module")
def unanswered(balancer: Machine) -> str:
    """Return what systemd says of HAProxy while no server of Consul is there yet."""
    time.sleep(1)
    shown = balancer.run("systemctl", "show", "haproxy", "--property=ActiveState,Result,NRestarts")
    return shown + balancer.run("ss", "-Hltn")


@pytest.fixture(scope="module")
def servers(system: System, unanswered: str) -> list[Machine]:
    return [system.server(f"consul-{n}", address) for n, address in enumerate(SERVERS)]


@pytest.fixture(scope="module")
def apis(system: System, servers: list[Machine]) -> list[Machine]:
    made = [system.api("api-1", "10.71.0.31"), system.api("api-2", "10.71.0.32")]
    until(lambda: system.reaches("api-1", "api-2"), seconds=30, what="both machines answer")
    return made


def test_haproxy_waits_for_the_first_answer_of_discovery(unanswered: str) -> None:
    assert "ActiveState=inactive" in unanswered
    assert "Result=success" in unanswered
    assert f":{HEALTH_PORT} " not in unanswered
    assert f":{LISTENER.port} " not in unanswered


def test_agents_gossip_with_the_key_on_their_private_address(
    servers: list[Machine], apis: list[Machine]
) -> None:
    members = servers[0].run("consul", "members")
    assert members.count("alive") == 6
    for machine in (*servers, *apis):
        assert f"{machine.address}:8301" in members
    assert "encrypted = true" in servers[0].run("consul", "info")
    ports = servers[0].run("ss", "-Hltn")
    assert "127.0.0.1:8500" in ports
    for closed in (8302, 8501, 8502, 8503):
        assert f":{closed} " not in ports


def test_servers_hear_nothing_that_is_not_encrypted(system: System, servers: list[Machine]) -> None:
    with system.network.entered():
        asked = socket.create_connection((SERVERS[0], 8300), timeout=5)
    with asked:
        asked.sendall(b"\0")  # "what follows is RPC"
        assert asked.recv(1) == b""
    assert "Non-TLS connection attempted" in servers[0].journal("consul")


def test_a_machine_of_another_authority_trusts_no_server_and_joins_nobody(
    system: System, servers: list[Machine], apis: list[Machine]
) -> None:
    stranger = system.stranger()
    until(
        lambda: "signed by unknown authority" in stranger.journal("consul"),
        seconds=30,
        what="it finds the servers' certificates signed by somebody else",
    )
    assert stranger.address not in servers[0].run("consul", "members")


def with_token(machine: Machine, token: str, *command: str) -> str:
    """Return what a command of consul says to somebody with a token."""
    return machine.run("env", f"CONSUL_HTTP_TOKEN={token}", "consul", *command, check=False)


DENIED = "Permission denied"
REGISTER = ("services", "register", "-name=web", "-port=9190")


def test_who_has_no_token_may_nothing(servers: list[Machine], apis: list[Machine]) -> None:
    for machine in (servers[0], apis[0]):
        assert DENIED in with_token(machine, "anonymous", "kv", "get", "crossgate/x")
        assert DENIED in with_token(machine, "anonymous", *REGISTER)
        assert "api" not in with_token(machine, "anonymous", "catalog", "services")


def test_a_machine_may_announce_its_own_service_and_no_other(apis: list[Machine]) -> None:
    assert DENIED in apis[0].run("consul", *REGISTER, check=False)
    assert DENIED in apis[0].run("consul", "kv", "put", "crossgate/x", "y", check=False)
    assert "api" in apis[0].run("consul", "catalog", "services")


def test_a_balancer_sees_all_and_announces_nothing(balancer: Machine, apis: list[Machine]) -> None:
    assert "api" in balancer.run("consul", "catalog", "services")
    for name in ("web", "api"):
        asked = ("consul", "services", "register", f"-name={name}", "-port=9190")
        assert DENIED in balancer.run(*asked, check=False)
    assert "Success" in balancer.run("consul", "kv", "put", "crossgate/figures.x", "1")
    assert DENIED in balancer.run("consul", "kv", "put", "crossgate/x", "1", check=False)


def test_a_server_may_keep_notes_and_no_tokens(servers: list[Machine], apis: list[Machine]) -> None:
    assert "Success" in servers[0].run("consul", "kv", "put", "crossgate/note", "1")
    assert DENIED in servers[0].run("consul", "acl", "token", "list", check=False)
    management = servers[0].read(MANAGEMENT_TOKEN).strip()
    listed = with_token(servers[0], management, "acl", "token", "list")
    for role in ("agent", "server", "balancer", "services:api"):
        assert f"crossgate 1: {role}\n" in listed


def test_clients_reach_every_machine_of_the_service(system: System, apis: list[Machine]) -> None:
    assert system.hosts() == {"api-1", "api-2"}
    assert system.get(HEALTH_PORT, HEALTH_PATH)[0] == 200


def test_stats_and_metrics_ask_for_the_login(system: System, apis: list[Machine]) -> None:
    assert system.get(STATS_PORT, "/")[0] == 401
    assert system.get(STATS_PORT, "/metrics", "wrong")[0] == 401
    status, page = system.get(STATS_PORT, "/", KNOWN[PASSWORD])
    assert (status, b"api-9000" in page) == (200, True)
    status, page = system.get(STATS_PORT, "/metrics", KNOWN[PASSWORD])
    assert (status, b"haproxy_backend_active_servers" in page) == (200, True)


def test_a_balancer_shows_how_its_list_is_and_all_its_parts(
    system: System, apis: list[Machine]
) -> None:
    until(lambda: not system.frozen(), seconds=20, what="the list is confirmed")
    told = system.told()
    assert abs(time.time() - told["crossgate_list_confirmed_timestamp_seconds"]) < 30
    assert told["crossgate_list_applied_total"] >= told["crossgate_list_reloads_total"] >= 1
    assert told['crossgate_list_refused_total{by="haproxy"}'] == 0
    assert told["crossgate_haproxy_answers"] == 1
    for part in ("consul", "haproxy-seen", "systemd"):
        assert told[f'crossgate_part_up{{part="{part}"}}'] == 1
    for unit in ("consul", "haproxy", "consul-template-haproxy", "crossgate-haproxy-seen"):
        assert told[f'crossgate_unit_active{{unit="{unit}.service"}}'] == 1
    assert "consul_client_rpc" in told


def test_a_consul_server_shows_its_figures_to_who_knows_the_login(
    system: System, servers: list[Machine], apis: list[Machine]
) -> None:
    assert system.get(METRICS_PORT, "/metrics", None, SERVERS[0])[0] == 401
    assert system.get(METRICS_PORT, "/metrics", "wrong", SERVERS[0])[0] == 401

    def leaders() -> float:
        return sum(system.told(address)["consul_server_isLeader"] for address in SERVERS)

    until(lambda: leaders() == 1, seconds=30, what="one says that it leads")
    for address in SERVERS:
        assert system.told(address)['crossgate_unit_active{unit="consul.service"}'] == 1
    user = servers[0].run("ps", "-o", "user=", "-C", "python3")
    assert "root" not in user.split()


def test_secrets_are_for_root_only(
    balancer: Machine, servers: list[Machine], apis: list[Machine]
) -> None:
    for path in (LAYOUT.login, LAYOUT.live, LAYOUT.staged, LAYOUT.socket):
        assert balancer.run("stat", "-c", "%a %U", path) == "600 root\n", path
    for machine, path in (
        (balancer, KEYRING),
        (balancer, "/etc/crossgate/consul/acl.json"),
        (servers[0], "/etc/crossgate/consul-tls/server.key"),
    ):
        assert machine.run("stat", "-c", "%a %U:%G", path) == "640 root:consul\n"
    for path in (MANAGEMENT_TOKEN, "/etc/crossgate/consul-tokens.secrets"):
        assert servers[0].run("stat", "-c", "%a %U", path) == "600 root\n", path
    assert KNOWN[PASSWORD] not in balancer.read(LAYOUT.live)


def test_an_invalid_file_is_refused_and_the_last_good_one_serves_on(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    good = balancer.read(LAYOUT.live)
    staged = balancer.read(LAYOUT.staged)
    pid = balancer.run("systemctl", "show", "haproxy", "--property=MainPID,NRestarts")
    balancer.run("sh", "-c", f"echo 'listen broken' >{LAYOUT.staged}")
    said = balancer.run("sh", "-c", f"{LAYOUT.apply} || echo refused with $?")
    assert "the last good file stays" in said
    assert "refused with 1" in said
    assert balancer.read(LAYOUT.live) == good
    assert balancer.run("systemctl", "show", "haproxy", "--property=MainPID,NRestarts") == pid
    until(system.frozen, seconds=20, what="the list is said to be frozen")
    assert system.told()['crossgate_list_refused_total{by="haproxy"}'] == 1
    assert system.hosts() == {"api-1", "api-2"}
    # consul-template, started again, puts its own back.
    balancer.run("systemctl", "restart", "consul-template-haproxy")
    until(lambda: balancer.read(LAYOUT.staged) == staged, seconds=10, what="the file is true again")
    until(lambda: not system.frozen(), seconds=20, what="and known to be")


def test_a_file_that_haproxy_cannot_start_with_is_taken_back(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    good = balancer.read(LAYOUT.live)
    taken = "import socket, time; s = socket.create_server(('', 9000)); time.sleep(60)"
    balancer.run("systemctl", "stop", "haproxy")
    balancer.run("systemd-run", "--unit=taken", "/usr/bin/python3", "-c", taken)
    until(lambda: ":9000 " in balancer.run("ss", "-Hltn"), seconds=10, what="the port is taken")
    balancer.run("sh", "-c", f"echo '# valid' >>{LAYOUT.staged}")
    said = balancer.run("sh", "-c", f"{LAYOUT.apply} || echo refused with $?")
    assert "the last good file is put back" in said
    assert "refused with 1" in said
    assert balancer.read(LAYOUT.live) == good
    balancer.run("systemctl", "stop", "taken")
    until(lambda: system.reaches("api-1", "api-2"), seconds=10, what="HAProxy is back by itself")
    balancer.run("systemctl", "restart", "consul-template-haproxy")


def test_a_machine_in_maintenance_keeps_its_sessions_and_gets_no_new_ones(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    with contextlib.ExitStack() as stack:
        held = {}
        while set(held) != {"api-1", "api-2"}:
            connection = stack.enter_context(system.connect())
            held[system.call(connection)] = connection
        apis[0].run("consul", "maint", "-enable", "-service=api")
        until(lambda: system.reaches("api-2"), seconds=15, what="new sessions go elsewhere")
        assert system.call(held["api-1"]) == "api-1"
        apis[0].run("consul", "maint", "-disable", "-service=api")
        until(lambda: system.reaches("api-1", "api-2"), seconds=15, what="it is back")
        assert system.call(held["api-1"]) == "api-1"
        assert system.call(held["api-2"]) == "api-2"


def test_machines_come_and_go_without_a_reload(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    applied, reloaded = counted(balancer, "applied"), counted(balancer, "reloaded")
    apis[0].run("consul", "maint", "-enable", "-service=api")
    until(lambda: system.reaches("api-2"), seconds=15, what="new sessions go elsewhere")
    until(lambda: f"/{apis[0].name}-" not in servers_of(system), seconds=20, what="it is forgotten")
    apis[0].run("consul", "maint", "-disable", "-service=api")
    until(lambda: system.reaches("api-1", "api-2"), seconds=15, what="it is back")
    # HAProxy leads there before its file says so.
    until(
        lambda: balancer.read(LAYOUT.staged) == balancer.read(LAYOUT.live),
        seconds=10,
        what="the file says so too",
    )
    assert counted(balancer, "applied") >= applied + 2
    assert counted(balancer, "reloaded") == reloaded


def counted(balancer: Machine, what: str) -> int:
    """Return how often the balancer's script did something."""
    return int(balancer.run("cat", f"{LAYOUT.counts}/{what}"))


def servers_of(system: System) -> str:
    """Return the balancer's own page of its backend, whose servers are links by name."""
    return system.get(STATS_PORT, "/", KNOWN[PASSWORD])[1].decode()


def test_a_reload_loses_no_call(system: System, balancer: Machine, apis: list[Machine]) -> None:
    with system.connect() as lasting:
        for _ in range(5):
            balancer.run("systemctl", "reload", "haproxy")
            for _ in range(40):
                assert system.hosts(calls=4) == {"api-1", "api-2"}
        assert system.call(lasting) in {"api-1", "api-2"}


def test_who_connects_while_haproxy_is_killed_is_served_by_the_next_one(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    before = balancer.run("systemctl", "show", "haproxy", "--property=MainPID")
    balancer.run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", "haproxy")
    for _ in range(20):
        assert system.hosts(calls=4) <= {"api-1", "api-2"}
    assert balancer.run("systemctl", "show", "haproxy", "--property=MainPID") != before


def test_a_restart_refuses_nobody(system: System, balancer: Machine, apis: list[Machine]) -> None:
    balancer.run("systemctl", "restart", "--no-block", "haproxy")
    lost = 0
    for _ in range(80):
        with system.connect() as connection:
            try:
                assert system.call(connection) in {"api-1", "api-2"}
            except ConnectionError:
                lost += 1
    assert lost <= 1, "of one client only the call that the old process had taken may be lost"


def test_who_connects_to_a_stopped_haproxy_is_refused(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    balancer.run("systemctl", "stop", "haproxy")
    with pytest.raises(ConnectionRefusedError):
        system.connect()
    balancer.run("systemctl", "start", "haproxy")
    assert system.hosts() == {"api-1", "api-2"}


def test_a_hung_server_is_found_by_the_call_that_a_connect_would_pass(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    apis[0].run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", "api")
    until(lambda: system.reaches("api-2"), seconds=10, what="the hung one is left out")
    passing = "http://127.0.0.1:8500/v1/health/service/api?passing"
    assert '"api-1-' in balancer.run("curl", "-s", passing), "a connect is all that Consul checks"
    assert f"{apis[0].address}:9190" in balancer.read(LAYOUT.live)
    apis[0].run("systemctl", "kill", "--kill-whom=main", "--signal=CONT", "api")
    until(lambda: system.reaches("api-1", "api-2"), seconds=10, what="it is back")


def test_without_consul_the_list_stays_and_calls_go_on(
    system: System, balancer: Machine, servers: list[Machine], apis: list[Machine]
) -> None:
    good = balancer.read(LAYOUT.live)
    balancer.run("systemctl", "stop", "consul")
    for server in servers:
        server.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "consul")
        server.run("systemctl", "stop", "consul")
    last = time.monotonic() + 10
    while time.monotonic() < last:
        assert system.hosts() == {"api-1", "api-2"}
        assert balancer.read(LAYOUT.staged) == balancer.read(LAYOUT.live) == good
        time.sleep(0.5)
    assert system.frozen()
    assert system.told()["crossgate_discovery_answers"] == 0
    assert system.told()['crossgate_part_up{part="consul"}'] == 0
    for machine in (*servers, balancer):
        machine.run("systemctl", "start", "--no-block", "consul")
    until(lambda: _leader(servers[1]), seconds=60, what="the servers have a leader")
    until(
        lambda: balancer.run("systemctl", "is-active", "consul", check=False) == "active\n",
        seconds=30,
        what="the agent has joined again",
    )
    assert system.hosts() == {"api-1", "api-2"}
    assert balancer.read(LAYOUT.live) == good
    until(lambda: not system.frozen(), seconds=30, what="the list is confirmed again")
    for server in servers:
        assert "Raft data found, disabling bootstrap mode" in server.journal("consul")


def test_a_server_that_stands_in_for_a_dead_one_joins_and_starts_no_second_cluster(
    system: System, servers: list[Machine]
) -> None:
    until(lambda: len(_voters(servers[1])) == 3, seconds=60, what="three voters")
    dead = next(v for v in _voters(servers[1]) if v.startswith("consul-0-"))
    servers[0].kill()
    fresh = system.server("consul-0", SERVERS[0])
    until(
        lambda: len(_voters(servers[1])) == 3 and dead not in _voters(servers[1]),
        seconds=90,
        what="the new one is a voter in the place of the dead one",
    )
    assert _leader(fresh) == _leader(servers[1])
    # It either hears that there are peers, or is made one before it asks.
    assert "attempting bootstrap" not in fresh.journal("consul")


def test_a_dead_machine_is_left_and_a_new_one_found(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    apis[1].kill()
    until(lambda: system.reaches("api-1"), seconds=10, what="calls go to the other one")
    assert f"{apis[1].address}:9190" in balancer.read(LAYOUT.live), "failing ones stay listed"
    system.api("api-3", "10.71.0.33")
    until(lambda: system.reaches("api-1", "api-3"), seconds=20, what="the new one gets calls")


def test_a_reload_sends_nobody_to_a_dead_machine_that_is_still_listed(
    system: System, balancer: Machine, apis: list[Machine]
) -> None:
    assert f"{apis[1].address}:9190" in balancer.read(LAYOUT.live)
    for _ in range(5):
        balancer.run("systemctl", "reload", "haproxy")
        began = time.monotonic()
        assert system.hosts(calls=12) == {"api-1", "api-3"}
        assert time.monotonic() - began < 1


def _leader(server: Machine) -> str:
    asked = "http://127.0.0.1:8500/v1/status/leader"
    return server.run("curl", "-s", asked, check=False).strip('"\n')


def _voters(server: Machine) -> set[str]:
    lines = server.run("consul", "operator", "raft", "list-peers", check=False).splitlines()
    return {line.split()[0] for line in lines if " true " in line}
