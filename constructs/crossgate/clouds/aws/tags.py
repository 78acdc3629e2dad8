"""Tags as AWS takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crossgate.clouds.aws.limits import TAG_KEY, TAG_VALUE
from crossgate.errors import ConfigError

# What all services accept (Tagging AWS Resources guide, "Tag naming limits and requirements").
_STRANGE = re.compile(r"[^\w \-+=.:/@]")
_RESERVED = "aws:"


def check(tags: Mapping[str, str], path: str) -> None:
    """Refuse what cannot be a tag; a value that is a token is left to AWS.

    Raises:
        ConfigError: a key or a value is too long, has a character that is refused, or the key
            begins with `aws:`, which is AWS's own.

    """
    for key, text in tags.items():
        if key.lower().startswith(_RESERVED):
            raise ConfigError(
                "a tag that only AWS itself may set",
                path=f"{path}: tags",
                got=key,
                want=f"a key that does not begin with {_RESERVED}",
            )
        deferred = "${" in text
        if (
            not 1 <= len(key) <= TAG_KEY
            or _STRANGE.search(key)
            or (not deferred and (len(text) > TAG_VALUE or _STRANGE.search(text)))
        ):
            raise ConfigError(
                "cannot be a tag of AWS",
                path=f"{path}: tags",
                got=f"{key}={text}",
                want=f"a key of 1 to {TAG_KEY} characters and a value of at most {TAG_VALUE}: "
                "letters, digits, spaces and + - = . _ : / @",
            )
