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

# Aodh asks Keystone at its public address, and an alarm names what it signals by Heat's: there
# machines of a lab find them, and here nobody does.
_AODH = f"""\
from functools import partial
from types import SimpleNamespace

from aodh import keystone_client
from aodh.api.app import build_wsgi_app
from aodh.cmd.alarm import notifier as main
from aodh.notifier.rest import RestAlarmNotifier
from keystoneclient.v3.client import Client

inside = partial(Client, interface="internal")
keystone_client.ks_client_v3 = SimpleNamespace(Client=inside)
notify = RestAlarmNotifier.notify


def from_here(self, action, *rest, **more):
    here = action._replace(netloc=action.netloc.replace("{PUBLIC}", "{ADDRESS}"))
    return notify(self, here, *rest, **more)


RestAlarmNotifier.notify = from_here
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
    "wsgi/aodh.py": "from lab_aodh import build_wsgi_app as make\napplication = make(argv=[])\n",
    "wsgi/octavia.py": "import os\nfrom octavia.api.app import setup_app as make\n"
    "application = make(argv=['octavia-api', '--config-file', os.environ['OCTAVIA_CONF']])\n",
}
"""What they are, by the path in the folder."""
