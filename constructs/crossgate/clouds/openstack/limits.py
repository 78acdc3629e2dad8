"""What OpenStack cannot exceed, with the place that says so."""

from __future__ import annotations

from datetime import timedelta

USER_DATA_BYTES = 65535
"""Characters of user data after base64 (Compute API reference, "Create server", `user_data`)."""

HOST_NAME = 63
"""Names of servers: Nova makes the host name of them, and a DNS label has no more (RFC 1123)."""

STACK_NAME = 255
"""Names of Heat stacks (Orchestration API reference, "Create stack", `stack_name`)."""

NAME = 255
"""Names of everything else, and the description of a security group rule (the APIs' schemas)."""

CONTAINER = 256
"""Bytes in the name of a container (Object Storage API reference, "Create container")."""

TAG = 60
"""Characters of a tag: Nova's limit, the smallest (Compute API reference, "Server tags")."""

STACK_RESOURCES = 1000
"""Resources of a stack, its members included (Heat's default for `max_resources_per_stack`)."""

PAUSE_SECONDS = 3600
"""Longest pause between two batches of a group (Heat's source, `InstanceGroup.validate`)."""

ROLLOUT_MINUTES = 24 * 60
"""Longest rollout that Heat and Terraform are asked to wait for: a bound of our own."""

SIGNAL = timedelta(hours=1)
"""How long a member can tell Heat that it is ready: Keystone's `[token] expiration`, by default."""
