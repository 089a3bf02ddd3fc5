"""Ranges read from the bytes are those of the tensor, and a file that changes under us is an error."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from hf_sne.weights import errors, open_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranged")


@given(
    st.integers(0, 120),
    st.integers(0, 120),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float64, torch.float8_e4m3fn]),
)
def test_any_range_is_that_of_the_tensor(folder, one, other, dtype):
    tensor = torch.arange(120).view(4, 5, 6).to(dtype)
    save_file({"a.weight": torch.ones(3, 3), "b.weight": tensor}, folder / "x.safetensors")
    start, stop = sorted((one, other))
    with open_checkpoint(folder / "x.safetensors") as checkpoint:
        weight = checkpoint.layers[1].weight
        assert torch.equal(weight.elements(start, stop), tensor.float().flatten()[start:stop])
        assert torch.equal(weight.read(), tensor.float())
        for wrong in ((-1, 3), (5, 4), (0, 121)):
            with pytest.raises(IndexError, match="allowed 0 to 120"):
                weight.elements(*wrong)


def test_a_file_cut_off_after_it_was_checked(tmp_path):
    path = Path(tmp_path / "x.safetensors")
    save_file({"a.weight": torch.ones(300, 300)}, path)
    with open_checkpoint(path) as checkpoint:
        path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(errors.TruncatedFileError):
            checkpoint.layers[0].weight.read()
