"""Keeps Heat's autoscaling groups: replaces dead members, and scales by what the balancers see.

    python3 -m heat_keeper SETTINGS

Heat makes and unmakes members; it heals none, and scales only when somebody tells it to. The
program runs on one machine of a cluster at a time; who sees to that is whoever starts it. Whatever
it does or refuses is said once on standard output and shown in a file of metrics.
"""
