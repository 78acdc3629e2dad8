"""The configuration of every service, as tables."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.control_plane.library import FILES
from lab.control_plane.places import ADDRESS, PORTS, RABBIT_PORT, REGION

_AT_HOME = ("aodh", "gnocchi")
"""Services whose APIs, or what asks for tokens in them, look there for their configuration."""

_Section = Mapping[str, object]
_Settings = Mapping[str, _Section]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a control plane keeps its things.

    Attributes:
        folder: for all of it.
        password: of every user in it.
        network: id of the network of Octavia's amphorae, once it is there.

    """

    folder: Path
    password: str
    network: str = "unknown"

    @property
    def socket(self) -> Path:
        """MariaDB's."""
        return self.folder / "run" / "mysql.sock"

    def file(self, name: str) -> Path:
        """Return the configuration file of a service."""
        return self.folder / "etc" / f"{name}.conf"

    def write(self) -> None:
        """Write all files."""
        for part in ("etc", "home", "library/lab_ml2-1.dist-info", "locks", "run", "wsgi"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for name, settings in self._all():
            parser = configparser.RawConfigParser()
            parser.read_dict({
                section: {key: str(value) for key, value in values.items()}
                for section, values in settings.items()
            })  # fmt: skip
            with self.file(name).open("w", encoding="utf-8") as file:
                parser.write(file)
        for path, text in FILES.items():
            (self.folder / path).write_text(text)
        for name in _AT_HOME:
            home = self.folder / "home" / f"{name}.conf"
            home.unlink(missing_ok=True)
            home.symlink_to(self.file(name))
        (self.folder / "etc/rabbit.conf").write_text(
            f"listeners.tcp.default = {ADDRESS}:{RABBIT_PORT}\n"
            "vm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 50MB\n"
        )
        (self.folder / "etc/rabbit-env.conf").touch()
        (self.folder / "etc/rabbit-plugins").write_text("[].\n")

    def database(self, name: str) -> str:
        """Return the address of a database."""
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}&charset=utf8"

    def _all(self) -> Iterator[tuple[str, _Settings]]:
        yield "keystone", self._keystone()
        yield "glance", self._glance()
        yield "placement", self._placement()
        yield "nova", self._nova()
        yield "neutron", self._neutron()
        yield "heat", self._heat()
        yield "octavia", self._octavia()
        yield "gnocchi", self._gnocchi()
        yield "aodh", self._aodh()

    @property
    def _messages(self) -> dict[str, object]:
        return {
            "transport_url": f"rabbit://guest:guest@{ADDRESS}:{RABBIT_PORT}/",
            "use_stderr": "true",
            "use_journal": "false",
        }

    def _login(self, user: str) -> dict[str, object]:
        return {
            "auth_type": "password",
            "auth_url": f"http://{ADDRESS}:5000/v3",
            "username": user,
            "password": self.password,
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": REGION,
        }

    def _tokens(self, user: str) -> dict[str, object]:
        return {
            **self._login(user),
            "www_authenticate_uri": f"http://{ADDRESS}:5000/",
            "service_token_roles_required": "true",
        }

    def _keystone(self) -> _Settings:
        return {
            "DEFAULT": self._messages,
            "database": {"connection": self.database("keystone")},
            "identity": {"password_hash_rounds": 4},
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": self.folder / "keys/fernet"},
            "credential": {"key_repository": self.folder / "keys/credential"},
            "oslo_policy": {"enforce_scope": "false"},
        }

    def _glance(self) -> _Settings:
        return {
            "DEFAULT": {
                **self._messages,
                "bind_host": ADDRESS,
                "bind_port": PORTS["glance"],
                "workers": 0,
                "enabled_backends": "disk:file",
            },
            "database": {"connection": self.database("glance")},
            "glance_store": {"default_backend": "disk"},
            "disk": {"filesystem_store_datadir": self.folder / "images"},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": "/usr/share/glance-common/glance-api-paste.ini",
            },
            "keystone_authtoken": self._tokens("glance"),
        }

    def _placement(self) -> _Settings:
        return {
            "DEFAULT": self._messages,
            "api": {"auth_strategy": "keystone"},
            "placement_database": {"connection": self.database("placement")},
            "keystone_authtoken": self._tokens("placement"),
        }

    def _nova(self) -> _Settings:
        quotas = ("instances", "cores", "ram", "key_pairs", "server_groups", "server_group_members")
        return {
            "DEFAULT": {
                **self._messages,
                "my_ip": ADDRESS,
                "host": "lab",
                "compute_driver": "fake.FakeDriver",
                "osapi_compute_listen": ADDRESS,
                "osapi_compute_workers": 1,
                "enabled_apis": "osapi_compute",
                # Nobody plugs an interface, and nobody waits for it.
                "vif_plugging_is_fatal": "false",
                "vif_plugging_timeout": 0,
                "state_path": self.folder / "nova",
                "sync_power_state_interval": -1,
            },
            "api": {"auth_strategy": "keystone"},
            "api_database": {"connection": self.database("nova_api")},
            "database": {"connection": self.database("nova")},
            "conductor": {"workers": 1},
            # The hypervisor is found without anybody calling nova-manage.
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
            "glance": {"api_servers": f"http://{ADDRESS}:{PORTS['glance']}"},
            "neutron": {
                **self._login("nova"),
                "endpoint_override": f"http://{ADDRESS}:{PORTS['neutron']}",
            },
            "placement": self._login("nova"),
            "service_user": {**self._login("nova"), "send_service_user_token": "true"},
            "quota": dict.fromkeys(quotas, -1),
            "vnc": {"enabled": "false"},
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "filter_scheduler": {"track_instance_changes": "false"},
            "keystone_authtoken": self._tokens("nova"),
        }

    def _neutron(self) -> _Settings:
        quotas = ("network", "subnet", "port", "router", "floatingip", "security_group",
                  "security_group_rule")  # fmt: skip
        return {
            "DEFAULT": {
                **self._messages,
                "bind_host": ADDRESS,
                "bind_port": PORTS["neutron"],
                "api_workers": 1,
                "rpc_workers": 0,
                "rpc_state_report_workers": 0,
                "core_plugin": "ml2",
                "service_plugins": "router,qos",
                "api_paste_config": "/etc/neutron/api-paste.ini",
                "dhcp_agent_notification": "false",
                "router_auto_schedule": "false",
                "state_path": self.folder / "neutron",
            },
            "ml2": {
                "type_drivers": "flat,vxlan",
                "tenant_network_types": "vxlan",
                "mechanism_drivers": "everywhere",
                "extension_drivers": "port_security,qos",
            },
            "ml2_type_flat": {"flat_networks": "*"},
            "ml2_type_vxlan": {"vni_ranges": "1:65000"},
            "securitygroup": {"enable_security_group": "true"},
            "database": {"connection": self.database("neutron")},
            "nova": {
                **self._login("neutron"),
                "endpoint_override": f"http://{ADDRESS}:{PORTS['nova']}/v2.1",
            },
            "placement": self._login("neutron"),
            "quotas": {f"quota_{name}": -1 for name in quotas},
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "keystone_authtoken": self._tokens("neutron"),
        }

    def _heat(self) -> _Settings:
        trustee = self._login("heat")
        for key in ("project_name", "project_domain_name"):
            del trustee[key]
        return {
            "DEFAULT": {
                **self._messages,
                "num_engine_workers": 1,
                "heat_metadata_server_url": f"http://{ADDRESS}:8000",
                "heat_waitcondition_server_url": f"http://{ADDRESS}:8000/v1/waitcondition",
                "auth_encryption_key": "0123456789abcdef" * 2,
                "stack_user_domain_name": "heat",
                "stack_domain_admin": "heat_domain_admin",
                "stack_domain_admin_password": self.password,
                "region_name_for_services": REGION,
                "environment_dir": "/etc/heat/environment.d",
                "template_dir": "/etc/heat/templates",
            },
            "paste_deploy": {"api_paste_config": "/etc/heat/api-paste.ini"},
            "database": {"connection": self.database("heat")},
            "trustee": trustee,
            "clients": {"endpoint_type": "internalURL"},
            # What members are told, so that they can say that they are ready.
            "clients_heat": {"endpoint_type": "publicURL"},
            "clients_keystone": {"auth_uri": f"http://{ADDRESS}:5000"},
            "heat_api": {"bind_host": ADDRESS, "bind_port": PORTS["heat"], "workers": 1},
            "keystone_authtoken": self._tokens("heat"),
        }

    def _octavia(self) -> _Settings:
        return {
            "DEFAULT": self._messages,
            "api_settings": {
                "bind_host": ADDRESS,
                "bind_port": PORTS["octavia"],
                "auth_strategy": "keystone",
                "enabled_provider_drivers": "amphora:amphorae that are servers of Nova",
                "default_provider_driver": "amphora",
            },
            "database": {"connection": self.database("octavia")},
            "task_flow": {"jobboard_enabled": "false"},
            "oslo_messaging": {"topic": "octavia_prov"},
            "certificates": {
                "cert_generator": "local_cert_generator",
                "ca_certificate": self.folder / "keys/authority.pem",
                "ca_private_key": self.folder / "keys/authority.key",
                "server_certs_key_passphrase": self.password.ljust(32, "0")[:32],
            },
            **{name: {"endpoint_type": "internalURL"} for name in ("glance", "neutron", "nova")},
            "health_manager": {"heartbeat_key": self.password, "bind_ip": ADDRESS},
            "controller_worker": {
                "workers": 1,
                "amphora_driver": "amphora_noop_driver",
                "compute_driver": "compute_nova_driver",
                "network_driver": "allowed_address_pairs_driver",
                "image_driver": "image_glance_driver",
                "amp_image_tag": "amphora",
                "amp_flavor_id": "amphora",
                "amp_boot_network_list": self.network,
                "amp_active_wait_sec": 1,
                "loadbalancer_topology": "SINGLE",
                "client_ca": self.folder / "keys/authority.pem",
            },
            "service_auth": self._login("octavia"),
            "oslo_concurrency": {"lock_path": self.folder / "locks"},
            "keystone_authtoken": self._tokens("octavia"),
        }

    def _gnocchi(self) -> _Settings:
        return {
            "DEFAULT": {"coordination_url": f"file://{self.folder}/gnocchi"},
            "api": {
                "auth_mode": "keystone",
                "paste_config": "/usr/share/gnocchi-common/api-paste.ini",
            },
            "indexer": {"url": self.database("gnocchi")},
            "storage": {"driver": "file", "file_basepath": self.folder / "gnocchi"},
            "metricd": {"workers": 1, "metric_processing_delay": 1},
            "keystone_authtoken": self._tokens("gnocchi"),
        }

    def _aodh(self) -> _Settings:
        return {
            "DEFAULT": {**self._messages, "evaluation_interval": 3},
            "api": {"paste_config": "/usr/share/aodh-common/api-paste.ini"},
            "evaluator": {"workers": 1},
            "notifier": {"workers": 1},
            "database": {"connection": self.database("aodh")},
            "service_credentials": {**self._login("aodh"), "interface": "internal"},
            "keystone_authtoken": self._tokens("aodh"),
        }
