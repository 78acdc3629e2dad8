"""The image that all machines of the lab boot from: a Debian root folder, made once.

debootstrap lays down a minimal system, apt inside it adds what a cloud's own image has (cloud-init,
sshd, sudo) and what the boot documents install, so that no machine needs the internet. Consul and
consul-template, which Debian does not have, are the toolbox's own builds. The folder is only ever
read: each machine writes to a layer of its own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tools.golang import DAEMONS
from tools.toolbox import BOX, ROOT, ToolError, digest, program

if TYPE_CHECKING:
    from rich.console import Console

FOLDER = BOX / "lab" / "images"
"""Where images are kept; each is named by what it is made of."""

RELEASE = "bookworm"
"""Debian 12."""

USER = "operator"
"""Who a bare machine lets in over SSH; may run anything with sudo, without a password."""

_BASE = ("dbus", "iproute2", "systemd", "systemd-sysv")

PACKAGES = (
    *("ca-certificates", "curl", "gnupg", "unzip", "xz-utils"),  # what boot documents ask for
    *("haproxy", "keepalived", "python3"),  # python3 runs the Thrift service
    *("python3-boto3", "python3-openstacksdk"),
    *("cloud-init", "openssh-server", "sudo"),  # what a cloud's own image has
    *("iputils-ping", "less", "procps"),  # for whoever looks into a machine
)
"""Debian packages of the image, beside the base system."""

# cloud-init's own list for Debian asks for disks, swap, locales, NTP and package mirrors, which
# these machines do not have. What is left is what user data of ours can ask for, and the order is
# that of the distribution. Its network comes from outside, as that of a container does.
_CLOUD_INIT = """\
datasource_list: [NoCloud]
datasource: {NoCloud: {fs_label: null}}
network: {config: disabled}
disable_root: true
ssh_deletekeys: false
ssh_genkeytypes: []
cloud_init_modules: [seed_random, bootcmd, write-files, set_hostname, update_hostname, ca-certs, \
users-groups, ssh]
cloud_config_modules: [runcmd]
cloud_final_modules: [write-files-deferred, scripts-per-once, scripts-per-boot, \
scripts-per-instance, scripts-user, final-message]
system_info: {distro: debian, default_user: {name: debian, lock_passwd: true, \
sudo: ["ALL=(ALL) NOPASSWD:ALL"], shell: /bin/bash}}
"""

# The services of the documents are enabled by these, not by the image. What has nothing to do on
# a machine of the lab would only make ten of them slow to start.
_UNWANTED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "fstrim.timer", "systemd-pstore.service", "networking.service"),
    *("haproxy.service", "keepalived.service", "cloud-init-hotplugd.socket"),
)
_MASKED = ("console-getty.service", "getty@tty1.service", "systemd-firstboot.service")

_SETUP = f"""\
set -eu
export DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
mount -t proc proc /proc
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
printf 'force-unsafe-io\\npath-exclude=/usr/share/doc/*\\npath-exclude=/usr/share/man/*\\n' \\
  >/etc/dpkg/dpkg.cfg.d/lab
apt-get -q update
apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends {" ".join(PACKAGES)}
apt-get clean
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/debconf/*-old
rm -f /etc/ssh/ssh_host_* /etc/machine-id /etc/hostname /etc/resolv.conf /var/lib/dbus/machine-id
touch /etc/machine-id /etc/resolv.conf
mkdir -p /var/log/journal /etc/systemd/journald.conf.d
printf '[Journal]\\nSystemMaxUse=64M\\n' >/etc/systemd/journald.conf.d/lab.conf
printf '127.0.0.1 localhost\\n::1 localhost\\n' >/etc/hosts
useradd --create-home --gid {USER} --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/{USER}
cat >/etc/cloud/cloud.cfg.d/90-lab.cfg <<'END'
{_CLOUD_INIT}END
systemctl set-default multi-user.target
systemctl disable {" ".join(_UNWANTED)}
systemctl mask {" ".join(_MASKED)}
umount /proc
"""

_SHOWN = 70
_AGAIN = (
    "see that this machine reaches its Debian mirror, and run the same command again. "
    "The whole log is in {log}."
)


@dataclass(frozen=True, kw_only=True)
class Image:
    """A Debian root folder to boot machines from.

    Attributes:
        root: the folder.

    """

    root: Path


def key() -> str:
    """Return the name of the image: a digest of all that it is made of."""
    parts = [ROOT / "tools" / name / file for name in DAEMONS for file in ("go.mod", "go.sum")]
    return digest(parts, RELEASE, *_BASE, _SETUP)[:16]


def ready() -> Image | None:
    """Return the image when it has been made already."""
    root = FOLDER / key()
    return Image(root=root) if root.is_dir() else None


def image(console: Console) -> Image:
    """Return the image; make it, which takes some two minutes, when it is not there yet.

    Raises ToolError when this is no Linux machine with root or a step fails.
    """
    _check()
    with _alone() as lock:
        found = ready()
        return found or _make(console, lock)


def _check() -> None:
    if os.geteuid():
        raise ToolError("the lab boots machines, which needs root.", do="run it as root: sudo -E.")
    for name in ("debootstrap", "systemd-nspawn", "ip"):
        if not shutil.which(name):
            raise ToolError(
                f"{name} is not on this machine.", do="run `sudo tools/apt-packages`, then this."
            )


@contextmanager
def _alone() -> Iterator[int]:
    """Let one process at a time in; its descriptor is for children that outlive that process."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _make(console: Console, lock: int) -> Image:
    programs = [program(name) for name in DAEMONS]
    root = FOLDER / key()
    draft = FOLDER / f"{root.name}.draft"
    log = FOLDER / "image.log"
    log.write_text("")
    shutil.rmtree(draft, ignore_errors=True)
    base = f"--include={','.join(_BASE)}"
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bootstrap = ["debootstrap", "--variant=minbase", base, RELEASE, str(draft)]
        _step("the lab's image: Debian's base system", bootstrap, log, lock, progress)
        # What follows finds the mirror by the names that this machine knows.
        shutil.copy("/etc/resolv.conf", draft / "etc/resolv.conf")
        setup = ["chroot", str(draft), "/bin/sh", "-c", _SETUP]
        _step("the lab's image: packages", setup, log, lock, progress)
    for path in programs:
        shutil.copy(path, draft / "usr/bin" / path.name)
    draft.rename(root)
    _forget_others(root)
    return Image(root=root)


def _step(title: str, command: list[str], log: Path, lock: int, progress: Progress) -> None:
    """Run one step in mounts and processes of its own, so that nothing of it can be left behind.

    It dies with this process, too.
    """
    apart = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
    task = progress.add_task(title)
    if not progress.console.is_terminal:
        progress.console.print(f"{title} (about a minute) ...")
    with (
        log.open("ab") as output,
        subprocess.Popen(  # noqa: S603  (the steps above)
            [*apart, *command], pass_fds=[lock],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        ) as process,
    ):  # fmt: skip
        while process.poll() is None:
            said = log.read_bytes()[-_SHOWN:].decode(errors="replace").split("\n")
            shown = said[-2] if len(said) > 1 else ""
            progress.update(task, description=f"{title}: {escape(shown[:_SHOWN])}")
            time.sleep(0.2)
    progress.update(task, description=title, total=1, completed=1)
    if process.returncode:
        raise ToolError(
            f"the lab's image could not be made: {command[0]} failed with code "
            f"{process.returncode}:",
            do=_AGAIN.format(log=log.relative_to(ROOT)),
            output=log.read_text(errors="replace"),
        )


def _forget_others(root: Path) -> None:
    """Remove images of other contents, unless a lab that is up was booted from them."""
    mounts = Path("/proc/self/mountinfo").read_text()
    for other in FOLDER.iterdir():
        if other.is_dir() and other != root and f"={other}," not in mounts:
            shutil.rmtree(other)
