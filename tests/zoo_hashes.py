"""What a zoo streams, in a form that two processes can compare."""

from hashlib import sha256

from hf_sne.zoo import ZooStream
from hf_sne.zoo.stream import splits_of


def hashes_of(source: str, revision: str | None = None) -> dict[str, dict[str, str]]:
    """Split -> id -> SHA-256 of the weights of every network."""
    return {
        split: {
            labels["id"]: sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors.values())).hexdigest()
            for batch in ZooStream(source, split=split, batch_size=7, revision=revision)
            for labels, tensors in batch.networks()
        }
        for split in splits_of(source, revision=revision)
    }
