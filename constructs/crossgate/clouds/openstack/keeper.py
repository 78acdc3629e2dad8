"""The keeper of Heat's groups: what it is to do, and the program that does it on other machines."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import pydantic

from crossgate.boot.document import Document, File
from crossgate.boot.program import PYTHON, package, program_unit
from crossgate.clouds.openstack import limits
from crossgate.clouds.openstack.login import credential, keystone
from crossgate.errors import RefusedError
from crossgate.model.names import shortened
from crossgate.model.scaling import Scaling, Steps
from crossgate.model.text import json_text
from crossgate.model.units import Duration, whole_seconds
from crossgate.model.value import value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgate.clouds.openstack.cloud import OpenStackCloud
    from crossgate.specs import GroupSpec, MachinesSpec, ScalingSpec
    from crossgate.terraform.engine import Construct

TAG = "crossgate-keeper"
"""Key of the tag of a stack whose group is kept; its value is the cluster that watches it."""

OUTPUT = "crossgate"
"""Output of the stack that holds the rules."""

_NAME = "heat-keeper"
_PACKAGE = "crossgate.clouds.openstack.programs.heat_keeper"
_FOLDER = "/usr/local/lib/crossgate"
_SETTINGS = "/etc/crossgate/heat-keeper.json"
_CREDENTIALS = "/etc/crossgate/heat-keeper.clouds.yaml"
_RUN = (PYTHON, "-m", "heat_keeper", _SETTINGS)
_ENTRY = "crossgate"
_EVERY_SECONDS = 5
_ANSWER_SECONDS = 30


@value
class Healing:
    """When a dead machine of a group is replaced; it is one at a time.

    A machine is dead when Nova shows it in ERROR or not at all; when the discovery has not seen it
    alive for `after`; and when it has not joined within the
    `grace` of the group's `Health`. See docs/groups/healing.md.

    Attributes:
        after: how long discovery must have seen it dead; default one minute.
        per_hour: machines of one group that are replaced within an hour, at most; default 4.
        cut: share of a group that is not dead but cut off: when it is reached, by more than one
            machine, nobody is replaced. Default 0.5.
        credential_variable: name of a sensitive Terraform variable, an object with the `id` and the
            `secret` of an application credential, by which snapshots are kept too. Default:
            Terraform makes one for each, for which it must itself log in with a password, or with
            an unrestricted one.
        auth_url: the Keystone as the machines reach it; default: the profile's.
        role: the one role of the application credential that the keeper has; default "member",
            which Heat's and Nova's own policies ask for.

    """

    after: Duration = timedelta(minutes=1)
    per_hour: Annotated[int, pydantic.Field(ge=1)] = 4
    cut: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.5
    credential_variable: Annotated[str, pydantic.Field(pattern=r"^[a-z_][a-z0-9_]*$")] | None = None
    auth_url: Annotated[str, pydantic.Field(pattern=r"^https?://\S+$")] | None = None
    role: Annotated[str, pydantic.Field(min_length=1)] = "member"


def tag(cluster: str) -> str:
    """Return the tag of the stacks whose groups a cluster watches."""
    return f"{TAG}={shortened(cluster, limits.TAG - len(TAG) - 1)}"


def rules(healing: Healing, spec: GroupSpec, scalings: Sequence[Scaling | Steps]) -> str:
    """Return the rules of a group as the keeper reads them; durations in seconds."""
    return json.dumps({
        "service": spec.service,
        "least": spec.capacity.minimum,
        "most": spec.capacity.most,
        "heal": {
            "after": whole_seconds(healing.after),
            "grace": whole_seconds(spec.health.grace),
            "unfit": whole_seconds(spec.health.unfit) if spec.health.unfit else None,
            "unfit_cut": spec.health.cut,
            "per_hour": healing.per_hour,
            "cut": healing.cut,
        },
        "scale": [_rule(spec, scaling) for scaling in scalings],
    })  # fmt: skip


def _rule(spec: GroupSpec, scaling: Scaling | Steps) -> dict[str, object]:
    rule: dict[str, object] = {"on": scaling.on}
    if isinstance(scaling, Steps):
        rule |= {"adding": scaling.adding, "removing": scaling.removing}
    else:
        rule["target"] = scaling.target
    rule |= {"cooldown": whole_seconds(scaling.cooldown), "calm": whole_seconds(scaling.calm)}
    if isinstance(scaling, Scaling):
        rule["shrink"] = scaling.shrink
        if scaling.on == "queue":
            rule["room"] = spec.max_connections
    return rule


def health_refusals(cloud: OpenStackCloud, spec: GroupSpec) -> list[RefusedError]:
    """Return why nobody can replace machines whose service fails."""
    if spec.health.unfit is None or (cloud.healing is not None and spec.watch is not None):
        return []
    return [
        RefusedError(
            "nobody replaces machines whose service fails",
            path=f"{spec.name}: health",
            got=f"unfit={spec.health.unfit}",
            want="a discovery that sees it, and healing=Healing(...) of the cloud",
        )
    ]


def scaling_refusals(cloud: OpenStackCloud, spec: ScalingSpec) -> list[RefusedError]:
    """Return why a group cannot be scaled so here."""
    found: list[tuple[str, str]] = []
    if spec.scaling.on == "cpu":
        return []  # an alarm follows it
    if cloud.healing is None:
        found.append(("with healing=None nobody keeps the groups", "healing=Healing(...)"))
    if spec.group.watch is None:
        found.append(("a group without discovery is seen by nobody", "discovery=..."))
    return [
        RefusedError(why, path=spec.group.name, got=f"scaling on {spec.scaling.on}", do=do)
        for why, do in found
    ]


def refusals(cloud: OpenStackCloud, spec: MachinesSpec) -> list[RefusedError]:
    """Return why machines of a discovery cannot keep the groups here."""
    if not _keeps(cloud, spec) or keystone(cloud):
        return []
    return [
        RefusedError(
            "groups heal and scale only if their keeper knows where Keystone is",
            path=f"{spec.name}: healing",
            got="no auth_url, in the profile or in Healing",
            want="the address of Keystone as the machines reach it",
            do='OpenStackCloud(healing=Healing(auth_url="https://.../v3")), or healing=None to go '
            "without",
        )
    ]


def keeping(cloud: OpenStackCloud, scope: Construct | None, spec: MachinesSpec) -> MachinesSpec:
    """Return the spec with a document that keeps the groups which its discovery watches.

    The groups are found by a tag, and their rules lie with them: a group that comes, goes or
    changes its rules does not change the machines that keep it.

    Args:
        cloud: whose groups.
        scope: where the credential is made; None: nothing is made, and the document is good for
            measuring.
        spec: the machines; those that are no heart of a discovery come back as they are.

    """
    if not _keeps(cloud, spec) or spec.watch is None or cloud.healing is None:
        return spec
    login = credential(
        cloud,
        scope,
        "login",
        name=f"{spec.watch.cluster}-keeper",
        does="heals and scales groups",
        role=cloud.healing.role,
    )
    entry: dict[str, object] = {
        "auth_type": "v3applicationcredential",
        "auth": {"auth_url": keystone(cloud), **login},
        "api_timeout": _ANSWER_SECONDS,
    }
    if cloud.region is not None:
        entry["region_name"] = cloud.region
    settings = {
        "cloud": _ENTRY,
        "tag": tag(spec.watch.cluster),
        "every": _EVERY_SECONDS,
        "metrics": f"/run/{_NAME}/metrics.prom",
        "notes": _NAME,
        "watch": list(spec.watch.program),
    }
    own = Document(
        label=_NAME,
        packages=("python3", "python3-openstacksdk"),
        files=(
            *package(_FOLDER, _PACKAGE),
            File(_SETTINGS, json.dumps(settings, indent=2) + "\n"),
            # JSON is YAML.
            File(_CREDENTIALS, json_text({"clouds": {_ENTRY: entry}}) + "\n", mode=0o600),
        ),
        units=(
            program_unit(
                _NAME,
                [*spec.watch.program, "alone", _NAME, *_RUN],
                description="Heals and scales the cloud's groups, on one machine at a time",
                lines=(
                    "DynamicUser=yes",
                    f"Environment=PYTHONPATH={_FOLDER}",
                    f"LoadCredential=clouds.yaml:{_CREDENTIALS}",
                    f"RuntimeDirectory={_NAME}",
                    "RuntimeDirectoryMode=0755",
                ),
            ),
        ),
    )
    return replace(spec, document=Document.merge(spec.document, spec.watch.document, own))


def _keeps(cloud: OpenStackCloud, spec: MachinesSpec) -> bool:
    return spec.watch is not None and cloud.healing is not None and cloud.profile.heat
