"""Slices read from the bytes are the slices of the tensor, and a file that changes under us is an error."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hf_sne.weights import errors, open_checkpoint


@st.composite
def slices_of_shapes(draw):
    shape = tuple(draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    bounds = [sorted((draw(st.integers(0, size)), draw(st.integers(0, size)))) for size in shape]
    return shape, tuple(slice(*pair) for pair in bounds[: draw(st.integers(1, len(shape)))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranged")


@given(slices_of_shapes(), st.sampled_from([torch.float32, torch.bfloat16, torch.float64, torch.float8_e4m3fn]))
def test_any_slice_is_that_of_the_tensor(folder, case, dtype):
    shape, index = case
    tensor = torch.arange(torch.tensor(shape).prod() % 97, 97 + torch.tensor(shape).prod() % 97).repeat(14)
    tensor = tensor[: int(torch.tensor(shape).prod())].view(shape).to(dtype)
    save_file({"a.weight": torch.ones(3, 3), "b.weight": tensor}, folder / "x.safetensors")
    with open_checkpoint(folder / "x.safetensors") as checkpoint:
        layer = next(layer for layer in checkpoint.layers if layer.weight.name == "b.weight")
        assert torch.equal(layer.weight[index], tensor.float()[index])
        assert torch.equal(layer.weight.read(), tensor.float())


def test_a_file_cut_off_after_it_was_checked(tmp_path):
    path = Path(tmp_path / "x.safetensors")
    save_file({"a.weight": torch.ones(300, 300)}, path)
    with open_checkpoint(path) as checkpoint:
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(errors.TruncatedFileError):
            checkpoint.layers[0].weight.read()
