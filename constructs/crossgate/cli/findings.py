"""What a check finds: one row for one thing, with a verdict and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"
    UNASKED = "could not ask"


class Exit(IntEnum):
    """What the command returns to the shell."""

    FINE = 0
    MISSING = 1
    NOT_RUN = 2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a stack needs of a cloud, and what the cloud has of it.

    Attributes:
        what: the thing.
        needed: what the stack wants of it.
        found: what the cloud answered, or why it did not.
        verdict: how it stands.
        do: the way out; default: none is needed.

    """

    what: str
    needed: str
    found: str
    verdict: Verdict = Verdict.OK
    do: str | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was found in one cloud.

    Attributes:
        cloud: its id in the stack.
        where: what it is and who asked, in words; without any secret.
        findings: one for each thing.
        profile: the OpenStackProfile that its catalogue suggests, as code; default: it has none.
        failed: why it could not be asked at all; default: it could.

    """

    cloud: str
    where: str
    findings: Sequence[Finding] = ()
    profile: str | None = None
    failed: str | None = None


def exit_code(reports: Iterable[Report]) -> Exit:
    """Return what the shell is told: what could not run weighs more than what is missing."""
    found = list(reports)
    if any(report.failed for report in found):
        return Exit.NOT_RUN
    verdicts = {finding.verdict for report in found for finding in report.findings}
    return Exit.MISSING if Verdict.MISSING in verdicts else Exit.FINE


def quota(
    what: str, *, more: int, limit: float | None, used: float, unit: str = "", do: str
) -> Finding:
    """Compare what a stack would add with what is left of a quota.

    Args:
        what: the things that are counted.
        more: how many the stack would add at its largest.
        limit: how many there may be; None or below 0: any number.
        used: how many there are.
        unit: put behind the numbers; default: nothing.
        do: whom to ask for more, when there is too little; `{most}` is how many are wanted.

    """
    unit = f" {unit}" if unit else ""
    needed = f"{more}{unit} more"
    if limit is None or limit < 0:
        return Finding(what=what, needed=needed, found=f"{used:g}{unit} in use, no limit")
    found = f"{used:g} of {limit:g}{unit} in use"
    if used + more <= limit:
        return Finding(what=what, needed=needed, found=found)
    return Finding(
        what=what,
        needed=needed,
        found=found,
        verdict=Verdict.MISSING,
        do=do.format(most=f"{used + more:g}"),
    )


@dataclass(kw_only=True)
class Asker:
    """Puts questions to a cloud so that an answer that does not come is a row, never silence.

    Attributes:
        errors: what the cloud's client raises.
        sentence: says one of them in words, without a secret.
        findings: what was found so far.

    """

    errors: tuple[type[Exception], ...]
    sentence: Callable[[Exception], str]
    findings: list[Finding] = field(default_factory=list)

    def ask(self, what: str, needed: str, question: Callable[[], Iterable[Finding]]) -> None:
        """Add what `question` answers; or, when the cloud refuses, that it could not be asked."""
        try:
            self.findings += list(question())
        except self.errors as error:
            self.findings.append(
                Finding(
                    what=what,
                    needed=needed,
                    found=f"could not be asked: {self.sentence(error)}",
                    verdict=Verdict.UNASKED,
                    do="look it up yourself, or check again with credentials that may ask",
                )
            )
