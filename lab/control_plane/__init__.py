"""An OpenStack control plane for the lab: Debian's own packages, on loopback, without machines.

Real: Keystone, Glance, Placement, Nova, Neutron, Heat, Octavia, MariaDB, RabbitMQ. What is not:
Nova's hypervisor is its own fake one, so that servers are noted and nothing runs; Neutron binds
every port and moves no packet; Octavia's amphora is such a server, and its agent a driver that does
nothing. What such a server would have run, the lab boots.
"""
