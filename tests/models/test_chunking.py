"""Pad-chunk moves every element exactly once, keeps kernels whole, and is the same in tiles of any size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hf_sne.models.sne.chunking import Matrix, chunks_per_row, kernels_per_chunk, pad_chunk, tiles

sizes = st.tuples(st.integers(1, 9), st.integers(1, 70), st.sampled_from([1, 4, 9, 25, 49, 121]))


@given(sizes, st.sampled_from([8, 32, 50]))
def test_every_element_is_in_one_chunk_in_order(shape, chunk_size):
    rows = torch.arange(1, 1 + torch.tensor(shape).prod()).view(shape)
    chunks, lengths = pad_chunk(rows, chunk_size)
    assert chunks.shape == (shape[0], chunks_per_row(shape[1], shape[2], chunk_size), chunk_size)
    mask = torch.arange(chunk_size) < lengths.unsqueeze(1)
    assert (chunks[:, ~mask] == 0).all()
    assert torch.equal(chunks[:, mask], rows.flatten(1))


@pytest.mark.parametrize(("kernel", "length"), [(9, 27), (25, 25), (1, 32), (4, 32)])
def test_a_chunk_holds_whole_kernels(kernel, length):
    _, lengths = pad_chunk(torch.ones(2, 64, kernel), 32)
    assert lengths[0] == length


def test_a_kernel_larger_than_a_chunk_takes_several():
    _, lengths = pad_chunk(torch.ones(1, 2, 49), 32)
    assert lengths.tolist() == [32, 17, 32, 17]


@given(sizes, st.integers(1, 40))
def test_tiles_cover_the_matrix_once_and_cut_between_chunks(shape, max_chunks):
    matrix = Matrix(*shape)
    seen = torch.zeros(shape[:2], dtype=torch.int)
    whole, _ = pad_chunk(torch.arange(1, 1 + seen.numel() * shape[2]).view(shape), 32)
    for tile in tiles(matrix, 32, max_chunks):
        seen[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns] += 1
        block = torch.arange(1, 1 + seen.numel() * shape[2]).view(shape)
        block = block[tile.row : tile.row + tile.rows, tile.column : tile.column + tile.columns]
        chunks, _ = pad_chunk(block, 32)
        columnwise, _ = pad_chunk(block.transpose(0, 1), 32)
        smallest = 2 * kernels_per_chunk(shape[2], 32) * chunks_per_row(1, shape[2], 32)
        assert chunks.shape[0] * chunks.shape[1] + columnwise.shape[0] * columnwise.shape[1] <= max(
            max_chunks, smallest
        )
        before = chunks_per_row(tile.column, shape[2], 32)
        assert torch.equal(chunks, whole[tile.row : tile.row + tile.rows, before : before + chunks.shape[1]])
    assert (seen == 1).all()


def test_a_vector_and_a_tensor_without_neuron_level_are_one_row():
    assert Matrix.of((7,), neuron_level=True) == Matrix(1, 7, 1)
    assert Matrix.of((6, 3, 5, 5), neuron_level=True) == Matrix(6, 3, 25)
    assert Matrix.of((6, 3, 5, 5), neuron_level=False) == Matrix(1, 18, 25)
    assert Matrix.of((2, 3, 40, 50), neuron_level=True) == Matrix(2, 6000, 1)
