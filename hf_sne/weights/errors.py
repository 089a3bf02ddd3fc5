"""The rules of reading an untrusted checkpoint: one class a broken rule, all under ``CheckpointError``."""

from hf_sne.errors import CheckpointError


class SourceNotFoundError(CheckpointError):
    """The source is neither an existing path nor the id of a Hub repository."""

    rule = "a source must be an existing path or a Hub repository id"
    advice = "check the spelling; a Hub repository is named owner/name, a file in it hf://owner/name/file"


class NotWeightsError(CheckpointError):
    """The file is something else than weights, whatever its name says."""

    rule = "the file must hold weights in a format that can be read"
    advice = "name the file that holds the weights, or convert it to safetensors"


class FileAccessError(CheckpointError):
    """The system does not let the file be read."""

    rule = "the file must be a regular file that can be read"
    advice = "check its permissions"


class NoWeightFileError(CheckpointError):
    """A folder or repository holds no file of weights."""

    rule = "a folder or repository must hold weights at its top level"
    advice = "name the file of weights itself"


class AmbiguousWeightsError(CheckpointError):
    """A folder or repository holds several files that could be meant."""

    rule = "a folder or repository must hold one choice of weights"
    advice = "name one of the files itself"


class FormatError(CheckpointError):
    """Base of the refusals of a malformed safetensors file."""

    advice = "export the file again with safetensors"


class HeaderLengthError(CheckpointError):
    """The header's stated length is outside what the file or the limits allow."""

    rule = "the length of the safetensors header must be within the file and the limit"
    advice = "download or export the file again, or raise Limits.header_bytes for a file you trust"


class HeaderSyntaxError(FormatError):
    """The header is not the JSON object that the safetensors format describes."""

    rule = "the safetensors header must be a valid JSON object of tensors"


class DuplicateNameError(CheckpointError):
    """A name stands twice in the same JSON object."""

    rule = "a name must stand once"
    advice = "export the file again with safetensors; it never writes a name twice"


class TensorNameError(CheckpointError):
    """A tensor's name is empty, too long or does not print."""

    rule = "a tensor's name must be printable and of limited length"
    advice = "rename the tensor and export the file again"


class TensorDtypeError(CheckpointError):
    """A data type that the safetensors format does not have."""

    rule = "a tensor's dtype must be one of the safetensors format"
    advice = "convert the tensor to float32 and export the file again"


class TensorShapeError(FormatError):
    """A shape that is not a list of whole numbers, or that does not fit its bytes."""

    rule = "a tensor's shape must be whole numbers that fit its bytes"


class TensorRankError(CheckpointError):
    """More dimensions than a weight has."""

    rule = "a tensor's rank must be within the limit"
    advice = "reshape the tensor, or raise Limits.rank for a file you trust"


class TensorCountError(CheckpointError):
    """More tensors than the limit."""

    rule = "the number of tensors must be within the limit"
    advice = "raise Limits.tensors for a checkpoint you trust"


class TensorBytesError(CheckpointError):
    """One tensor is larger than the limit."""

    rule = "a tensor's bytes must be within the limit"
    advice = "raise Limits.tensor_bytes for a checkpoint you trust"


class TotalBytesError(CheckpointError):
    """All tensors together are larger than the limit."""

    rule = "the bytes of all tensors together must be within the limit"
    advice = "raise Limits.total_bytes for a checkpoint you trust"


class OffsetsError(FormatError):
    """Data offsets that are reversed, negative or not whole numbers."""

    rule = "a tensor's data offsets must be two whole numbers in order"


class OverlapError(FormatError):
    """Two tensors claim the same bytes."""

    rule = "tensors must not share bytes of the file"


class HoleError(FormatError):
    """Bytes between two tensors belong to none."""

    rule = "every byte of the data must belong to a tensor"


class TrailingBytesError(FormatError):
    """Bytes after the last tensor."""

    rule = "the file must end with its last tensor"


class TruncatedFileError(CheckpointError):
    """The file ends before its last tensor, or before its header."""

    rule = "the file must be complete"
    advice = "download or copy the file again"


class LoaderRefusalError(FormatError):
    """The safetensors library refuses a file that passed the checks here."""

    rule = "the safetensors library must accept the file"


class ClosedFileError(CheckpointError):
    """A tensor is read after its checkpoint was closed."""

    rule = "tensors are read while their checkpoint is open"
    advice = "read the tensors before the checkpoint is closed"


class IndexSyntaxError(CheckpointError):
    """The index of a sharded checkpoint is not the JSON that it should be."""

    rule = "an index must be a JSON object with a weight_map of tensor names to shard files"
    advice = "save the sharded checkpoint again"


class IndexLengthError(CheckpointError):
    """The index of a sharded checkpoint is larger than the limit."""

    rule = "the bytes of an index must be within the limit"
    advice = "raise Limits.index_bytes for a checkpoint you trust"


class ShardCountError(CheckpointError):
    """More shards than the limit."""

    rule = "the number of shards must be within the limit"
    advice = "raise Limits.shards for a checkpoint you trust"


class ShardPathError(CheckpointError):
    """A shard lies outside the checkpoint's own folder."""

    rule = "a shard must lie inside the checkpoint's own folder, links resolved"
    advice = "do not load this checkpoint: its index or its links point at other files"


class ShardExtensionError(CheckpointError):
    """A shard of another format than its index says."""

    rule = "a shard must have the extension that its index has"
    advice = "save the sharded checkpoint again in one format"


class ShardMissingError(CheckpointError):
    """A shard that the index names is not there."""

    rule = "every shard of the index must be present"
    advice = "download the missing shard"


class ShardNamesError(CheckpointError):
    """The shards' tensors are not those of the index."""

    rule = "each tensor must be in exactly one shard, the one the index says"
    advice = "save the sharded checkpoint again"


class StateDictError(CheckpointError):
    """An object without named tensors where the weights should be."""

    rule = "weights must be a dictionary of named tensors"
    advice = "save or pass the module's state_dict()"


class PickleRefusedError(CheckpointError):
    """A pickle file, which can run code, without the permission to read it."""

    rule = "pickle files are read on request only"
    advice = (
        "convert it to safetensors, or read it in a limited process: --allow-pickle "
        "(in Python: pipe(source, allow_pickle=True))"
    )


class PickleFormatError(CheckpointError):
    """A pickle file that torch.load(weights_only=True) does not read."""

    rule = "a pickle file must be one that torch.load(weights_only=True) reads"
    advice = "load it where you trust it and save its state_dict as safetensors"


class PickleMemberError(CheckpointError):
    """A member of the zip archive is compressed or overlaps others."""

    rule = "every member of the zip archive must be stored, uncompressed and apart from the others"
    advice = "do not load this file: torch.save never compresses"


class AliasedStorageError(CheckpointError):
    """A tensor has more elements than the storage behind it, or views multiply a storage."""

    rule = "a tensor must not claim more bytes than are stored for it"
    advice = "save contiguous copies of the tensors"


class PickleSecondsError(CheckpointError):
    """Reading the pickle file took too long; its process was ended."""

    rule = "a pickle file must be read within the time limit"
    advice = "convert it to safetensors, or raise Limits.pickle_seconds for a file you trust"


class PickleMemoryError(CheckpointError):
    """Reading the pickle file took too much memory; its process was ended."""

    rule = "a pickle file must be read within the memory limit"
    advice = "convert it to safetensors, or raise Limits.pickle_memory_bytes for a file you trust"


class PickleCrashError(CheckpointError):
    """The process that read the pickle file was killed."""

    rule = "the process that reads a pickle file must end by itself"
    advice = "do not load this file; convert it where you trust it"


class PickleSandboxError(CheckpointError):
    """This platform cannot limit the process that reads a pickle file."""

    rule = "the process that reads a pickle file must be limited in memory and time"
    advice = "convert the file to safetensors, or read it on Linux"


class RepoNotFoundError(CheckpointError):
    """The Hub knows no such repository, or hides it."""

    rule = "the repository must exist on the Hub"
    advice = "check the spelling; for a private repository run `hf auth login` (in Python: or pass token=)"


class RepoGatedError(CheckpointError):
    """The repository asks for an agreement first."""

    rule = "a gated repository must have been opened to you"
    advice = "accept its terms on its Hub page, then run `hf auth login` (in Python: or pass token=)"


class RevisionMissingError(CheckpointError):
    """The repository has no such branch, tag or commit."""

    rule = "the revision must exist in the repository"
    advice = "name a branch, a tag or a commit of the repository"


class HubOfflineError(CheckpointError):
    """The Hub cannot be reached and the cache does not hold the checkpoint."""

    rule = "the Hub must be reachable, or the checkpoint in the cache"
    advice = "check the connection and HF_HUB_OFFLINE, or name a local file"


class HubRefusalError(CheckpointError):
    """The Hub answered with another error."""

    rule = "the Hub must hand out the file"
    advice = "try again later, or download the file and name it"


class SampleSizeError(CheckpointError):
    """The budget of elements to read is below what the smallest sample takes."""

    rule = "the budget of parameters must allow one unit of each layer"
    advice = "raise --max-parameters (max_parameters=)"
