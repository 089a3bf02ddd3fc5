import json

import pytest
import torch
from hub_server import HubRepo
from hub_server.clients import aim_clients
from safetensors.torch import save

from hf_sne.limits import Limits
from hf_sne.weights import errors, open_checkpoint
from hf_sne.weights import hub as hub_module

WHOLE = save({"fc.weight": torch.ones(2, 3), "fc.bias": torch.ones(2)})
SHARD = "parts/model-00001-of-00001.safetensors"
INDEX = json.dumps({"weight_map": {"fc.weight": SHARD, "fc.bias": SHARD}}).encode()


@pytest.fixture
def hub(aimed_hub):
    """A Hub with a few repositories, and a client with an empty cache and no token."""
    repos = {
        "owner/whole": HubRepo({"config.json": b"{", "model.safetensors": WHOLE, "extra/other.safetensors": b"no"}),
        "owner/sharded": HubRepo({"model.safetensors.index.json": INDEX, SHARD: WHOLE, "README.md": b"no"}),
        "owner/broken": HubRepo({"model.safetensors.index.json": INDEX}),
        "owner/gated": HubRepo({"model.safetensors": WHOLE}, refusal=(403, "GatedRepo")),
        "owner/failing": HubRepo({"model.safetensors": WHOLE}, refusal=(500, "")),
    }
    aimed_hub.repos.update(repos)
    return aimed_hub


def downloaded(hub):
    files = (request.partition("/resolve/")[2] for request in hub.requests if request.startswith("GET "))
    return {file.partition("/")[2] for file in files if file}


def test_a_repository_is_read_at_its_commit(hub):
    with open_checkpoint("owner/whole") as checkpoint:
        assert checkpoint.source == "owner/whole"
        assert checkpoint.commit == hub.repos["owner/whole"].commit
        assert [(layer.name, layer.role) for layer in checkpoint.layers] == [("fc", "linear")]
        assert checkpoint.layers[0].weight.read().shape == (2, 3)
        assert [(file.name, file.size) for file in checkpoint.files] == [("model.safetensors", len(WHOLE))]


def test_only_the_weights_are_downloaded(hub):
    open_checkpoint("owner/whole").close()
    assert downloaded(hub) == {"model.safetensors"}


def test_the_shards_of_a_repository(hub):
    with open_checkpoint("owner/sharded", revision=hub.repos["owner/sharded"].commit) as checkpoint:
        assert [file.name for file in checkpoint.files] == ["model.safetensors.index.json", SHARD]
        assert checkpoint.read_elements == 8
    assert downloaded(hub) == {"model.safetensors.index.json", SHARD}


@pytest.mark.parametrize(
    ("repo", "revision", "error"),
    [
        ("owner/missing", None, errors.RepoNotFoundError),
        ("owner/gated", None, errors.RepoGatedError),
        ("owner/failing", None, errors.HubRefusalError),
        ("owner/whole", "v2", errors.RevisionMissingError),
        ("owner/broken", None, errors.ShardMissingError),
        ("owner/--..--", None, errors.SourceNotFoundError),
    ],
)
def test_what_the_hub_refuses_is_told_by_its_class(hub, repo, revision, error):
    with pytest.raises(error, match=repo):
        open_checkpoint(repo, revision=revision)


def test_a_download_above_the_limit_is_not_begun(hub):
    with pytest.raises(errors.TotalBytesError, match="to download"):
        open_checkpoint("owner/whole", limits=Limits(total_bytes=10))
    assert downloaded(hub) == set()


@pytest.mark.parametrize("repo", ["owner/whole", "owner/sharded"])
def test_the_cache_serves_when_the_hub_is_away(hub, repo, monkeypatch, tmp_path):
    open_checkpoint(repo).close()
    aim_clients(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with open_checkpoint(repo) as checkpoint:
        assert checkpoint.commit == hub.repos[repo].commit
        assert checkpoint.read_elements == 8


def test_no_hub_and_no_cache(hub, monkeypatch, tmp_path):
    aim_clients(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(errors.HubOfflineError, match="HF_HUB_OFFLINE"):
        open_checkpoint("owner/whole")


def test_a_folder_comes_before_a_repository(hub, tmp_path, monkeypatch):
    (tmp_path / "owner" / "whole").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.NoWeightFileError):
        open_checkpoint("owner/whole")
    assert hub.requests == []


@pytest.fixture
def many(hub):
    """A repository of several checkpoints, one of them sharded and in a folder."""
    other = save({"fc.weight": torch.zeros(4, 3)})
    files = {"a.safetensors": WHOLE, "b.safetensors": other, "late/model.safetensors.index.json": INDEX}
    hub.repos["owner/many"] = HubRepo(files | {f"late/{SHARD}": WHOLE})
    return hub


@pytest.mark.parametrize("most", [None, 1000])
@pytest.mark.parametrize(
    ("file", "numbers"), [("a.safetensors", 8), ("b.safetensors", 12), ("late/model.safetensors.index.json", 8)]
)
def test_a_file_of_a_repository_is_named_as_the_hubs_clients_name_it(many, most, file, numbers):
    with open_checkpoint(f"hf://owner/many/{file}", max_parameters=most) as checkpoint:
        assert checkpoint.source == f"hf://owner/many/{file}"
        assert checkpoint.commit == many.repos["owner/many"].commit
        assert checkpoint.read_elements == numbers
        assert all(layer.weight.read().numel() for layer in checkpoint.layers)
    with open_checkpoint("hf://owner/whole") as checkpoint:
        assert checkpoint.read_elements == 8


@pytest.mark.parametrize("most", [None, 1000])
def test_a_repository_of_several_checkpoints_says_how_to_name_one(many, most):
    with pytest.raises(errors.AmbiguousWeightsError, match=r"a\.safetensors, b\.safetensors") as refused:
        open_checkpoint("owner/many", max_parameters=most)
    assert refused.value.fix == "name one of them, as hf://owner/many/FILE"
    with pytest.raises(errors.FileAccessError, match=r"owner/many/c\.safetensors.*no such file.*a\.safetensors, b\."):
        open_checkpoint("hf://owner/many/c.safetensors", max_parameters=most)
    with pytest.raises(errors.NotWeightsError, match=r"README\.md"):
        open_checkpoint("hf://owner/many/README.md", max_parameters=most)


def test_a_named_file_is_read_whatever_its_folder_is_called_and_a_pickle_on_request_alone(many):
    many.repos["owner/odd"] = HubRepo(
        {"optimizer-adam/model.safetensors": WHOLE, "old.pt": b"", "b.safetensors": WHOLE}
    )
    with open_checkpoint("hf://owner/odd/optimizer-adam/model.safetensors") as checkpoint:
        assert checkpoint.read_elements == 8
    with pytest.raises(errors.PickleRefusedError):
        open_checkpoint("hf://owner/odd/old.pt")


def test_a_named_file_is_found_in_the_cache_too(many, monkeypatch, tmp_path):
    open_checkpoint("hf://owner/many/late/model.safetensors.index.json").close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with open_checkpoint("hf://owner/many/late/model.safetensors.index.json") as checkpoint:
        assert checkpoint.read_elements == 8


def test_a_cache_of_one_named_file_does_not_pass_for_the_repository(many, monkeypatch):
    many.repos["owner/two"] = HubRepo(
        {"model.safetensors": WHOLE, "b.safetensors": save({"fc.weight": torch.ones(9, 9)})}
    )
    open_checkpoint("hf://owner/two/b.safetensors").close()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(errors.HubOfflineError, match=r"b\.safetensors in the cache.*hf://owner/two/FILE"):
        open_checkpoint("owner/two")


def test_the_commit_is_that_of_the_bytes_where_the_branch_moves_meanwhile(many, monkeypatch):
    """The listing is of one commit, and what is downloaded of the next."""
    list_files = hub_module.list_files

    def then_moved(*arguments):
        answer = list_files(*arguments)
        many.repos["owner/whole"] = HubRepo({"model.safetensors": save({"fc.weight": torch.ones(5, 5)})})
        return answer

    monkeypatch.setattr(hub_module, "list_files", then_moved)
    with open_checkpoint("owner/whole") as checkpoint:
        assert checkpoint.commit == many.repos["owner/whole"].commit
        assert checkpoint.read_elements == 25
