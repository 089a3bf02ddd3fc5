"""Publishing what the toolkit makes on the Hub, each thing with a card."""

from hf_sne.hub.destination import Destination
from hf_sne.hub.push import push

__all__ = ["Destination", "push"]
