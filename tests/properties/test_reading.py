"""Any file gives a typed error or valid tensors within the limits, and is never accepted where safetensors refuses."""

import json
import tempfile
from pathlib import Path

import torch
from hostile.attacks import safetensors_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from hf_sne.errors import CheckpointError
from hf_sne.limits import Limits
from hf_sne.weights import open_checkpoint
from hf_sne.weights.tensors import DTYPE_BITS

LIMITS = Limits(header_bytes=4096, tensors=8, rank=4, name_length=20, tensor_bytes=512, total_bytes=1024)
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool, torch.complex64)

shapes = st.lists(st.integers(0, 4), max_size=4)
names = st.text("ab.01weightbias_", min_size=1, max_size=20).filter(lambda name: name != "__metadata__")
tensors = st.builds(lambda shape, dtype: torch.ones(shape).to(dtype), shapes, st.sampled_from(DTYPES))
state_dicts = st.dictionaries(names, tensors, max_size=6)

powers = st.sampled_from([2**31, 2**62, 2**63, 2**64])
numbers = st.one_of(st.integers(-2, 40), powers, st.floats(), st.text(max_size=2))
entries = st.fixed_dictionaries(
    {
        "dtype": st.one_of(st.sampled_from(sorted(DTYPE_BITS)), st.text(max_size=3)),
        "shape": st.one_of(st.lists(numbers, max_size=5), numbers),
        "data_offsets": st.one_of(st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, max_size=3)),
    }
)
headers = st.dictionaries(st.one_of(names, st.text(max_size=30)), st.one_of(entries, numbers, st.none()), max_size=4)


def check(content: bytes) -> None:
    """The property, of one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        accepted = _read(path)
        if accepted:
            assert _safetensors_accepts(path)


def _read(path: Path) -> bool:
    try:
        checkpoint = open_checkpoint(path, limits=LIMITS)
    except CheckpointError as error:
        _check_message(str(error), str(path))
        return False
    with checkpoint:
        _check_tensors(checkpoint)
    return True


def _check_message(message: str, file: str) -> None:
    assert message.isprintable()
    assert message.startswith(file)


def _check_tensors(checkpoint) -> None:
    held = [tensor for layer in checkpoint.layers for tensor in layer.tensors]
    assert len(held) + len(checkpoint.skipped) <= LIMITS.tensors
    assert len({tensor.name for tensor in held}) == len(held)
    assert 0 <= checkpoint.coverage()["fraction"] <= 1
    json.dumps(checkpoint.coverage(), allow_nan=False)
    for tensor in held:
        values = tensor.read()
        assert values.dtype == torch.float32
        assert values.shape == tensor.shape
        assert 1 <= len(tensor.shape) <= LIMITS.rank
        assert 1 <= tensor.numel <= LIMITS.tensor_bytes


def _safetensors_accepts(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt"):
            return True
    except SafetensorError:
        return False


@settings(max_examples=100, deadline=None)
@given(state_dicts)
def test_valid_files(state):
    check(save(state))


@settings(max_examples=200, deadline=None)
@given(headers, st.binary(max_size=40))
def test_generated_headers(header, data):
    check(safetensors_bytes(json.dumps(header), data))


@settings(max_examples=300, deadline=None)
@given(state_dicts, st.data())
def test_mutated_files(state, data):
    content = bytearray(save(state))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        mutation = data.draw(st.sampled_from(["flip", "cut", "insert", "repeat"]))
        if mutation == "flip":
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        elif mutation == "cut":
            del content[place : place + data.draw(st.integers(1, 20))]
        elif mutation == "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            content[place:place] = content[place : place + 20]
        if not content:
            break
    check(bytes(content))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes(content):
    check(content)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_after_a_fitting_length(raw):
    check(safetensors_bytes(b"{" + raw))
