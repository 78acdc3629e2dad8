"""The program itself: looks after all groups, round after round."""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import healing, scaling
from .cluster import Cluster, Unanswered
from .heat import Heat
from .load import load_of
from .log import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .cluster import Seen
    from .heat import Group, Member
    from .load import Load
    from .notes import Notes

_FROM_ZERO = ("healed_total", "failed_total", "refused_total")


def look(heat: Heat, cluster: Cluster, log: Log, clock: Callable[[], float]) -> None:
    """Look after all groups once; heal one member at most, else let one group grow or shrink."""
    try:
        notes, seen = cluster.recall(), cluster.seen()
        before = notes.text()
        groups, passed = heat.groups()
        for name, why in passed.items():
            log.say(name, f"is passed over: {why}")
        for group, figure in itertools.product(groups, _FROM_ZERO):
            log.count(figure, group.name, by=0)
        _tell(groups, notes, cluster)
        now = clock()
        notes.look(now)
        healed = _heal(groups, seen, notes, log, now)
        scaled = None if healed else _scale(groups, _told(cluster), notes, log, now)
        if not passed:
            notes.forget(groups, now)
        # Noted before it is done: who takes over from here counts it too.
        if notes.text() != before:
            cluster.record(notes)
        if healed:
            _replace(heat, cluster, notes, log, *healed)
        elif scaled:
            group, step = scaled
            log.say(f"{group.name} size", f"{step.policy}: {step.why}")
            heat.signal(group, step.policy)
            log.count(step.counter, group.name)
    except Unanswered as error:
        log.count("unanswered_total")
        log.say("waits", str(error))
    else:
        log.say("waits", "")
        log.looked(clock())
    log.show()


def _tell(groups: Sequence[Group], notes: Notes, cluster: Cluster) -> None:
    """Tell machines that are about to be deleted; whoever is told goes on being told until then."""
    leaving = sorted({server for group in groups for server in group.leaving})
    if leaving != notes.leaving:
        cluster.tell(leaving)
        notes.leaving = leaving


def _told(cluster: Cluster) -> Sequence[str]:
    """Return what balancers tell; nothing where that cannot be read: healing needs none of it."""
    try:
        return cluster.figures()
    except (Unanswered, ValueError):
        return ()


def _replace(
    heat: Heat, cluster: Cluster, notes: Notes, log: Log, group: Group, member: Member, why: str
) -> None:
    topic = f"{group.name}/{member.name}"
    log.say(topic, f"replaces server {member.server}: {why}")
    try:
        status = heat.heal(group, member, why)
    except Unanswered:
        # Nothing was replaced, so nothing is counted.
        notes.healed[group.stack].pop()
        cluster.record(notes)
        raise
    log.count("healed_total" if status == "UPDATE_COMPLETE" else "failed_total", group.name)
    log.say(topic, f"Heat ended with {status}")


def _heal(
    groups: Sequence[Group], seen: Mapping[str, Seen], notes: Notes, log: Log, now: float
) -> tuple[Group, Member, str] | None:
    chosen = None
    alive = {key: one.alive for key, one in seen.items()}
    for group in groups:
        service = group.rules.service
        unfit = {key for key, one in seen.items() if not one.services.get(service, True)}
        verdict = healing.judge(group, alive, notes, now, unfit=unfit)
        log.say(group.name, verdict.refused and f"heals nobody: {verdict.refused}")
        if verdict.refused:
            log.count("refused_total", group.name)
        if verdict.heal and chosen is None:
            chosen = (group, verdict.heal, verdict.why)
            notes.healed.setdefault(group.stack, []).append(now)
            notes.dead.pop(verdict.heal.server, None)
            notes.unfit.pop(verdict.heal.server, None)
    return chosen


def _scale(
    groups: Sequence[Group], told: Sequence[str], notes: Notes, log: Log, now: float
) -> tuple[Group, scaling.Step] | None:
    chosen = None
    for group in groups:
        load = _share(group, groups, load_of(group.rules.service, told, now))
        step = scaling.judge(group, load, notes, now)
        log.say(f"{group.name} size", step.refused and f"stays: {step.refused}")
        if step.policy and chosen is None:
            chosen = (group, step)
            if notes.told.get(group.stack) == len(group.members):
                log.say(f"{group.name} signal", "the last one changed nothing: see Heat's events")
                log.count("ignored_total", group.name)
            notes.scaled[group.stack] = now
            notes.told[group.stack] = len(group.members)
            notes.calm.pop(group.stack, None)
    return chosen


def _share(group: Group, groups: Sequence[Group], load: Load | None) -> Load | None:
    """Return the part of a service's load that is a group's."""
    of_service = [one for one in groups if one.rules.service == group.rules.service]
    machines = sum(len(one.members) for one in of_service)
    if load is None or len(of_service) == 1 or machines == 0:
        return load
    return load.share(len(group.members), machines)


def main(path: str) -> None:
    """Look after the groups until stopped."""
    import openstack  # noqa: PLC0415  (the rules need none of it)

    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    # systemd shows a unit its credentials in a folder of its own; see LoadCredential=.
    folder = Path(os.environ["CREDENTIALS_DIRECTORY"])
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(folder / "clouds.yaml")
    cloud = openstack.connect(cloud=settings["cloud"])
    heat = Heat(cloud, settings["tag"], time.sleep)
    cluster = Cluster(settings["watch"], settings["notes"])
    log = Log(Path(settings["metrics"]))
    log.say("keeper", f"looks after the groups that have the tag {settings['tag']}")
    while True:
        try:
            look(heat, cluster, log, time.time)
        except Exception as error:  # noqa: BLE001  (whatever it is, the next round may do better)
            log.say("waits", f"{type(error).__name__}: {error}")
        time.sleep(settings["every"])


if __name__ == "__main__":
    main(sys.argv[1])
