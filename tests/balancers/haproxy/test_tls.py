"""Listeners that speak TLS: at a real HAProxy, with real certificates, and in what machines get."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from crossgate import (
    AutoScalingGroup,
    Certificate,
    ConfigError,
    ConsulServers,
    Gateway,
    HAProxyNodes,
    Listener,
    NullCloud,
    Reference,
    Service,
    TcpCheck,
    Tls,
)
from crossgate.balancers.haproxy.config import configuration
from crossgate.gateway_file import json_schema
from crossgate.model.text import Text
from crossgate.specs import MachinesSpec, ServerLines
from tests.balancers.haproxy.conftest import write_certificates
from tests.balancers.haproxy.examples import DAY, KEY, Authority, Loopback, refused

if TYPE_CHECKING:
    from crossgate.balancers.haproxy.settings import Layout

WEB = Service(name="web", port=8080, protocol="http", command=["/usr/bin/web"], check=TcpCheck())
OTHER_KEY = Reference("${tls_private_key.other.private_key_pem}")
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LIST = "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n"
SITE = Tls(certificates=[Certificate(chain=PEM, key=KEY)])
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_OF_TLS, _NAME = 0x20, 0x22


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


class Web(Loopback):
    """Tells a client of HTTP what it has been told itself; `began` is what came before that."""

    def __init__(self) -> None:
        super().__init__()
        self.began = b""

    def answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as said:
            if said.peek(1)[:1] == b"\r":
                head = said.read(16)
                self.began = head + said.read(struct.unpack(">H", head[14:])[0])
            heard = {}
            while (line := said.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().strip().partition(": ")
                heard[name.lower()] = value
            if heard:
                body = json.dumps(heard).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                connection.sendall(head + body)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as made:
        yield made


@contextlib.contextmanager
def connected(
    port: int,
    context: ssl.SSLContext | None,
    name: str = "site.example.org",
    session: ssl.SSLSession | None = None,
) -> Iterator[Any]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        if context is None:
            yield plain
        else:
            with context.wrap_socket(plain, server_hostname=name, session=session) as made:
                yield made


def asked(
    port: int,
    context: ssl.SSLContext | None,
    *headers: str,
    session: ssl.SSLSession | None = None,
) -> dict[str, str]:
    """Return what the service is told with a request."""
    lines = ["GET / HTTP/1.1", "Host: site.example.org", "Connection: close", *headers]
    with connected(port, context, session=session) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        answer = b""
        while part := connection.recv(4096):
            answer += part
    told: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return told


@pytest.fixture
def served(
    stack, running: Callable, layout: Layout, free_port: Callable[[], int], web: Web, authority
) -> Callable[..., int]:
    """Return what starts a listener with a certificate of site.example.org; returns its port."""

    def start(service: Service = WEB, mode: str = "http", **more: Any) -> int:
        certificate, known = authority.site("site.example.org")
        listener = Listener(
            port=free_port(),
            mode=mode,
            to=service,
            tls=Tls(certificates=[certificate], **more),
        )
        write_certificates(stack, [listener], layout, known)
        running([listener], {service.name: [web.port]}).settled()
        return listener.port

    return start


@pytest.mark.root
def test_haproxy_accepts_the_file_without_a_warning(
    stack, program: Path, layout: Layout, rendered: Callable, tmp_path: Path, authority: Authority
) -> None:
    (one, known), (two, also) = authority.site("a.example.org"), authority.site("b", OTHER_KEY)
    both = Tls(
        certificates=[one, two],
        client_ca=authority.pem,
        revoked=authority.revoked(),
        minimum="1.3",
    )
    listeners = [
        Listener(port=9443, mode="http", to=WEB, tls=both, accept_proxy=True),
        Listener(port=9444, to=replace(WEB, name="raw", send_proxy="v2"), tls=both),
        Listener(port=9445, to=replace(WEB, name="old"), tls=Tls(certificates=[two])),
        Listener(port=9446, mode="http", to=replace(WEB, name="plain")),
    ]
    write_certificates(stack, listeners, layout, {**known, **also})
    servers = {each.to.name: [20001] for each in listeners}
    config = tmp_path / "haproxy.cfg"
    config.write_text(rendered(configuration(listeners, layout=layout), servers), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert refused(program, config, held={9443: held}) == ""


@pytest.mark.live
@pytest.mark.root
def test_the_service_hears_that_its_client_came_by_tls(served, authority) -> None:
    assert asked(served(), authority.client())["x-forwarded-proto"] == "https"


@pytest.mark.live
@pytest.mark.root
def test_the_certificate_is_that_of_the_name_that_is_asked_for(
    stack, running: Callable, layout: Layout, free_port: Callable[[], int], web: Web, authority
) -> None:
    (one, known), (two, also) = authority.site("a.example.org"), authority.site("b.org", OTHER_KEY)
    listener = Listener(port=free_port(), to=WEB, tls=Tls(certificates=[one, two]))
    write_certificates(stack, [listener], layout, {**known, **also})
    running([listener], {"web": [web.port]})
    for name in ("a.example.org", "b.org"):
        with connected(listener.port, authority.client(), name) as connection:
            assert connection.getpeercert()["subjectAltName"] == (("DNS", name),)
    anybody = authority.client()
    anybody.check_hostname = False
    with connected(listener.port, anybody, "nobody.example.org") as connection:
        assert connection.getpeercert()["subjectAltName"] == (("DNS", "a.example.org"),)


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "protocol", "spoken"),
    [("http", "http", "h2"), ("tcp", "grpc", "h2"), ("tcp", "http", None)],
)
def test_clients_are_told_that_http_2_is_spoken_where_it_is(
    served, authority, mode: str, protocol: str, spoken: object
) -> None:
    client = authority.client()
    client.set_alpn_protocols(["h2", "http/1.1"])
    port = served(replace(WEB, protocol=protocol), mode=mode)
    with connected(port, client) as connection:
        assert connection.selected_alpn_protocol() == spoken


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize(
    ("minimum", "outcome"),
    [
        ("1.2", contextlib.nullcontext()),
        ("1.3", pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL")),
    ],
)
def test_older_versions_are_refused(
    served, authority, minimum: str, outcome: contextlib.AbstractContextManager
) -> None:
    client = authority.client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    port = served(minimum=minimum)
    with outcome:
        assert asked(port, client)["x-forwarded-proto"] == "https"


@pytest.mark.live
@pytest.mark.root
def test_who_speaks_no_tls_is_not_served(served) -> None:
    with socket.create_connection(("127.0.0.1", served()), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert not connection.recv(100).startswith(b"HTTP")


@pytest.mark.live
@pytest.mark.root
def test_a_client_with_a_certificate_is_known_to_the_service(served, authority) -> None:
    port = served(client_ca=authority.pem)
    told = asked(port, authority.client("billing"), "X-SSL-Client-DN: CN=root")
    assert told["x-ssl-client-dn"].startswith("CN=billing,")


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("by", ["nobody", "another"])
def test_a_client_without_a_certificate_of_the_authority_is_refused(
    served, authority, by: str
) -> None:
    port = served(client_ca=authority.pem)
    client = authority.client("billing" if by == "another" else None, by=trustme.CA())
    with pytest.raises(OSError, match=r"ALERT|reset"):
        asked(port, client)


@pytest.mark.live
@pytest.mark.root
def test_a_client_whose_certificate_is_revoked_is_refused(served, authority) -> None:
    lost, kept = authority.client("lost"), authority.client("kept")
    port = served(client_ca=authority.pem, revoked=authority.revoked("lost"))
    with pytest.raises(OSError, match=r"ALERT|reset"):
        asked(port, lost)
    assert asked(port, kept)["x-ssl-client-dn"].startswith("CN=kept,")


@pytest.mark.live
@pytest.mark.root
def test_a_list_past_its_next_update_lets_nobody_in(served, authority) -> None:
    client = authority.client("billing")
    port = served(client_ca=authority.pem, revoked=authority.revoked(until=-DAY / 2))
    with pytest.raises(OSError, match=r"ALERT|reset"):
        asked(port, client)


@pytest.mark.live
@pytest.mark.root
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_session_begun_where_no_certificate_is_wanted_opens_no_other_listener(
    stack,
    running: Callable,
    layout: Layout,
    free_port: Callable[[], int],
    web: Web,
    authority: Authority,
    version: str,
) -> None:
    certificate, known = authority.site("site.example.org")
    open_to_all = Tls(certificates=[certificate])
    listeners = [
        Listener(port=free_port(), mode="http", to=WEB, tls=open_to_all),
        Listener(
            port=free_port(), mode="http", to=WEB, tls=replace(open_to_all, client_ca=authority.pem)
        ),
    ]
    write_certificates(stack, listeners, layout, known)
    running(listeners, {"web": [web.port]}).settled()
    client = authority.client()
    client.maximum_version = ssl.TLSVersion[version]
    with connected(listeners[0].port, client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        session = connection.session
    with pytest.raises(OSError, match=r"ALERT|reset"):
        asked(listeners[1].port, client, session=session)


FORGED = [
    "X-SSL-Client-DN: CN=billing",
    "x_ssl_client_dn: CN=billing",
    "X-Ssl_Client-Dn: CN=billing",
    "X-Forwarded-Proto: gopher",
    "X_FORWARDED_PROTO: gopher",
]


@pytest.mark.live
@pytest.mark.root
def test_a_client_cannot_say_itself_how_it_came(served, authority) -> None:
    told = asked(served(), authority.client(), *FORGED)
    named = {name: said for name, said in told.items() if "proto" in name or "client" in name}
    assert named == {"x-forwarded-proto": "https"}


@pytest.mark.live
@pytest.mark.root
def test_nor_without_tls(running: Callable, free_port: Callable[[], int], web: Web) -> None:
    port = free_port()
    running([Listener(port=port, mode="http", to=WEB)], {"web": [web.port]}).settled()
    told = asked(port, None, *FORGED)
    named = {name: said for name, said in told.items() if "proto" in name or "client" in name}
    assert named == {"x-forwarded-proto": "http"}


@pytest.mark.live
@pytest.mark.root
def test_a_service_of_tcp_hears_of_the_client_in_the_header_of_the_proxy_protocol(
    served, authority, web: Web
) -> None:
    service = replace(WEB, protocol="tcp", send_proxy="v2")
    port = served(service, mode="tcp", client_ca=authority.pem)
    asked(port, authority.client("billing"))
    assert web.began.startswith(_SIGNATURE)
    parts = dict(values(web.began[16 + 12 :]))
    # One byte says how the client came, four whether it is known.
    assert parts[_OF_TLS][1:5] == bytes(4)
    assert dict(values(parts[_OF_TLS][5:]))[_NAME] == b"billing"


def values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what stands behind the addresses of a header: kinds and values."""
    while data:
        kind, length = struct.unpack(">BH", data[:3])
        yield kind, data[3 : 3 + length]
        data = data[3 + length :]


@pytest.mark.live
@pytest.mark.root
def test_a_reload_shows_the_new_certificate_and_ends_no_connection(
    stack, running: Callable, layout: Layout, free_port: Callable[[], int], web: Web, authority
) -> None:
    before, known = authority.site("site.example.org")
    listener = Listener(port=free_port(), to=WEB, tls=Tls(certificates=[before]))
    write_certificates(stack, [listener], layout, known)
    haproxy = running([listener], {"web": [web.port]})
    haproxy.settled()
    with connected(listener.port, authority.client()) as lasting:
        first = lasting.getpeercert()["serialNumber"]
        after, known = authority.site("site.example.org")
        changed = replace(listener, tls=Tls(certificates=[after]))
        write_certificates(stack, [changed], layout, known)
        haproxy.reload()
        last = time.monotonic() + 10
        while time.monotonic() < last:
            with connected(listener.port, authority.client()) as fresh:
                if fresh.getpeercert()["serialNumber"] != first:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError("the certificate is the one before")
        lasting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert lasting.recv(4096).startswith(b"HTTP/1.1 200")


def text_of(*listeners: Listener) -> str:
    pieces = configuration(listeners).pieces
    return "".join(str(piece) if isinstance(piece, Text) else piece.line for piece in pieces)


def test_without_tls_nothing_is_said_of_it() -> None:
    assert "ssl" not in text_of(Listener(port=9000, to=WEB))


def test_only_a_listener_with_tls_tells_of_the_client() -> None:
    to = replace(WEB, send_proxy="v2")
    pieces = configuration([Listener(port=1, to=to), Listener(port=2, to=to, tls=SITE)]).pieces
    lines = [piece.line for piece in pieces if isinstance(piece, ServerLines)]
    assert ["proxy-v2-options ssl,cert-cn" in line for line in lines] == [False, True]


def documents(stack, *listeners: Listener) -> dict[str, tuple[Text, int]]:
    """Return what a balancer gets: texts and modes of its files."""
    cloud = NullCloud(stack, "here")
    consul = ConsulServers(stack, "consul", clouds=[cloud])
    AutoScalingGroup(stack, "web", clouds=[cloud], service=WEB, discovery=consul)
    HAProxyNodes(stack, "edge", clouds=[cloud], discovery=consul, listeners=listeners)
    (spec,) = (s for s in cloud.asked if isinstance(s, MachinesSpec) and s.name == "test-edge")
    return {file.path: (Text.of(file.text), file.mode) for _, file in spec.document.written()}


def test_a_certificate_and_its_key_are_one_file_that_root_alone_reads(stack) -> None:
    text, mode = documents(stack, Listener(port=443, to=WEB, tls=SITE))[
        "/etc/haproxy/tls-443-0.pem"
    ]
    assert (text, mode) == (Text.of(PEM, "\n", KEY, "\n"), 0o600)


def test_the_configuration_changes_with_the_certificate(stack, synth) -> None:
    files = documents(stack, Listener(port=443, to=WEB, tls=SITE))
    template, _ = files["/etc/consul-template/haproxy.tpl"]
    (mark,) = (one for one in template.references() if "sha256" in one.token)
    name = mark.token.removeprefix("${sha256(local.").removesuffix(")}")
    assert synth()["locals"][name] == f"{PEM}\n{KEY.token}\n"


def test_a_variable_holds_what_nobody_writes_down(stack, synth) -> None:
    site = Certificate(chain_variable="site_chain", key_variable="site_key")
    files = documents(stack, Listener(port=443, to=WEB, tls=Tls(certificates=[site])))
    text, _ = files["/etc/haproxy/tls-443-0.pem"]
    assert [one.token for one in text.references()] == ["${var.site_chain}", "${var.site_key}"]
    assert synth()["variable"] == {
        "site_chain": {"type": "string", "sensitive": True},
        "site_key": {"type": "string", "sensitive": True},
    }


def test_a_gateway_file_names_the_variables(stack, synth, tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    cloud = {"type": "aws", "region": "eu-west-1", "zones": ["eu-west-1a", "eu-west-1b"]}
    said = {
        "clouds": {"here": cloud},
        "services": [{"name": "web", "port": 8080, "image": "registry.example.org/web:1"}],
        "listeners": [
            {
                "port": 443,
                "to": "web",
                "tls": {"certificates": [{"chain": PEM, "key_variable": "site_key"}]},
            }
        ],
    }
    file.write_text(json.dumps(said), encoding="utf-8")
    Gateway.from_file(stack, "gw", file)
    assert list(synth()["variable"]) == ["site_key"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Tls(certificates=[]), "Tls: certificates"),
        (lambda: Tls(certificates=SITE.certificates, minimum="1.1"), "Tls: minimum"),
        (lambda: Certificate(chain=PEM), "Certificate: key: is missing\n"),
        (lambda: Certificate(key=KEY), "want: chain or chain_variable"),
        (
            lambda: Certificate(chain=PEM, key=KEY, key_variable="site_key"),
            "Certificate: key: is given twice",
        ),
        (
            lambda: Certificate(chain=PEM, key="-----BEGIN PRIVATE KEY-----\n"),
            'do:   write key_variable="site_key"',
        ),
        (lambda: Certificate(chain="site.pem", key=KEY), "is no certificate in PEM"),
        (
            lambda: Certificate(chain=f"{PEM}-----BEGIN RSA PRIVATE KEY-----\n", key=KEY),
            "holds a private key",
        ),
        (
            lambda: Tls(certificates=SITE.certificates, client_ca="ca.pem"),
            "Tls: client_ca: is no certificate in PEM",
        ),
        (
            lambda: Tls(certificates=SITE.certificates, client_ca=PEM, revoked=PEM),
            "Tls: revoked: is no list of revoked certificates in PEM",
        ),
        (
            lambda: Tls(certificates=SITE.certificates, client_ca=PEM, revoked=f"{LIST}{PEM}"),
            "Tls: revoked: holds a certificate, which HAProxy would take for one more authority",
        ),
        (
            lambda: Tls(certificates=SITE.certificates, client_ca=PEM * 2, revoked=LIST),
            "got:  '1 of 2'",
        ),
        (
            lambda: Tls(certificates=SITE.certificates, revoked=KEY),
            "Tls: revoked: nobody is asked for a certificate",
        ),
        (lambda: Certificate(chain=PEM, key_variable="Site-Key"), "Certificate: key_variable"),
    ],
)
def test_fails_with_the_place_and_the_way_out(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert says in str(caught.value)


WRITTEN = "-----BEGIN PRIVATE KEY-----\nMHcCAQEE\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Certificate(chain=PEM, key=WRITTEN),
        lambda: Certificate(chain=PEM, key=WRITTEN.encode()),
        lambda: Certificate(chain=PEM, key=Text.of(WRITTEN, KEY)),
        lambda: Certificate(chain=PEM, key_variable=WRITTEN),
        lambda: Certificate(chain=WRITTEN, key=KEY),
        lambda: Certificate(chain=Text.of(KEY, WRITTEN), key=KEY),
        lambda: Certificate(chain=PEM, keys=WRITTEN),
        lambda: Tls(certificates=SITE.certificates, client_ca=WRITTEN),
        lambda: Tls(certificates=SITE.certificates, client_ca=PEM, revoked=WRITTEN),
        lambda: Reference(WRITTEN),
    ],
)
def test_a_key_that_is_written_down_is_refused_and_in_no_message(make: Callable) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert "MHcCAQEE" not in str(caught.value)


def test_a_file_is_not_offered_to_write_a_key_down() -> None:
    certificate = json_schema()["$defs"]["Certificate"]["properties"]
    assert sorted(certificate) == ["chain", "chain_variable", "key_variable"]
