"""The Hub behind HTTP on loopback."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from hub_server.app import HubApp
from hub_server.hub import Hub

_CLIENT_SETTINGS = ("HF_", "HUGGING", "TRANSFORMERS_")


class HubServer(Hub):
    """A Hub that serves."""

    @contextmanager
    def running(self) -> Iterator["HubServer"]:
        """Serves on a free port of 127.0.0.1 until the block ends; connections end with it."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            config = uvicorn.Config(
                HubApp(self), lifespan="off", log_level="critical", timeout_graceful_shutdown=0, http="h11"
            )
            server = uvicorn.Server(config)
            thread = Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                while not server.started:
                    time.sleep(0.005)
                yield self
            finally:
                server.should_exit = True
                thread.join()

    def client_environment(self, home: Path, token: str = "") -> dict[str, str]:
        """The environment of a new process whose clients come here, with their caches under ``home``."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_CLIENT_SETTINGS)}
        return inherited | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token,
            "HF_HUB_DISABLE_XET": "1",  # the clients upload by it unless told not to
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
