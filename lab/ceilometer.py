"""What Ceilometer does in a cloud: it tells Gnocchi how busy the processors of machines are.

The control plane's machines do not run, so how busy they are is said by whoever breaks them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from keystoneauth1.exceptions import Conflict

from lab.control_plane.places import ADDRESS, PORTS

if TYPE_CHECKING:
    from lab.openstack import Project

_GNOCCHI = f"http://{ADDRESS}:{PORTS['gnocchi']}/v1"
_POLICY = "as-ceilometer"
_NANOSECONDS = 10**9
_PREFIX = "metering."  # of metadata that becomes what Gnocchi knows of an instance


@dataclass
class Ceilometer:
    """Who measures the machines of a project.

    Args:
        project: whose machines.
        every: how often Gnocchi's figures are added up.

    """

    project: Project
    every: timedelta
    _spent: dict[str, int] = field(default_factory=dict)
    _before: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Make the archive policy."""
        kept = {"granularity": f"{self.every.total_seconds():g}s", "timespan": "1h"}
        means = ["mean", "rate:mean"]
        asked = {"name": _POLICY, "aggregation_methods": means, "definition": [kept]}
        self._login("admin", "admin").post(f"{_GNOCCHI}/archive_policy", json=asked)

    def measure(self, share: float) -> None:
        """Tell of every machine that since the last time it was as busy as that.

        A machine that is new begins at nothing, as its counter does.

        Args:
            share: of its processors, from 0 to 1.

        """
        cloud = self.project.operate()
        (owner,) = cloud.identity.projects(name=self.project.name)
        service = self._login("gnocchi", "service")
        now, at = time.monotonic(), datetime.now(UTC).replace(tzinfo=None).isoformat()
        for server in cloud.compute.servers(all_projects=True, project_id=owner.id):
            known = server.id in self._spent
            spent = self._spent.setdefault(server.id, 0)
            if not known:
                self._describe(service, owner.id, server)
            else:
                busy = share * server.flavor["vcpus"] * (now - self._before)
                self._spent[server.id] = spent + round(busy * _NANOSECONDS)
            service.post(
                f"{_GNOCCHI}/resource/instance/{server.id}/metric/cpu/measures",
                json=[{"timestamp": at, "value": self._spent[server.id]}],
            )
        self._before = now

    def _describe(self, service: Any, owner: str, server: Any) -> None:  # noqa: ANN401  (openstacksdk ships no types)
        metadata: Mapping[str, str] = server.metadata
        group = metadata.get(f"{_PREFIX}server_group")
        resource = {
            "id": server.id,
            "project_id": owner,
            "display_name": server.name,
            "metrics": {"cpu": {"archive_policy_name": _POLICY}},
            **({"server_group": group} if group else {}),
        }
        with contextlib.suppress(Conflict):
            service.post(f"{_GNOCCHI}/resource/instance", json=resource)

    def _login(self, user: str, project: str) -> Any:  # noqa: ANN401  (as above)
        own = replace(self.project, operator=user, operator_project=project)
        return own.operate().session
