"""Two constructs never take one name in a cloud, not even after the cloud's limit cut it."""

from __future__ import annotations

from crossgate.errors import PolicyError


class Names:
    """The names that are taken in one cloud, by kind of resource."""

    def __init__(self) -> None:
        """Start with none taken."""
        self._owners: dict[tuple[str, str], str] = {}

    def take(self, kind: str, name: str, path: str) -> str:
        """Return `name`, taken for the construct at `path`.

        Raises:
            PolicyError: another construct has it.

        """
        owner = self._owners.setdefault((kind, name), path)
        if owner != path:
            raise PolicyError(
                f"the {kind} would have the name of another one",
                path=path,
                got=f"{name!r}, the name of {owner}",
                do="give one of the two constructs another id",
            )
        return name
