"""Keeps copies in a container of Swift, below one prefix; logs in by an application credential.

swift_store.py SETTINGS put NAME FILE    keep a file under a name
swift_store.py SETTINGS get NAME FILE    write what is kept under a name
swift_store.py SETTINGS list             print the names, one a line
swift_store.py SETTINGS drop NAME        keep it no longer
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SECONDS = 60
_NOT_FOUND = 404
_NO_CONTENT = 204


class Container:
    """A container, and who is logged in to it.

    Args:
        settings: see `archive.json`.

    Raises:
        SystemExit: the catalogue has no Swift.

    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._prefix = settings["prefix"]
        login = json.loads(Path(settings["login"]).read_text(encoding="utf-8"))
        asked = {
            "auth": {
                "identity": {
                    "methods": ["application_credential"],
                    "application_credential": login,
                }
            }
        }
        url = f"{settings['auth_url'].rstrip('/')}/auth/tokens"
        request = Request(  # noqa: S310  (what the settings say)
            url,
            data=json.dumps(asked).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310  (as above)
            self._token = answer.headers["X-Subject-Token"]
            catalogue = json.load(answer)["token"].get("catalog", [])
        at = endpoint(catalogue, settings.get("region"))
        if at is None:
            sys.exit("the catalogue has no object-store there")
        self._url = f"{at.rstrip('/')}/{quote(settings['container'], safe='')}"

    def names(self) -> list[str]:
        """Return the names of what is kept."""
        found: list[str] = []
        last = ""
        while True:
            query = urlencode({"format": "json", "prefix": self._prefix, "marker": last})
            with self._ask("GET", f"?{query}") as answer:
                page = [] if answer.status == _NO_CONTENT else json.load(answer)
            if not page:
                return found
            last = page[-1]["name"]
            found += [one["name"][len(self._prefix) :] for one in page]

    def put(self, name: str, file: Path) -> None:
        """Keep a file; Swift refuses what has not arrived as it was sent."""
        body = file.read_bytes()
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        with self._ask("PUT", self._path(name), body, {"ETag": etag}):
            pass

    def get(self, name: str, file: Path) -> None:
        """Write what is kept."""
        with self._ask("GET", self._path(name)) as answer, file.open("wb") as target:
            shutil.copyfileobj(answer, target)

    def drop(self, name: str) -> None:
        """Keep it no longer; what is not there is not kept already."""
        try:
            with self._ask("DELETE", self._path(name)):
                pass
        except HTTPError as error:
            if error.code != _NOT_FOUND:
                raise

    def _path(self, name: str) -> str:
        return f"/{quote(self._prefix + name)}"

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401  (what urllib answers)
        said = {"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"}
        request = Request(  # noqa: S310  (what the catalogue says)
            f"{self._url}{path}", data=body, headers=said | dict(headers or {}), method=method
        )
        return urlopen(request, timeout=_SECONDS)  # noqa: S310  (as above)


def endpoint(catalogue: Sequence[Mapping[str, Any]], region: str | None) -> str | None:
    """Return where Swift is for everybody, by Keystone's catalogue; None: it is not there."""
    for service in catalogue:
        for one in service.get("endpoints", ()) if service["type"] == "object-store" else ():
            if one["interface"] == "public" and region in {None, one.get("region_id")}:
                return str(one["url"])
    return None


def main(arguments: Sequence[str]) -> str:
    """Do what the arguments say; return what is to be printed."""
    path, verb, *more = arguments
    container = Container(json.loads(Path(path).read_text(encoding="utf-8")))
    if verb == "list" and not more:
        return "".join(f"{name}\n" for name in container.names())
    name, *files = more
    if verb == "drop" and not files:
        container.drop(name)
    elif verb in {"put", "get"}:
        (file,) = files
        getattr(container, verb)(name, Path(file))
    else:
        raise ValueError(verb)
    return ""


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except ValueError:
        sys.exit("swift_store.py SETTINGS put NAME FILE | get NAME FILE | list | drop NAME")
    except HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        sys.exit(f"{error.url.partition('?')[0]} answers {error.code} {error.reason}: {said}")
    except URLError as error:
        sys.exit(f"it does not answer: {error.reason}")
    except OSError as error:
        sys.exit(f"it is not kept: {error}")
