"""Services: the unit, the files and the fetch that make a machine run one."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossgate.boot.service import service_document
from crossgate.errors import ConfigError
from crossgate.model.service import Artifact, Limits, Service, ServiceFile
from crossgate.model.text import Reference, Text
from tests.boot.conftest import ARCHIVE, CONTAINER, SCRIPT

if TYPE_CHECKING:
    from crossgate.boot.document import Document, File

ARTIFACT = Artifact(url="https://example.org/api-1.4", sha256="0" * 64)


def unit(service: Service) -> list[str]:
    (made,) = service_document(service).units
    assert made.name == f"{service.name}.service"
    return str(made.text).split("\n")


def file(document: Document, path: str) -> File:
    (found,) = (file for file in document.files if file.path == path)
    return found


def program(**arguments: object) -> Service:
    return Service(**{"name": "api", "port": 9190, "command": ["/bin/api"]} | arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("service", [CONTAINER, ARCHIVE, SCRIPT])
def test_it_is_started_again_whenever_it_ends_and_never_given_up(service):
    assert {"Restart=always", "RestartSec=2", "StartLimitIntervalSec=0"} <= set(unit(service))


@pytest.mark.parametrize("service", [CONTAINER, ARCHIVE, SCRIPT])
def test_it_waits_for_the_network(service):
    assert {"After=network-online.target", "Wants=network-online.target"} <= set(unit(service))


def test_limits_are_systemds():
    lines = unit(program(limits=Limits(memory=256, cpu=0.25, files=1000)))
    assert {"MemoryMax=256M", "CPUQuota=25%", "LimitNOFILE=1000"} <= set(lines)


def test_no_limit_is_no_line():
    text = "\n".join(unit(program()))
    assert "MemoryMax" not in text
    assert "CPUQuota" not in text
    assert "LimitNOFILE=65536" in text


def test_a_program_runs_as_a_user_of_its_name():
    document = service_document(program())
    assert [user.name for user in document.users] == ["api"]
    assert "User=api" in unit(program())


@pytest.mark.parametrize(("name", "user"), [("0api", "_0api")])
def test_a_name_that_is_no_fit_user_is_made_one(name, user):
    assert f"User={user}" in unit(program(name=name))


def test_a_long_name_makes_a_user_that_linux_accepts():
    (user,) = service_document(program(name="a" * 63)).users
    assert len(user.name) <= 31


def test_root_is_not_made():
    assert service_document(program(user="root")).users == ()


def test_a_program_may_bind_a_low_port_and_nothing_else_of_root():
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in unit(program(port=443))
    assert "CapabilityBoundingSet=" in unit(program(port=9190))


def test_the_environment_is_roots_alone_and_in_no_unit():
    secret = Reference("${local.secret}")
    for service in (
        program(environment={"KEY": Text.of("k:", secret)}),
        Service(name="api", port=1, image="example.org/a:1", environment={"KEY": secret}),
    ):
        document = service_document(service)
        assert file(document, "/etc/crossgate/api.env").mode == 0o600
        assert "EnvironmentFile=/etc/crossgate/api.env" in unit(service)
        assert secret not in [r for u in document.units for r in Text.of(u.text or "").references()]


def test_a_container_is_given_its_variables_by_name():
    start = next(line for line in unit(CONTAINER) if line.startswith("ExecStart="))
    assert "--env=SECRET --env=LINES" in start


def test_a_container_runs_the_image_with_its_arguments_last():
    start = next(line for line in unit(CONTAINER) if line.startswith("ExecStart="))
    assert start.endswith(
        " --user=${CONTAINER_USER} registry.example.org:5000/api:1.4"
        ' --listen 0.0.0.0:9190 --greeting "it\'s 100%% {{free}} $$HOME ;"'
    )


def test_the_files_of_a_container_never_touch_the_machines_own():
    document = service_document(CONTAINER)
    assert file(document, "/etc/crossgate/api/etc/api/api.conf").mode == 0o640
    assert "/etc/api/api.conf" not in {file.path for file in document.files}


def test_the_image_is_fetched_before_the_unit_starts_unless_it_is_there():
    first = str(service_document(CONTAINER).before[0].line)
    image = "registry.example.org:5000/api:1.4"
    assert first == f"podman image exists {image} || retry podman pull -q {image}"


def test_the_files_of_a_program_belong_to_its_group():
    document = service_document(program(files=[ServiceFile("/srv/a", "x")], user="runner"))
    assert (file(document, "/srv/a").owner, file(document, "/srv/a").mode) == ("root:runner", 0o640)


@pytest.mark.parametrize("image", ["nginx", "nginx:1.25", "library/nginx"])
def test_fails_on_an_image_without_a_registry(image):
    with pytest.raises(ConfigError, match=r"names no registry[\s\S]*docker\.io/library/nginx"):
        service_document(Service(name="api", port=80, image=image))


def test_fails_on_an_archive_of_unknown_kind():
    wrong = Artifact(url="https://example.org/api.rpm", sha256="0" * 64, unpack=True)
    with pytest.raises(ConfigError, match=r"is no archive[\s\S]*\.tar\.gz"):
        service_document(program(artifact=wrong))


def test_fails_on_a_variable_that_systemd_would_drop_and_names_the_service():
    with pytest.raises(ConfigError, match=r"Service\('api'\): environment: A"):
        service_document(program(environment={"A": "\x1b"}))


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def site(tmp_path: Path):
    """Return a folder and the address of a server that has it."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def fetch(tmp_path: Path):
    script = tmp_path / "fetch"
    made = service_document(program(artifact=ARTIFACT))
    script.write_text(str(file(made, "/usr/local/lib/crossgate/fetch").text))

    def run(url: str, content: bytes, kind: str) -> subprocess.CompletedProcess[str]:
        words = [url, hashlib.sha256(content).hexdigest(), tmp_path / "opt/api", kind]
        environment = {"PATH": os.environ["PATH"], "no_proxy": "*"}
        return subprocess.run(
            ["/bin/sh", script, *map(str, words)],
            env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip

    (tmp_path / "opt").mkdir()
    return run


def archive(kind: str) -> bytes:
    made = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(made, "w") as packed:
            entry = zipfile.ZipInfo("bin/api")
            entry.external_attr = 0o755 << 16
            packed.writestr(entry, "program")
        return made.getvalue()
    with tarfile.open(fileobj=made, mode="w:xz" if kind == "tar.xz" else "w:gz") as packed:
        info = tarfile.TarInfo("bin/api")
        info.size, info.mode, info.uid = 7, 0o775, 1234
        packed.addfile(info, io.BytesIO(b"program"))
    return made.getvalue()


def test_a_file_is_fetched_once_and_made_executable(site, fetch, tmp_path):
    folder, address = site
    (folder / "api-1.4").write_bytes(b"program")
    assert fetch(f"{address}/api-1.4?token=a", b"program", "file").returncode == 0
    fetched = tmp_path / "opt/api/api-1.4"
    assert fetched.read_bytes() == b"program"
    assert stat.S_IMODE(fetched.stat().st_mode) == 0o755
    (folder / "api-1.4").unlink()
    again = fetch(f"{address}/api-1.4?token=a", b"program", "file")
    assert again.returncode == 0
    assert "holds http://" in again.stdout


def test_a_wrong_checksum_changes_nothing(site, fetch, tmp_path):
    folder, address = site
    (folder / "api").write_bytes(b"program")
    assert fetch(f"{address}/api", b"program", "file").returncode == 0
    (folder / "api").write_bytes(b"evil")
    done = fetch(f"{address}/api", b"new program", "file")
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr
    assert (tmp_path / "opt/api/api").read_bytes() == b"program"
    assert [path.name for path in (tmp_path / "opt").iterdir()] == ["api"]


def test_a_new_version_replaces_the_old_one_whole(site, fetch, tmp_path):
    folder, address = site
    for name in ("api-1", "api-2"):
        (folder / name).write_text(name)
        assert fetch(f"{address}/{name}", name.encode(), "file").returncode == 0
    assert [path.name for path in (tmp_path / "opt/api").glob("api*")] == ["api-2"]


def test_what_is_not_there_fails(site, fetch, tmp_path):
    done = fetch(f"{site[1]}/api", b"program", "file")
    assert done.returncode != 0
    assert "404" in done.stderr
    assert not (tmp_path / "opt/api").exists()


@pytest.mark.root
@pytest.mark.parametrize(("kind", "suffix"), [("tar", "tar.gz"), ("tar", "tar.xz"), ("zip", "zip")])
def test_an_archive_is_unpacked_and_nobody_else_may_write(site, fetch, tmp_path, kind, suffix):
    folder, address = site
    content = archive(suffix)
    (folder / f"api.{suffix}").write_bytes(content)
    done = fetch(f"{address}/api.{suffix}", content, kind)
    assert done.returncode == 0, done.stderr
    unpacked = tmp_path / "opt/api/bin/api"
    assert unpacked.read_text() == "program"
    assert stat.S_IMODE(unpacked.stat().st_mode) == 0o755
    assert unpacked.stat().st_uid == os.getuid()
    assert not (tmp_path / f"opt/api/api.{suffix}").exists()
