"""What a file is, told by its first bytes rather than by its name."""

from pathlib import Path

from hf_sne.weights.errors import FileAccessError, NotWeightsError, TruncatedFileError

SAFETENSORS = "a safetensors file"
TORCH_ZIP = "a PyTorch zip archive of pickles"
PICKLE = "a bare pickle, as torch before 1.6 wrote"

_HEAD = 1024
_SIGNATURES = (
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer: the weights themselves were not downloaded"),
    (b"GGUF", "a GGUF file"),
    (b"GGML", "a GGML file"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
)


def sniff(path: Path, file: str) -> str:
    """``SAFETENSORS``, ``TORCH_ZIP`` or ``PICKLE``, told from the first bytes of the file at ``path``.

    Raises:
        NotWeightsError: it is none of these; the message says what it looks like.
        TruncatedFileError: it is too short to tell.
        FileAccessError: it cannot be read, or is no regular file.
    """
    head = _head(path, file)
    if not head:
        raise NotWeightsError(file, found="an empty file", allowed=SAFETENSORS, fix="download or copy the file again")
    if head[8:9] == b"{":
        return SAFETENSORS
    look = _look(head)
    if look in (TORCH_ZIP, PICKLE):
        return look
    if look is not None:
        raise NotWeightsError(file, found=look, allowed=SAFETENSORS)
    if len(head) <= 8:
        raise TruncatedFileError(file, found=f"{len(head)} bytes", allowed="more than 8")
    raise NotWeightsError(file, found=f"unknown bytes {head[:8]!r}", allowed=SAFETENSORS)


def _head(path: Path, file: str) -> bytes:
    # A pipe or a device could block or never end.
    if path.exists() and not path.is_file():
        raise FileAccessError(file, found="a folder, pipe or device", allowed="a regular file")
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError as error:
        raise FileAccessError(file, found=error, allowed="a file that opens") from None


def _look(head: bytes) -> str | None:
    for signature, look in _SIGNATURES:
        if head.startswith(signature):
            return look
    if head.startswith(b"PK\x03\x04"):
        # torch.save puts the pickle first, in a folder named like the file.
        return TORCH_ZIP if b"data.pkl" in head or b"/version" in head else "a zip archive, not PyTorch's"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return PICKLE
    return _look_of_text_or_structure(head)


def _look_of_text_or_structure(head: bytes) -> str | None:
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    # An ONNX model is a protobuf that starts with its format version and its producer's name.
    if head[:1] == b"\x08" and head[2:3] == b"\x12" and head[4 : 4 + head[3]].isascii():
        return "an ONNX model"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "an HTML page, perhaps an error message saved in the file's place"
    if text.startswith((b"{", b"[")):
        return "a JSON file"
    is_text = text.isascii() and text.translate(None, b"\t\n\r").decode().isprintable()
    return "a text file" if is_text else None
