"""What AWS has around its machines, in the lab: API endpoints and the metadata service.

- `autoscaling`, `ec2`, `monitoring`, `secretsmanager.us-east-1.amazonaws.com` and a bucket of S3,
  with a certificate of the lab's own authority, lead to moto.
- 169.254.169.254 leads to `lab.metadata`, with the address of the machine that asks.

A network load balancer is an `Edge`. No machine is told of any of it by its user data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from lab import metadata
from lab.aws import REGION
from lab.command import output
from lab.daemon import Daemon, connect, free_port
from lab.edge import Edge
from tools.toolbox import VENV_BIN

if TYPE_CHECKING:
    from lab.aws import Account

ENDPOINT = "198.18.0.1"
"""Where the API answers: of the range for tests of networks (RFC 2544), which nothing else uses."""

_SERVICES = ("autoscaling", "ec2", "monitoring", "secretsmanager")
_NAMES = (f"*.{REGION}.amazonaws.com", f"*.s3.{REGION}.amazonaws.com")

_SECTIONS = """\
listen endpoints
    mode http
    bind {endpoint}:443 ssl crt {certificate} namespace {namespace}
    server moto {server}

listen metadata
    mode http
    bind {metadata}:80 namespace {namespace}
    http-request set-header X-Forwarded-For %[src]
    server metadata 127.0.0.1:{port}
"""


class AwsAround(Edge):
    """What an account's machines find around them.

    Args:
        account: whose machines they are.
        namespace: name of the router's network namespace, below /run/netns.
        folder: for files; made when it is absent.
        bucket: the S3 bucket from which machines fetch.
        groups: files by which its servers join control groups; default none.

    Raises:
        ToolError: a server of it does not start.

    """

    def __init__(
        self,
        account: Account,
        namespace: str,
        folder: Path,
        *,
        bucket: str,
        groups: Sequence[Path] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._bucket = bucket
        self._certificate = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self._certificate))
        endpoint = folder / "endpoint.pem"
        endpoint.touch(mode=0o600)
        issued = authority.issue_cert(*_NAMES)
        issued.private_key_and_cert_chain_pem.write_to_path(str(endpoint))
        port = free_port()
        command = (VENV_BIN / "python", "-m", "lab.metadata", "--port", str(port), account.url)
        self._metadata = Daemon("metadata", folder, *command, groups=groups)
        try:
            self._metadata.wait(lambda: connect(port))
            places = {
                "certificate": endpoint,
                "endpoint": ENDPOINT,
                "metadata": metadata.ADDRESS,
                "namespace": namespace,
                "port": port,
                "server": account.url.removeprefix("http://"),
            }
            super().__init__(
                [],
                namespace,
                folder,
                more=[_SECTIONS.format(**places)],
                own=[ENDPOINT, metadata.ADDRESS],
                groups=groups,
            )
        except BaseException:
            self._metadata.stop()
            raise

    def stop(self) -> None:
        """End all of it."""
        super().stop()
        self._metadata.stop()

    def files(self, name: str, address: str) -> Mapping[str, bytes]:
        """Return what a machine has of its cloud: names that resolve, an authority to trust.

        Args:
            name: the machine's host name.
            address: its private address.

        """
        hosts = (
            f"127.0.0.1 localhost\n{address} {name}\n"
            f"{ENDPOINT} {self._bucket}.s3.{REGION}.amazonaws.com"
            + "".join(f" {service}.{REGION}.amazonaws.com" for service in _SERVICES)
            + "\n"
        )
        # Go's library reads every file of this folder, OpenSSL the one that is called so, and
        # Python's requests and botocore the bundle.
        asked = ("openssl", "x509", "-noout", "-subject_hash", "-in", str(self._certificate))
        authority = self._certificate.read_bytes()
        return {
            "/etc/hosts": hosts.encode(),
            f"/etc/ssl/certs/{output(*asked).strip()}.0": authority,
            "/etc/ssl/certs/ca-certificates.crt": authority,
        }
