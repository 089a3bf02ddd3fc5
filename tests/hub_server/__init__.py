"""A small Hub on loopback for the unmodified Hub clients: no package offers one."""

from hub_server.faults import Fault
from hub_server.repos import HubRepo
from hub_server.server import HubServer

__all__ = ["Fault", "HubRepo", "HubServer"]
