"""Every rule of a safetensors file: its attack is refused by the class of that rule, before anything is allocated."""

import os
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hostile import attacks
from hostile.attacks import entry, safetensors_bytes, valid_header

from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint

TWO = {"a": entry([2, 3], 0, 24), "b": entry([1], 24, 28)}


def altered(**changes):
    return safetensors_bytes(*valid_header(**changes))


def two(**changes):
    return safetensors_bytes({name: TWO[name] | changes.get(name, {}) for name in TWO}, bytes(28))


ATTACKS = {
    "header longer than the file": (safetensors_bytes({}, length=1000), errors.TruncatedFileError),
    "header longer than the limit": (safetensors_bytes({}, length=2**40), errors.HeaderLengthError),
    "largest header length": (safetensors_bytes({}, length=2**64 - 1), errors.HeaderLengthError),
    "no room for the header length": (b"\1\0\0", errors.TruncatedFileError),
    "header cut off": (struct.pack("<Q", 30) + b'{"a"', errors.TruncatedFileError),
    "not JSON": (safetensors_bytes("{nonsense}"), errors.HeaderSyntaxError),
    "two JSON values": (safetensors_bytes("{} {}"), errors.HeaderSyntaxError),
    "not UTF-8": (safetensors_bytes(b'{"\xff": 1}'), errors.HeaderSyntaxError),
    "millions of lists": (safetensors_bytes('{"a": [' + "[]," * 5_000_000 + "[]]}"), errors.HeaderSyntaxError),
    "a constant that JSON lacks": (safetensors_bytes('{"a": NaN}'), errors.HeaderSyntaxError),
    "a number of many digits": (safetensors_bytes('{"a": ' + "9" * 10_000 + "}"), errors.HeaderSyntaxError),
    "JSON of great depth": (attacks.deep_json(300_000), errors.HeaderSyntaxError),
    "an entry that is no object": (safetensors_bytes({"a": 3}), errors.HeaderSyntaxError),
    "an entry without a shape": (safetensors_bytes({"a": {"dtype": "F32"}}), errors.HeaderSyntaxError),
    "an entry with another field": (altered(extra=1), errors.HeaderSyntaxError),
    "metadata that is no text": (safetensors_bytes({"__metadata__": {"a": 1}}), errors.HeaderSyntaxError),
    "a surrogate in the metadata": (safetensors_bytes('{"__metadata__": {"a": "\\ud800"}}'), errors.LoaderRefusalError),
    "a name twice": (attacks.duplicate_names(), errors.DuplicateNameError),
    "a field twice": (
        safetensors_bytes('{"a": {"dtype": "F32", "dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}'),
        errors.DuplicateNameError,
    ),
    "an empty name": (safetensors_bytes({"": entry([0], 0, 0)}), errors.TensorNameError),
    "a terminal escape in a name": (safetensors_bytes({"a\x1b[2J": entry([0], 0, 0)}), errors.TensorNameError),
    "a newline in a name": (safetensors_bytes({"a\nb": entry([0], 0, 0)}), errors.TensorNameError),
    "a bidi mark in a name": (safetensors_bytes({"a\u202eb": entry([0], 0, 0)}), errors.TensorNameError),
    "a name of a megabyte": (safetensors_bytes({"a" * 2**20: entry([0], 0, 0)}), errors.TensorNameError),
    "an unknown dtype": (altered(dtype="F128"), errors.TensorDtypeError),
    "a dtype that is no text": (altered(dtype=[["F32"]]), errors.TensorDtypeError),
    "a shape that does not fit": (altered(shape=[2, 4]), errors.TensorShapeError),
    "a shape that overflows": (altered(shape=[2**62, 2**62]), errors.TensorShapeError),
    "a negative size": (altered(shape=[-2, -3]), errors.TensorShapeError),
    "a size of 2^63": (altered(shape=[2**63, 0]), errors.TensorShapeError),
    "a size that is a fraction": (altered(shape=[2.0, 3]), errors.TensorShapeError),
    "a size that is a boolean": (altered(shape=[True, 6]), errors.TensorShapeError),
    "a size that is text": (altered(shape=["6"]), errors.TensorShapeError),
    "a shape that is a number": (altered(shape=6), errors.TensorShapeError),
    "a rank of 17": (altered(shape=[1] * 15 + [2, 3]), errors.TensorRankError),
    "a rank of 100,000": (altered(shape=[1] * 100_000), errors.TensorRankError),
    "reversed offsets": (altered(data_offsets=[24, 0]), errors.OffsetsError),
    "negative offsets": (altered(data_offsets=[-24, 0]), errors.OffsetsError),
    "one offset": (altered(data_offsets=[24]), errors.OffsetsError),
    "offsets that are text": (altered(data_offsets=["0", "24"]), errors.OffsetsError),
    "overlap": (two(b={"data_offsets": [20, 24]}), errors.OverlapError),
    "the same bytes twice": (two(b=TWO["a"]), errors.OverlapError),
    "a hole at the start": (altered(data_offsets=[4, 28]), errors.HoleError),
    "a hole": (two(b={"data_offsets": [26, 30]}), errors.HoleError),
    "trailing bytes": (safetensors_bytes(valid_header()[0], bytes(25)), errors.TrailingBytesError),
    "data without tensors": (safetensors_bytes({}, bytes(1)), errors.TrailingBytesError),
    "data cut off": (safetensors_bytes(valid_header()[0], bytes(23)), errors.TruncatedFileError),
    "a tensor above the limit": (
        altered(shape=[2**40], data_offsets=[0, 2**42]),
        errors.TensorBytesError,
    ),
    "a million tensors": (attacks.many_empty_tensors(1_000_000), errors.HeaderLengthError),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_rule_is_enforced(tmp_path, attack):
    content, error = ATTACKS[attack]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {error.rule}: found ")
    assert message.isprintable()
    assert "allowed " in message
    assert caught.value.fix in message
    assert len(message) < 2000


def test_all_tensors_together_are_limited(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(two())
    with pytest.raises(errors.TotalBytesError, match="found 28 or more, allowed 27"):
        open_checkpoint(path, limits=Limits(total_bytes=27))


def test_the_number_of_tensors_is_limited(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(attacks.many_empty_tensors(101))
    with pytest.raises(errors.TensorCountError, match="found 101 or more, allowed 100"):
        open_checkpoint(path, limits=Limits(tensors=100))


def test_nothing_is_allocated_from_the_counts(tmp_path):
    # Sixteen terabytes of shape over no data, and a header that claims 30 MB in a file of a few bytes.
    claims = [
        safetensors_bytes({"a": entry([2**42], 0, 2**44)}),
        safetensors_bytes({}, length=30 * 2**20),
        safetensors_bytes({"a": entry([0, 2**62], 0, 0)}),
    ]
    path = tmp_path / "model.safetensors"
    for claim in claims:
        path.write_bytes(claim)
        tracemalloc.start()
        with suppress(errors.CheckpointError):
            open_checkpoint(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2**20


def test_a_size_of_two_to_the_62_by_zero_holds_no_elements(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors_bytes({"a.weight": entry([0, 2**62], 0, 0)}))
    checkpoint = open_checkpoint(path)
    assert (checkpoint.layers, checkpoint.skipped[0].reason) == ((), "no elements")


@pytest.mark.parametrize("look", attacks.NOT_WEIGHTS)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_what_is_not_weights_is_called_by_its_name(tmp_path, look, name):
    path = tmp_path / name
    path.write_bytes(attacks.NOT_WEIGHTS[look])
    with pytest.raises(errors.NotWeightsError, match=look):
        open_checkpoint(path, allow_pickle=True)


def test_unknown_bytes_are_not_weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(range(200, 256)))
    with pytest.raises(errors.NotWeightsError, match="unknown bytes"):
        open_checkpoint(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(errors.FileAccessError, match="regular file"):
        open_checkpoint(tmp_path / "model.safetensors")
