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
        every: how often machines are measured, and Gnocchi's figures added up: whole seconds.

    """

    project: Project
    every: timedelta
    _spent: dict[str, int] = field(default_factory=dict)
    _told: int = field(init=False)

    def __post_init__(self) -> None:
        """Make the archive policy."""
        self._told = self._now
        kept = {"granularity": f"{self.every.total_seconds():g}s", "timespan": "1h"}
        means = ["mean", "rate:mean"]
        asked = {"name": _POLICY, "aggregation_methods": means, "definition": [kept]}
        self._login("admin", "admin").post(f"{_GNOCCHI}/archive_policy", json=asked)

    @property
    def _now(self) -> int:
        """The number of the period that it is."""
        return int(time.time() // self.every.total_seconds())

    def measure(self, share: float) -> None:
        """Tell of every machine that since the last time it was as busy as that.

        There is one value for each period, however seldom this is called. A machine that is new
        begins at nothing, as its counter does.

        Args:
            share: of its processors, from 0 to 1.

        """
        cloud = self.project.operate()
        (owner,) = cloud.identity.projects(name=self.project.name)
        service = self._login("gnocchi", "service")
        now = self._now
        periods = range(self._told + 1, now + 1)
        if not periods:
            return
        for server in cloud.compute.servers(all_projects=True, project_id=owner.id):
            if server.id not in self._spent:
                self._spent[server.id] = 0
                self._describe(service, owner.id, server)
                measures = [self._value(now, 0)]
            else:
                before = self._spent[server.id]
                busy = share * server.flavor["vcpus"] * self.every.total_seconds() * _NANOSECONDS
                measures = [
                    self._value(period, before + round(busy * (period - self._told)))
                    for period in periods
                ]
                self._spent[server.id] = before + round(busy * len(periods))
            service.post(
                f"{_GNOCCHI}/resource/instance/{server.id}/metric/cpu/measures", json=measures
            )
        self._told = now

    def pause(self) -> None:
        """Tell nobody of the time until now, in which the machines did nothing."""
        self._told = self._now

    def _value(self, period: int, spent: int) -> dict[str, object]:
        at = datetime.fromtimestamp(period * self.every.total_seconds(), UTC)
        return {"timestamp": at.replace(tzinfo=None).isoformat(), "value": spent}

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
