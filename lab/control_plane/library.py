"""The little code that has to be beside the services."""

from __future__ import annotations

from lab.control_plane.places import ADDRESS, PUBLIC

# Binds every port to every host and reports it active at once: there is no data plane.
_ML2 = """\
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api


class Everywhere(api.MechanismDriver):
    connectivity = portbindings.CONNECTIVITY_L2

    def initialize(self):
        pass

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_BRIDGE,
            {portbindings.CAP_PORT_FILTER: True},
            status=constants.PORT_STATUS_ACTIVE,
        )
"""
_ML2_ENTRY = "[neutron.ml2.mechanism_drivers]\neverywhere = lab_ml2:Everywhere\n"
_ML2_ABOUT = "Metadata-Version: 2.1\nName: lab-ml2\nVersion: 1\n"

# Debian's security update of oslo.messaging (14.0.3) takes the credentials out of a notification by
# making its context anew, and the context of Heat 19 then asks Keystone for the roles of nobody:
# every signal to a scaling policy fails. A context without credentials is here one that asks for
# nothing.
_HEAT = """\
from heat.cmd.engine import main  # first: it patches for eventlet
from heat.common.context import RequestContext, StoredContext

CREDENTIALS = ("auth_token", "auth_token_info", "password", "trust_id")
stored = StoredContext.from_dict


def made_anew(values):
    if any(values.get(name) for name in CREDENTIALS):
        return stored(values)
    return RequestContext.from_dict(values)


StoredContext.from_dict = staticmethod(made_anew)
"""

# An alarm names what it signals by the public address, where machines of a lab find the APIs.
_AODH = f"""\
from aodh.cmd.alarm import notifier as main
from aodh.notifier.rest import RestAlarmNotifier

notify = RestAlarmNotifier.notify


def from_here(self, action, *rest, **more):
    here = action._replace(netloc=action.netloc.replace("{PUBLIC}", "{ADDRESS}"))
    return notify(self, here, *rest, **more)


RestAlarmNotifier.notify = from_here
"""

_WITH_CONFIGURATION = """\
import os
from {module} import {factory} as make

application = make(argv=[{more}"--config-file", os.environ["{variable}"]])
"""

FILES = {
    "library/lab_ml2.py": _ML2,
    "library/lab_heat.py": _HEAT,
    "library/lab_aodh.py": _AODH,
    "library/lab_ml2-1.dist-info/entry_points.txt": _ML2_ENTRY,
    "library/lab_ml2-1.dist-info/METADATA": _ML2_ABOUT,
    "wsgi/keystone.py": "from keystone.server.wsgi import initialize_public_application as make\n"
    "application = make()\n",
    "wsgi/placement.py": "from placement.wsgi import init_application as make\n"
    "application = make()\n",
    "wsgi/gnocchi.py": "from gnocchi.rest.wsgi import application\n",
    "wsgi/aodh.py": _WITH_CONFIGURATION.format(
        module="aodh.api.app", factory="build_wsgi_app", more="", variable="AODH_CONF"
    ),
    "wsgi/octavia.py": _WITH_CONFIGURATION.format(
        module="octavia.api.app",
        factory="setup_app",
        more='"octavia-api", ',
        variable="OCTAVIA_CONF",
    ),
}
"""What they are, by the path in the folder."""
