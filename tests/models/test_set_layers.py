"""Set functions: equivariant or invariant, blind to other sets, finite on empty sets."""

import pytest
import torch

from hf_sne.models.sne.configuration_sne import SET_TO_SET, SET_TO_VECTOR
from hf_sne.models.sne.set_layers import SeedAttention, Sets, SetToSet, SetToVector


def _fill(module):
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, SeedAttention):
            torch.nn.init.normal_(part.seeds)
    return module.eval()


@pytest.fixture
def rows():
    torch.manual_seed(1)
    return torch.randn(12, 8), torch.tensor([0, 2, 2, 0, 3, 3, 3, 0, 2, 3, 0, 3])


@pytest.mark.parametrize("kind", SET_TO_SET)
def test_set_to_set_is_equivariant(kind, rows):
    values, index = rows
    phi = _fill(SetToSet(kind, 8, depth=2, heads=2, inducing=3))
    order = torch.randperm(12)
    with torch.no_grad():
        straight, shuffled = phi(values, Sets(index, 5)), phi(values[order], Sets(index[order], 5))
    torch.testing.assert_close(straight[order], shuffled, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", SET_TO_VECTOR)
def test_set_to_vector_is_invariant(kind, rows):
    values, index = rows
    gamma = _fill(SetToVector(kind, 8, heads=2))
    order = torch.randperm(12)
    with torch.no_grad():
        straight, shuffled = gamma(values, Sets(index, 5)), gamma(values[order], Sets(index[order], 5))
    torch.testing.assert_close(straight, shuffled, atol=1e-5, rtol=1e-5)
    assert straight.shape == (5, 8)
    assert straight.isfinite().all(), "sets 1 and 4 are empty"


@pytest.mark.parametrize("kind", SET_TO_VECTOR)
@pytest.mark.parametrize("inner", SET_TO_SET)
def test_a_set_does_not_see_the_others(kind, inner, rows):
    values, index = rows
    phi = _fill(SetToSet(inner, 8, depth=1, heads=2, inducing=3))
    gamma = _fill(SetToVector(kind, 8, heads=2))
    changed = torch.where((index == 3).unsqueeze(1), values, values + 5.0)
    with torch.no_grad():
        before, after = (gamma(phi(v, Sets(index, 5)), Sets(index, 5)) for v in (values, changed))
    torch.testing.assert_close(before[3], after[3], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before[0], after[0])


def test_mean_maximum_and_last_of_sets_by_hand():
    sets = Sets(torch.tensor([1, 0, 1]), 3)
    assert sets.mean(torch.tensor([[1.0], [5.0], [3.0]])).flatten().tolist() == [5.0, 2.0, 0.0]
    assert sets.max(torch.tensor([[-1.0], [-5.0], [-3.0]])).flatten().tolist() == [-5.0, -1.0, 0.0]
    assert sets.last(torch.tensor([[-1.0], [-5.0], [-3.0]])).flatten().tolist() == [-5.0, -3.0, 0.0]
