"""A machine that lacks what its document asks for installs it: from Debian, from a signed mirror.

The Debian mirror is the real one, which this machine reaches. The other repository is made here, in
the form of HashiCorp's, from the Consul that the toolbox built, and signed with a key made here.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from crossgate.boot import cloud_init
from crossgate.boot.document import Document
from crossgate.boot.hashicorp import AptRepository, hashicorp
from lab.command import output
from lab.daemon import Daemon, free_port
from lab.lab import Lab
from lab.machine import Machine, Order, until
from tools.golang import daemon
from tools.toolbox import VENV_BIN, program

pytestmark = pytest.mark.lab

NAME = "install"
SITES = {"rack": "10.41.0.0/24", "clients": "10.98.1.0/24"}
WORLD = "198.18.3.1"
"""Where the router answers for the world."""

MIRROR = "deb.debian.org"
OURS = "apt.example.org"
VERSION = "1.20.0"
CONFIGURATION = """\
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen mirror
    bind {world}:80 namespace {namespace}
    http-request set-header Host {mirror}
    server mirror {mirror}:80
frontend ours
    bind {world}:443 ssl crt {certificate} namespace {namespace}
    default_backend files
backend files
    server files 127.0.0.1:{port}
"""


def signed(folder: Path) -> str:
    """Make a repository with Consul's package in `folder` and return its key's fingerprint."""
    package = folder / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "usr/bin").mkdir(parents=True)
    consul = package / "usr/bin/consul"
    consul.write_bytes(daemon("consul").read_bytes())
    consul.chmod(0o755)
    (package / "DEBIAN/control").write_text(
        f"Package: consul\nVersion: {VERSION}-1\nArchitecture: amd64\nMaintainer: lab\n"
        "Description: made by a test\n"
    )
    pool = folder / "files/pool"
    index = folder / "files/dists/bookworm/main/binary-amd64/Packages"
    pool.mkdir(parents=True)
    index.parent.mkdir(parents=True)
    made = pool / f"consul_{VERSION}-1_amd64.deb"
    output("dpkg-deb", "-Znone", "--root-owner-group", "--build", str(package), str(made))
    about = output("dpkg-deb", "--field", str(made))
    data = made.read_bytes()
    index.write_text(
        f"{about}Filename: pool/{made.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )
    listed = index.read_bytes()
    release = (
        "Suite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\n"
        f"SHA256:\n {hashlib.sha256(listed).hexdigest()} {len(listed)} "
        "main/binary-amd64/Packages\n"
    )
    (folder / "gpg").mkdir(mode=0o700)
    gpg = ["gpg", "--batch", "--quiet", "--homedir", str(folder / "gpg")]
    try:
        output(*gpg, "--passphrase", "", "--quick-generate-key", "lab", "ed25519")
        inline = folder / "files/dists/bookworm/InRelease"
        output(*gpg, "--output", str(inline), "--clear-sign", given=release)
        key = folder / "files/gpg"
        output(*gpg, "--output", str(key), "--export", "lab")
        rows = output(*gpg, "--with-colons", "--list-keys", "lab").splitlines()
    finally:
        output("gpgconf", "--homedir", str(folder / "gpg"), "--kill", "all")
    return next(row.split(":")[9] for row in rows if row.startswith("fpr"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, trustme.CA, str]]:
    """Return a lab whose router passes on to the Debian mirror and to a repository made here."""
    folder = tmp_path_factory.mktemp("world")
    fingerprint = signed(folder)
    authority = trustme.CA()
    certificate = folder / "certificate.pem"
    issued = authority.issue_cert(OURS)
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    port = free_port()
    with Lab.create(SITES, name=NAME) as lab:
        output("ip", "-netns", lab.network.router, "address", "add", f"{WORLD}/32", "dev", "lo")
        settings = folder / "world.cfg"
        places = {"world": WORLD, "namespace": lab.network.router, "mirror": MIRROR}
        settings.write_text(CONFIGURATION.format(**places, certificate=certificate, port=port))
        served = (VENV_BIN / "python", "-m", "http.server", "--bind", "127.0.0.1", str(port))
        with (
            Daemon("files", folder, *served, "--directory", folder / "files") as files,
            Daemon("world", folder, program("haproxy"), "-db", "-f", settings),
        ):
            files.wait(lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close())
            yield lab, authority, fingerprint


def machine(world: tuple[Lab, trustme.CA, str], name: str, address: str, key: str) -> Machine:
    """Boot a machine without Consul and socat whose document asks for both."""
    lab, authority, _ = world
    repository = AptRepository(
        name="lab", url=f"https://{OURS}", key=f"https://{OURS}/gpg", fingerprint=key
    )
    document = Document.merge(
        Document(label="more", packages=("socat",)),
        hashicorp("consul", VERSION, repository=repository),
    )
    trusted = authority.cert_pem.bytes()
    hosts = f"127.0.0.1 localhost {name}\n{WORLD} {MIRROR} {OURS}\n"
    return lab.boot(
        Order(
            name=name,
            site="rack",
            address=address,
            user_data=cloud_init.render(document).sample().encode(),
            disk=2048,
            files={
                "/etc/hosts": hosts.encode(),
                "/etc/ssl/certs/ca-certificates.crt": trusted,
                "/etc/apt/sources.list": f"deb http://{MIRROR}/debian bookworm main\n".encode(),
                # The image's own Consul is not to be found.
                "/usr/bin/consul": b"not here\n",
            },
        )
    )


def test_it_installs_from_debian_and_from_a_signed_repository(world):
    made = machine(world, "fresh", "10.41.0.11", world[2])
    made.wait_booted(240)

    assert made.run("consul", "--version").startswith(f"Consul v{VERSION}")
    state = made.run("dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Status}\n")
    assert f"consul {VERSION}-1 installed\n" in state
    assert any(line.startswith("socat ") for line in state.splitlines())


def test_a_repository_signed_by_another_key_is_refused_with_its_name(world):
    """It tries again for minutes, in case the key is only late; its words are there at once."""
    other = "0123456789ABCDEF0123456789ABCDEF01234567"
    made = machine(world, "wary", "10.41.0.12", other)
    log = made.root / "var/log/cloud-init-output.log"

    refusal = f"https://{OURS}/gpg does not hold the key {other}"
    until(lambda: log.exists() and refusal in log.read_text(), seconds=120, what="it is refused")
    assert "not here" in made.read("/usr/bin/consul")
