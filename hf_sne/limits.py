"""The bounds within which an untrusted checkpoint is read."""

from dataclasses import dataclass, fields

from hf_sne.errors import UserError

_MIB, _GIB, _TIB = 2**20, 2**30, 2**40


@dataclass(frozen=True)
class Limits:
    """Every bound on reading a checkpoint; generous for the largest published models, tight for an attack.

    Bytes, counts and seconds are of one checkpoint unless a field says otherwise.
    """

    header_bytes: int = 32 * _MIB  # JSON of one safetensors file
    index_bytes: int = 32 * _MIB  # model.safetensors.index.json
    shards: int = 1_000
    tensors: int = 200_000
    rank: int = 16
    name_length: int = 1_024  # characters
    tensor_bytes: int = 64 * _GIB  # one tensor
    total_bytes: int = 2 * _TIB  # all tensors
    pickle_seconds: int = 300  # of the child process that reads one pickle file
    pickle_memory_bytes: int = 16 * _GIB  # of that process, on top of the interpreter with torch
    pickle_expansion: int = 4  # bytes of tensors for each byte of the pickle file, as views may share storage

    def __post_init__(self) -> None:
        """Refuses a bound that would refuse everything.

        Raises:
            UserError: a bound is zero or negative.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value <= 0:
                raise UserError(f"Limits: {field.name} is {value}, allowed 1 or more", fix=f"raise {field.name}")
