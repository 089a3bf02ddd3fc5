import hashlib
import json
import math
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hf_sne.errors import UserError
from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint

READABLE = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


def opened(source, **named):
    """The layers of a checkpoint by name."""
    return {layer.name: layer for layer in open_checkpoint(source, **named).layers}


@pytest.fixture
def saved(tmp_path):
    def save(tensors, name="model.safetensors"):
        save_file(tensors, tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize(("name", "dtype"), READABLE.items())
def test_every_float_reads_as_float32_from_file_and_memory(saved, name, dtype):
    stored = torch.randn(4, 6).to(dtype)
    for source in (saved({"fc.weight": stored}), {"fc.weight": stored}):
        weight = opened(source)["fc"].weight
        assert (weight.name, weight.shape, weight.dtype, weight.numel) == ("fc.weight", (4, 6), name, 24)
        assert weight.read().dtype == torch.float32
        assert torch.equal(weight.read(), stored.float())


def test_what_is_read_is_never_a_view_of_the_source(saved):
    net = nn.Sequential(nn.Linear(2, 2))
    opened(net)["0"].weight.read().zero_()
    assert net[0].weight.abs().min() > 0
    weight = opened(saved({"fc.weight": torch.ones(2, 2)}))["fc"].weight
    weight.read().zero_()
    assert weight.read().min() == 1


def test_numbers_beyond_float32_read_as_infinity(saved):
    path = saved({"fc.weight": torch.tensor([[1e300, -1e300, 1e-300]], dtype=torch.float64)})
    assert opened(path)["fc"].weight.read().tolist() == [[math.inf, -math.inf, 0.0]]


def test_a_range_touches_its_own_bytes_only(tmp_path):
    # The file is sparse: a gigabyte of it is never written, and reading it all would take seconds.
    path = tmp_path / "model.safetensors"
    header = json.dumps({"e.weight": {"dtype": "F32", "shape": [2**18, 2**10], "data_offsets": [0, 2**30]}}).encode()
    with path.open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        stream.truncate(8 + len(header) + 2**30)
    with open_checkpoint(path) as checkpoint:
        before = _resident_bytes()
        assert checkpoint.layers[0].weight.elements(2**27, 2**27 + 4096).shape == (4096,)
        assert _resident_bytes() - before < 2**26


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (torch.ones(2, 2, dtype=torch.int8), "integers (I8)"),
        (torch.ones(2, 2, dtype=torch.bool), "booleans"),
        (torch.ones(2, 2, dtype=torch.complex64), "complex"),
        (torch.ones(2, 2).to(torch.float8_e8m0fnu), "scale format"),
        (torch.ones(0, 2), "no elements"),
        (torch.tensor(1.0), "a single number"),
    ],
)
def test_what_is_no_weight_is_skipped_with_a_reason(saved, tensor, reason):
    tensors = {"a.weight": tensor, "b.weight": torch.ones(3, 2)}
    for source in (saved(tensors), tensors):
        checkpoint = open_checkpoint(source)
        assert [layer.name for layer in checkpoint.layers] == ["b"]
        (skipped,) = checkpoint.skipped
        assert (skipped.name, skipped.elements) == ("a.weight", tensor.numel())
        assert reason in skipped.reason
        assert checkpoint.total_elements == 6 + tensor.numel()


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (torch.empty(2, 2, device="meta"), "meta"),
        (torch.eye(2).to_sparse(), "sparse"),
        (torch.ones(2, 2, dtype=torch.complex128), "complex128"),
        (torch.quantize_per_tensor(torch.ones(2, 2), 1.0, 0, torch.qint8), "quantised"),
        (nn.LazyLinear(3).weight, "not initialised"),
    ],
)
def test_what_holds_no_plain_numbers_is_skipped_with_a_reason(tensor, reason):
    checkpoint = open_checkpoint({"a.weight": tensor})
    assert checkpoint.layers == ()
    assert reason in checkpoint.skipped[0].reason
    assert checkpoint.coverage()["fraction"] == 0.0


def test_coverage_counts_what_is_lost_and_not_buffers():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    coverage = open_checkpoint(net.state_dict() | {"2.weight": torch.ones(10, dtype=torch.int32)}).coverage()
    assert json.loads(json.dumps(coverage)) == coverage
    assert coverage["parameters_read"] == sum(parameter.numel() for parameter in net.parameters()) == 24
    assert (coverage["parameters_total"], coverage["fraction"], coverage["layers"]) == (34, 24 / 34, 2)
    buffers = {"1.running_mean": 2, "1.running_var": 2, "1.num_batches_tracked": 1}
    reasons = {skipped["name"]: skipped for skipped in coverage["skipped"]}
    for name, elements in buffers.items():
        assert reasons[name] == {"name": name, "reason": "buffer, not a learned weight", "elements": elements}


def test_a_causal_mask_is_a_buffer():
    (skipped,) = open_checkpoint({"h.0.attn.bias": torch.ones(1, 1, 8, 8)}).skipped
    assert skipped.reason == "buffer, not a learned weight"


def test_a_learned_tensor_with_a_buffers_name_is_read_when_the_module_says_so():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inv_freq = nn.Parameter(torch.ones(4))

    assert list(opened(Net())) == ["inv_freq"]
    assert list(opened(Net().state_dict())) == []


def test_tied_tensors_are_read_once():
    net = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5, bias=False))
    net[1].weight = net[0].weight
    for source in (net, net.state_dict()):
        checkpoint = open_checkpoint(source)
        assert [layer.name for layer in checkpoint.layers] == ["0"]
        (tied,) = checkpoint.skipped
        assert (tied.name, tied.reason, tied.elements) == ("1.weight", "tied to 0.weight", 20)
        assert checkpoint.coverage()["fraction"] == 1.0


def test_views_of_one_storage_that_differ_are_not_tied():
    packed = torch.randn(6, 4)
    layers = opened({"q.weight": packed[:3], "k.weight": packed[3:]})
    assert torch.equal(layers["k"].weight.read(), packed[3:])


def test_a_file_has_its_size_and_hash(saved):
    path = saved({"fc.weight": torch.ones(2, 2)}, "net.safetensors")
    checkpoint = open_checkpoint(str(path))
    (file,) = checkpoint.files
    assert (checkpoint.source, checkpoint.commit) == (str(path), None)
    assert (file.name, file.size) == ("net.safetensors", path.stat().st_size)
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_objects_in_memory_have_no_files():
    net = nn.Sequential(nn.Linear(2, 2))
    assert [(found.source, found.files) for found in map(open_checkpoint, (net, net.state_dict()))] == [
        ("Sequential", ()),
        ("state_dict", ()),
    ]


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_a_dictionary_around_the_weights_is_opened(key):
    wrapped = {key: {"fc.weight": torch.ones(2, 2), "step": 3}, "epoch": torch.tensor(7.0), "optimizer": {"lr": 0.1}}
    assert list(opened(wrapped)) == ["fc"]


@pytest.mark.parametrize("state", [{}, {"epoch": 3}, {"model": {"deeper": {"fc.weight": torch.ones(2)}}}])
def test_a_dictionary_without_tensors_is_refused(state):
    with pytest.raises(errors.StateDictError, match="state_dict"):
        open_checkpoint(state)


def test_a_closed_checkpoint_says_so(saved):
    with open_checkpoint(saved({"fc.weight": torch.ones(2, 2)})) as checkpoint:
        weight = checkpoint.layers[0].weight
    with pytest.raises(errors.ClosedFileError, match="before the checkpoint is closed"):
        weight.read()


@pytest.mark.parametrize("source", ["nowhere", "a/b/c", "folder/model.safetensors", "net.pt", "", "a\0b", "x" * 5000])
def test_neither_a_path_nor_a_repository(source):
    with pytest.raises(errors.SourceNotFoundError, match="neither"):
        open_checkpoint(source)


def test_a_local_path_has_no_revision(saved):
    with pytest.raises(errors.RevisionMissingError, match="v2 of a local path"):
        open_checkpoint(saved({"fc.weight": torch.ones(2, 2)}), revision="v2")


def test_limits_must_let_something_through():
    with pytest.raises(UserError, match="rank is 0, allowed 1 or more"):
        Limits(rank=0)


def test_an_error_survives_the_way_back_from_a_worker_process():
    error = errors.TensorRankError("a.safetensors", found=17, allowed=16)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.fix) == (type(error), str(error), error.fix)
