"""What all machines of one `AwsCloud` have: groups, Consul servers and balancers alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crossgate.errors import ConfigError
from crossgate.model.argument import checked

# Terraform's provider takes no other form (`kms_key_id` of a launch template is an ARN).
_KEY = re.compile(
    r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]+):\d{12}:(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)\Z"
)


@dataclass(frozen=True, kw_only=True)
class AwsMachines:
    """What all machines of one cloud have.

    Attributes:
        disk_key: ARN of the KMS key, or of an alias of one, that encrypts the disks and the
            machines' secrets; a literal or a token. Default None: the account's own keys for EBS
            and Secrets Manager. The key's policy must let the role AWSServiceRoleForAutoScaling
            use it and let IAM say who else may, else no machine starts.
        detailed_monitoring: whether EC2 tells CloudWatch its figures every minute instead of every
            five, which AWS charges for; scaling on cpu hears of load sooner. Default False.
        session_access: whether people get a shell by Session Manager, without SSH, an open port or
            a key: the machines have its agent and the rights of it. Who may is up to the rights of
            people. Default False.

    Raises:
        ConfigError: a value is wrong.

    """

    disk_key: str | None = None
    detailed_monitoring: bool = False
    session_access: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        path = "AwsMachines"
        checked((str, type(None)), self.disk_key, argument="disk_key", path=path)
        for name in ("detailed_monitoring", "session_access"):
            checked(bool, getattr(self, name), argument=name, path=path)
        if self._literal_key and not _KEY.match(self._literal_key):
            raise ConfigError(
                "is no ARN of a KMS key",
                path=f"{path}: disk_key",
                got=self.disk_key,
                want="arn:aws:kms:REGION:ACCOUNT:key/ID, arn:aws:kms:REGION:ACCOUNT:alias/NAME, or "
                "the token of an ARN",
            )

    def check(self, region: str, path: str) -> None:
        """Refuse a key of another region.

        Raises:
            ConfigError: EBS cannot use it.

        """
        found = _KEY.match(self._literal_key)
        if found and found["region"] != region:
            raise ConfigError(
                "the disks' key is in another region",
                path=f"{path}: machines.disk_key",
                got=self.disk_key,
                want=f"a key of {region}",
            )

    @property
    def _literal_key(self) -> str:
        key = self.disk_key or ""
        return "" if "${" in key else key
