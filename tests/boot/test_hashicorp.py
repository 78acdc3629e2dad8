"""HashiCorp's programs: a pinned version, from a repository whose one key is pinned."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from crossgate.boot.document import Document
from crossgate.boot.hashicorp import HASHICORP, AptRepository, hashicorp
from crossgate.errors import ConfigError
from tools.toolbox import BIN

MIRROR = AptRepository(
    name="mirror",
    url="http://apt.internal/hashicorp",
    key="https://apt.internal/key",
    fingerprint="A" * 40,
    suite="bookworm",
)


def test_two_programs_share_one_installer_and_one_repository():
    both = Document.merge(hashicorp("consul", "1.20.0"), hashicorp("consul-template", "0.41.1"))
    assert [file.path for file in both.files] == [
        "/usr/local/lib/crossgate/install-signed",
        "/etc/crossgate/apt/hashicorp",
        "/etc/apt/preferences.d/crossgate-consul",
        "/etc/apt/preferences.d/crossgate-consul-template",
    ]
    assert [(str(c.line).split("/")[-1], c.retry) for c in both.before] == [
        ("install-signed hashicorp consul 1.20.0", True),
        ("install-signed hashicorp consul-template 0.41.1", True),
    ]


def test_a_mirror_is_named_by_a_value():
    document = hashicorp("consul", "1.20.0", repository=MIRROR)
    assert "URL='http://apt.internal/hashicorp'\n" in str(document.files[1].text)
    assert "SUITE='bookworm'\n" in str(document.files[1].text)
    assert document.files[1].path == "/etc/crossgate/apt/mirror"


def test_only_https_brings_a_key():
    with pytest.raises(ConfigError, match="AptRepository: key"):
        AptRepository(name="a", url="http://a.test", key="http://a.test", fingerprint="A" * 40)


@pytest.mark.parametrize("version", ["latest", "1.20", "1.20.0; reboot", "1.20.*", ""])
def test_fails_on_what_is_no_version(version):
    with pytest.raises(ConfigError, match="version"):
        hashicorp("consul", version)


def test_fails_on_two_parts_that_want_two_versions_of_one_program():
    with pytest.raises(ConfigError, match=r"preferences\.d/crossgate-consul is claimed twice"):
        Document.merge(hashicorp("consul", "1.20.0"), hashicorp("consul", "1.20.1"))


@pytest.fixture
def installer(tmp_path):
    script = tmp_path / "install-signed"
    script.write_text(str(hashicorp("consul", "1.20.0").files[0].text))
    return script


@pytest.mark.parametrize("program", ["consul", "consul-template"])
def test_a_program_of_that_version_is_left_alone(program, installer):
    """Asked of the real programs, so that what they print is what the script reads."""
    said = subprocess.run([BIN / program, "--version"], check=True, capture_output=True, text=True)
    version = re.search(r"v(\d+\.\d+\.\d+)", said.stdout + said.stderr)
    assert version is not None
    done = subprocess.run(
        ["/bin/sh", installer, "hashicorp", program, version[1]],
        env={"PATH": f"{BIN}:{os.environ['PATH']}"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{program} {version[1]} is there\n")


@pytest.fixture
def gpg_home(tmp_path):
    """Return what makes a home for gpg; the agents that gpg starts there end with the test."""
    made = []

    def make(name):
        made.append(tmp_path / name)
        made[-1].mkdir(mode=0o700, parents=True)
        return made[-1]

    yield make
    for folder in made:
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True)


@pytest.mark.root
def test_of_a_keyring_only_the_pinned_key_is_kept(tmp_path, gpg_home, installer):
    """The lines of the installer that choose the key, with two real keys in one file."""
    lines = installer.read_text().split("\n")
    chosen = [line for line in lines if line.startswith("gpg ")]
    gpg = ["gpg", "--batch", "--quiet", "--homedir", gpg_home("home")]
    for name in ("good", "evil"):
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-generate-key", name, "ed25519"], check=True
        )
    listed = subprocess.run(
        [*gpg, "--with-colons", "--list-keys", "good"], check=True, capture_output=True, text=True
    )
    pinned = next(line.split(":")[9] for line in listed.stdout.split("\n") if line[:3] == "fpr")
    work = tmp_path / "work"
    gpg_home("work/gnupg")
    exported = subprocess.run([*gpg, "--export"], check=True, capture_output=True).stdout
    (work / "key").write_bytes(exported)
    environment = {"PATH": os.environ["PATH"], "work": str(work), "FINGERPRINT": pinned}
    subprocess.run(["/bin/sh", "-euc", "\n".join(chosen)], env=environment, check=True)
    shown = subprocess.run(
        ["gpg", "--batch", "--with-colons", "--show-keys", work / "keyring"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert [line.split(":")[9] for line in shown.split("\n") if line[:3] == "fpr"][:1] == [pinned]
    assert shown.count("\npub:") + shown.startswith("pub:") == 1
    assert ":good:" in shown
    assert ":evil:" not in shown


def test_hashicorps_key_is_the_one_it_publishes():
    assert HASHICORP.fingerprint == "798AEC654E5C15428C8E42EEAA16FCBCA621E701"
