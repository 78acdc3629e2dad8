"""The commands that make the tables of every service."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lab.control_plane.settings import Settings

PYTHON = "/usr/bin/python3"


def lanes(settings: Settings) -> Sequence[Sequence[Sequence[str | Path]]]:
    """Return what is run one after the other, in lanes that may run beside each other."""
    conf = settings.file
    nova = ("nova-manage", "--config-file", conf("nova"))
    # Nova fills these in from its configuration: the folder is another one each time.
    cells = [f"{{scheme}}://root@localhost/{name}?{{query}}" for name in ("nova_cell0", "nova")]
    bus = "{scheme}://{username}:{password}@{hostname}:{port}/"
    database = "--database_connection"
    glance = "import sys; from glance.cmd.manage import main; sys.exit(main())"
    with_conf = "--config-file"
    return (
        (
            ("keystone-manage", with_conf, conf("keystone"), "db_sync"),
            ("neutron-db-manage", with_conf, conf("neutron"), "upgrade", "heads"),
            ("heat-manage", with_conf, conf("heat"), "db_sync"),
            ("aodh-dbsync", with_conf, conf("aodh")),
        ),
        (
            (*nova, "api_db", "sync"),
            (*nova, "cell_v2", "map_cell0", database, cells[0]),
            (*nova, "db", "sync"),
            (
                *(*nova, "cell_v2", "create_cell", "--name", "cell1"),
                *(database, cells[1], "--transport-url", bus),
            ),
            ("octavia-db-manage", with_conf, conf("octavia"), "upgrade", "head"),
            (PYTHON, "-c", glance, with_conf, conf("glance"), "db_sync"),
            ("placement-manage", with_conf, conf("placement"), "db", "sync"),
            ("gnocchi-upgrade", with_conf, conf("gnocchi")),
        ),
    )
