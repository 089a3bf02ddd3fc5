"""A Hub that runs here, and this process's clients aimed at it."""

import pytest
from hub_server import HubServer
from hub_server.conftest import READER, WRITER
from huggingface_hub import constants


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty Hub, and this process's client aimed at it with a token that may write."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_TOKEN", WRITER)
    with HubServer(tokens={WRITER: "write", READER: "read"}).running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        yield server
