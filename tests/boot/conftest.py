from __future__ import annotations

import pytest

from crossgate.boot.document import Command, Document, Unit, User
from crossgate.boot.hashicorp import hashicorp
from crossgate.boot.service import service_document
from crossgate.model.service import Artifact, Limits, Service, ServiceFile
from crossgate.model.text import Reference, Text

SECRET = Reference("${local.secret}")

CONTAINER = Service(
    name="api",
    port=9190,
    image="registry.example.org:5000/api:1.4",
    command=["--listen", "0.0.0.0:9190", "--greeting", "it's 100% {{free}} $HOME ;"],
    environment={"PLAIN": "a", "SECRET": Text.of("user:", SECRET), "LINES": 'one\ntwo "$3"'},
    files=[ServiceFile("/etc/api/api.conf", Text.of("key = ", SECRET, "\n"))],
    user="runner",
    limits=Limits(memory=512, cpu=1.5),
)
ARCHIVE = Service(
    name="search",
    port=443,
    artifact=Artifact(
        url="https://example.org/search-1.0.tar.gz?a=1&b=2", sha256="0" * 64, unpack=True
    ),
    command=["/opt/search/bin/search", "--port=443"],
)
SCRIPT = Service(
    name="echo",
    port=7000,
    files=[ServiceFile("/srv/echo/echo.py", "print('é 😀')\n", mode=0o644)],
    command=["/usr/bin/python3", "/srv/echo/echo.py"],
)
EXTRA = Document(
    label="extra",
    packages=["chrony"],
    users=[User("watcher", home="/var/lib/watcher")],
    before=[Command("install -d -o watcher /var/lib/watcher")],
    units=[Unit("chrony.service"), Unit("rare.service", "[Service]\nExecStart=/bin/true\n")],
    after=[
        Command('test -d "/var/lib/watcher"'),
        Command("curl --head https://x.test", retry=True),
    ],
)
DOCUMENTS = {
    "container": service_document(CONTAINER),
    "archive": service_document(ARCHIVE),
    "script": service_document(SCRIPT),
    "hashicorp": hashicorp("consul", "1.20.0"),
    "extra": EXTRA,
}
DOCUMENTS["everything"] = Document.merge(*DOCUMENTS.values())


@pytest.fixture(params=DOCUMENTS.values(), ids=DOCUMENTS.keys())
def document(request) -> Document:
    return request.param


@pytest.fixture
def everything() -> Document:
    return DOCUMENTS["everything"]
