"""A read-only Hub on loopback for the unmodified Hub client: no package offers one."""

from hub_server.server import HubRepo, HubServer

__all__ = ["HubRepo", "HubServer"]
