"""Consul servers vote: three or five of them, so that one or two may be lost."""

from __future__ import annotations

from crossgate.errors import PolicyError

COUNTS = (3, 5)


def check(count: object, path: str) -> None:
    """Refuse a number of servers that gains nothing or loses the vote too early.

    An even number tolerates no more losses than the odd one below it; one server is a single
    point of failure; more than five make every write slower (Consul's own reference
    architecture names three and five).

    Raises:
        PolicyError: it is neither three nor five.

    """
    if count not in COUNTS or isinstance(count, bool):
        raise PolicyError(
            "Consul servers cannot be this many",
            path=path,
            got=count,
            want="3 (one may be lost) or 5 (two may be lost)",
        )
