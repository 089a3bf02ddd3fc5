"""Every rule of a pickle file. Only what needs the limited process starts one, as each loads torch anew."""

import os
import signal
import time

import pytest
import torch
from hostile import attacks

from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint
from hf_sne.weights.pickle_child import apart, check_members, read_pickle
from hf_sne.weights.pickle_file import _environment, _failure


def test_weights_survive_and_the_rest_is_told(tmp_path):
    packed = torch.randn(4, 3)
    state = {
        "layer.10.weight": packed[:2],
        "layer.2.weight": packed[2:],
        "tied.weight": packed[:2],
        "bn.num_batches_tracked": torch.tensor(3),
        "sparse.weight": torch.eye(2).to_sparse(),
        "transposed.weight": torch.randn(3, 4).t(),
    }
    path = tmp_path / "net.pth"
    torch.save({"model": state, "epoch": 3, "optimizer": {"lr": 0.1}}, path)
    with open_checkpoint(path, allow_pickle=True) as checkpoint:
        read = {layer.name: layer.weight.read() for layer in checkpoint.layers}
        assert list(read) == ["layer.2", "layer.10", "transposed"]
        for name, tensor in read.items():
            assert torch.equal(tensor, state[f"{name}.weight"])
        reasons = {skipped.name: skipped.reason for skipped in checkpoint.skipped}
        assert reasons["tied.weight"] == "tied to layer.10.weight"
        assert "sparse" in reasons["sparse.weight"]
        assert reasons["bn.num_batches_tracked"] == "buffer, not a learned weight"
        assert checkpoint.files[0].name == "net.pth"


def test_code_in_a_pickle_is_not_run(tmp_path):
    path, proof = tmp_path / "net.pt", tmp_path / "proof"
    attacks.pickle_that_runs_code(path, proof)
    with pytest.raises(errors.PickleFormatError, match=r"(?i)unsupported global"):
        open_checkpoint(path, allow_pickle=True)
    assert not proof.exists()


def test_memory_is_limited(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a.weight": torch.zeros(2**22)}, path)
    with pytest.raises(errors.PickleMemoryError, match="allowed 1048576 bytes"):
        open_checkpoint(path, allow_pickle=True, limits=Limits(pickle_memory_bytes=2**20))


def test_time_is_limited(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a.weight": torch.zeros(4)}, path)
    begun = time.monotonic()
    with pytest.raises(errors.PickleSecondsError, match="allowed 1"):
        open_checkpoint(path, allow_pickle=True, limits=Limits(pickle_seconds=1))
    assert time.monotonic() - begun < 5


def test_a_rule_broken_in_the_process_is_told_by_its_class(tmp_path):
    path = tmp_path / "net.pt"
    attacks.pickle_of_stride_zero(path, 2**40)
    with pytest.raises(errors.AliasedStorageError, match="found 4398046511104 bytes of 'a', allowed 4 stored"):
        open_checkpoint(path, allow_pickle=True)


def test_nothing_is_read_without_permission(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a.weight": torch.zeros(4)}, path)
    with pytest.raises(errors.PickleRefusedError, match="allow_pickle=True"):
        open_checkpoint(path)


def test_a_pickle_under_the_name_of_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.save({"a.weight": torch.zeros(4)}, path)
    with pytest.raises(errors.NotWeightsError, match="PyTorch zip archive"):
        open_checkpoint(path, allow_pickle=True)


def test_a_bare_pickle_is_refused_with_permission_too(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(attacks.bare_pickle())
    with pytest.raises(errors.PickleFormatError, match="bare pickle"):
        open_checkpoint(path, allow_pickle=True)


def test_compressed_members(tmp_path):
    path = tmp_path / "net.pt"
    attacks.deflated_archive(path, 2**20)
    assert path.stat().st_size < 2**14
    with pytest.raises(errors.PickleMemberError, match="bytes for "):
        check_members(path, "net.pt")


def test_members_that_overlap(tmp_path):
    path = tmp_path / "net.pt"
    attacks.overlapping_archive(path)
    with pytest.raises(errors.PickleMemberError, match="the archive's size"):
        check_members(path, "net.pt")


def test_a_storage_multiplied_by_views(tmp_path):
    path = tmp_path / "net.pt"
    attacks.pickle_of_aliases(path, 1000)
    with pytest.raises(errors.AliasedStorageError, match="4000000 bytes of tensors"):
        read_pickle(path, "net.pt", Limits())


def test_aliases_of_one_tensor_are_read_once(tmp_path):
    path = tmp_path / "net.pt"
    tensor = torch.zeros(1000)
    torch.save({f"t{index}": tensor for index in range(2000)}, path)
    assert len(read_pickle(path, "net.pt", Limits()).tensors) == 1


def test_a_meta_tensor_is_skipped_without_being_made(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a": torch.empty(2**40, device="meta"), "b": torch.ones(2)}, path)
    gathered = read_pickle(path, "net.pt", Limits())
    assert list(gathered.tensors) == ["b"]
    assert "meta" in gathered.skipped[0].reason


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ([torch.zeros(2)], errors.StateDictError),
        (torch.zeros(2), errors.StateDictError),
        ({"a": [1, 2]}, errors.StateDictError),
        ({"a\x1b[2J": torch.zeros(2)}, errors.TensorNameError),
        ({"a" * 2000: torch.zeros(2)}, errors.TensorNameError),
        ({"a": torch.zeros([1] * 17)}, errors.TensorRankError),
    ],
)
def test_contents_that_break_a_rule(tmp_path, content, error):
    path = tmp_path / "net.pt"
    torch.save(content, path)
    with pytest.raises(error, match=r"net\.pt"):
        read_pickle(path, "net.pt", Limits())


def test_views_of_one_storage_are_written_apart():
    packed = torch.randn(4, 3)
    separate = apart({"a": packed[:2], "b": packed[2:], "c": packed.t()})
    assert len({tensor.untyped_storage().data_ptr() for tensor in separate.values()}) == 3
    assert torch.equal(separate["b"], packed[2:])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (-signal.SIGSEGV, errors.PickleCrashError),
        (-signal.SIGXCPU, errors.PickleSecondsError),
        (1, errors.PickleFormatError),
    ],
)
def test_how_the_process_ended_is_told_by_its_class(tmp_path, code, error):
    (tmp_path / "stderr.txt").write_bytes(b"")
    assert type(_failure(code, tmp_path / "stderr.txt", "net.pt", Limits())) is error


def test_the_process_gets_no_secrets(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in str(_environment())
    assert _environment()["PATH"] == os.environ["PATH"]
