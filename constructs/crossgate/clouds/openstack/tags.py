"""Tags as OpenStack has them: words, not pairs."""

from __future__ import annotations

from collections.abc import Mapping

from crossgate.clouds.openstack.limits import TAG
from crossgate.errors import ConfigError


def words(tags: Mapping[str, str]) -> list[str]:
    """Return pairs as words, `key=value`, sorted."""
    return [f"{key}={value}" for key, value in sorted(tags.items())]


def check(tags: Mapping[str, str], path: str) -> None:
    """Refuse what cannot be a tag.

    Raises:
        ConfigError: a pair is longer than a tag, or holds a comma or a slash (the APIs separate
            tags by commas and put them into addresses).

    """
    for word in words(tags):
        if len(word) > TAG or "," in word or "/" in word:
            raise ConfigError(
                "cannot be a tag of OpenStack",
                path=f"{path}: tags",
                got=word,
                want=f"key=value of at most {TAG} characters, without commas and slashes",
            )
