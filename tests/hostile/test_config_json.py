"""The config.json beside scored weights is hostile too: nothing it names is imported or called."""

import json

import pytest
import torch
from safetensors.torch import save_file

from hf_sne.pipelines import load_pipeline


@pytest.mark.parametrize("text", ["{", "[" * 100_000, None], ids=["broken", "deep", "remote code"])
def test_config_json_of_a_scored_checkpoint_is_not_read(tmp_path, text):
    torch.manual_seed(0)
    state = {"fc.weight": torch.randn(6, 8), "fc.bias": torch.randn(6)}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "modeling_evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    config = {
        "auto_map": {"AutoModel": "modeling_evil.Evil", "AutoConfig": "modeling_evil.Evil"},
        "custom_pipelines": {"weight-performance-prediction": {"impl": "modeling_evil.Evil", "pt": ["AutoModel"]}},
        "architectures": ["Evil"],
    }
    (tmp_path / "config.json").write_text(json.dumps(config) if text is None else text)
    pipe = load_pipeline(device="cpu")
    assert pipe(str(tmp_path))["score"] == pytest.approx(pipe(state)["score"], abs=1e-6)
    assert not (tmp_path / "ran").exists()
