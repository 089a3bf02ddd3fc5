import pytest
from huggingface_hub import HfApi

from hub_server import HubServer
from hub_server.clients import aim_clients

WRITER, READER = "hf_writer", "hf_reader"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty Hub that knows two tokens, and clients with empty caches and no token of their own."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer(tokens={WRITER: "write", READER: "read"}).running() as server:
        aim_clients(monkeypatch, server.url, tmp_path)
        yield server


@pytest.fixture
def api(hub):
    return HfApi(hub.url, token=WRITER)
