"""What may happen to the clients at each fault: the targets, and whether a result keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from lab.calls import Failure

if TYPE_CHECKING:
    from lab.results import Result


class Allowed(Enum):
    """Which calls may fail when clients do not try again."""

    NONE = "0"
    BUSY = "one per connection busy on it"
    STUCK = "one per connection stuck on it"
    IN_FLIGHT = "what was in flight"
    CHOSEN = "one per client, that had chosen it"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is promised for one kind of fault, at the usual load: 8 clients, 50 calls a second each.

    Attributes:
        key: names it in results and file names.
        event: what happens, for the reader.
        allowed: which calls may fail; with two tries more, none may.
        gap: the longest that a client may be without a success, in seconds; None: no promise.
        lasting_only: whether `gap` is promised for lasting connections alone.
        first_call: seconds from the start of a new server's process to its first call.
        why: what limits it, if something does.

    """

    key: str
    event: str
    allowed: Allowed = Allowed.NONE
    gap: float | None = 0.1
    first_call: float | None = None
    lasting_only: bool = False
    why: str = ""

    def gap_of(self, result: Result) -> float | None:
        """Return the longest gap that a result may have.

        Clients that try again are promised that no call fails, and nothing of its time.
        """
        untold = result.retries >= RETRIES or (self.lasting_only and result.mode == "new")
        return None if untold else self.gap


RETRIES = 2
"""With as many further tries no call may fail, whatever happens."""

TARGETS: Mapping[str, Target] = {
    target.key: target
    for target in (
        Target(key="service-killed", event="service killed (-9)", allowed=Allowed.BUSY, gap=0.15),
        Target(
            key="service-hangs", event="service hangs (SIGSTOP)", allowed=Allowed.STUCK, gap=0.6
        ),
        Target(
            key="service-vanishes",
            event="service machine vanishes (no FIN)",
            allowed=Allowed.BUSY,
            gap=0.5,
        ),
        Target(key="drain", event="planned drain"),
        Target(key="powered-off", event="service machine powered off"),
        Target(key="rolling-change", event="rolling change"),
        Target(key="reload", event="HAProxy reloads, 8 times"),
        Target(key="template-killed", event="consul-template on a balancer killed"),
        Target(key="leader-killed", event="Consul leader killed"),
        Target(key="leader-replaced", event="Consul leader's machine gone, another one votes"),
        Target(
            key="exchange",
            event="Consul's tokens, keys and certificates exchanged",
            gap=None,
        ),
        Target(key="agent-killed", event="Consul agent on a balancer killed"),
        Target(key="servers-gone", event="all Consul servers of a cloud gone for a minute"),
        Target(
            key="servers-restored",
            event="all Consul servers lost, restored from a snapshot",
        ),
        Target(
            key="balancer-killed",
            event="balancer process killed",
            allowed=Allowed.IN_FLIGHT,
            gap=1.0,
        ),
        Target(
            key="balancer-vanishes",
            event="balancer machine vanishes (VIP)",
            allowed=Allowed.IN_FLIGHT,
            gap=0.5,
            lasting_only=True,
            why="a client that connects for each call waits for its kernel to send the SYN again",
        ),
        Target(
            key="cloud-cut",
            event="a whole cloud cut off",
            allowed=Allowed.CHOSEN,
            gap=2.0,
            why="for clients that know an entry of each cloud and give a call one second; what is "
            "cut off answers nothing, so a client learns of it by its own patience alone",
        ),
        Target(
            key="services-gone",
            event="all machines of the service in a cloud gone",
            allowed=Allowed.STUCK,
            gap=1.0,
            why="balancers lead on to the other cloud when their checks have failed; who connects "
            "before that meets machines that refuse",
        ),
        Target(key="joins", event="new service machine joins", first_call=1.5),
        Target(
            key="replaced",
            event="machine replaced, from boot",
            allowed=Allowed.BUSY,
            gap=None,
        ),
    )
}
"""All of them, by key, in the order in which they are reported."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a result keeps its target.

    Attributes:
        target: which.
        lost: reasons that lie in calls: those that failed and were not allowed to, wrong answers.
        late: reasons that lie in time.

    """

    target: Target
    lost: Sequence[str] = ()
    late: Sequence[str] = ()

    @property
    def missed(self) -> Sequence[str]:
        """Every reason why not; none when it is kept."""
        return [*self.lost, *self.late]

    @property
    def kept(self) -> bool:
        """Whether it does."""
        return not self.missed


def judge(result: Result) -> Verdict:
    """Compare a result with its target.

    Raises:
        KeyError: there is no target for its event.

    """
    target = TARGETS[result.measurement.event]
    late = []
    limit = target.gap_of(result)
    if limit is not None and result.longest_gap > limit:
        late.append(f"a client had no success for {result.longest_gap:.3f} s")
    if target.first_call is not None:
        first = result.first_call
        if first is None:
            late.append("the new server got no call")
        elif first > target.first_call:
            late.append(f"the first call came after {first:.2f} s")
    return Verdict(target=target, lost=[*_wrong(result), *_failed(target, result)], late=late)


def allowed(target: Target, retries: int) -> str:
    """Return in words which calls may fail."""
    return Allowed.NONE.value if retries >= RETRIES else target.allowed.value


def _wrong(result: Result) -> Sequence[str]:
    wrong = sum(Failure.WRONG in call.failures for call in result.raw.calls)
    return [f"{wrong} answers were wrong"] if wrong else []


def _failed(target: Target, result: Result) -> Sequence[str]:
    """Return why the calls that failed were not allowed to."""
    failed = result.failed
    if not failed:
        return []
    if target.allowed is Allowed.NONE or result.retries >= RETRIES:
        return [f"{len(failed)} calls failed"]
    if target.allowed is Allowed.CHOSEN:
        calls_of = Counter(call.worker for call in failed)
        more = [worker for worker, times in calls_of.items() if times > 1]
        return [f"{len(more)} clients failed more than one call"] if more else []
    # A connection made after the fault was sent to something that was known to be broken; one to a
    # server that hangs is accepted by its kernel until a check has failed.
    opened_by = result.done + ((target.gap or 0.0) if target.allowed is Allowed.STUCK else 0.0)
    reasons = []
    if late := [c for c in failed if c.connection is None or (c.opened or 0.0) > opened_by]:
        reasons.append(f"{len(late)} calls failed on connections made after it, or on none")
    counted = Counter(c.connection for c in failed if c.connection is not None)
    if again := [connection for connection, times in counted.items() if times > 1]:
        reasons.append(f"{len(again)} connections failed more than one call")
    elsewhere = {result.server_of(connection) for connection in counted}
    elsewhere -= {"", *result.measurement.victims}
    if target.allowed in (Allowed.BUSY, Allowed.STUCK) and elsewhere:
        reasons.append(f"calls failed on {', '.join(sorted(elsewhere))} too")
    return reasons
