import pytest
from huggingface_hub import HfApi, constants

from hub_server import HubServer

WRITER, READER = "hf_writer", "hf_reader"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty Hub that knows two tokens, and clients with empty caches and no token of their own."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with HubServer(tokens={WRITER: "write", READER: "read"}).running() as server:
        yield server


@pytest.fixture
def api(hub):
    return HfApi(hub.url, token=WRITER)
