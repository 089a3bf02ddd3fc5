"""A Hub that runs here, and this process's clients aimed at it."""

import pytest
from bare_python import make_bare_python
from hub_server import HubServer
from hub_server.clients import aim_clients
from hub_server.conftest import READER, WRITER


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty Hub, and this process's clients aimed at it with a token that may write."""
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with HubServer(tokens={WRITER: "write", READER: "read"}).running() as server:
        aim_clients(monkeypatch, server.url, tmp_path)
        yield server


@pytest.fixture
def without_package(tmp_path):
    return make_bare_python(tmp_path / "bare")
