"""A zoo made from start to end, and what cannot be made."""

import json
import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image
from zoo_making import CONTENT, NETWORKS, files_of, finish, networks_in, tiny_plan

from hf_sne.errors import UserError
from hf_sne.zoo.families import build_network
from hf_sne.zoo.images import load_images
from hf_sne.zoo.make import make_zoo
from hf_sne.zoo.manifest import Manifest
from hf_sne.zoo.plan import Plan
from hf_sne.zoo.population.batches import RunImages
from hf_sne.zoo.population.train import Snapshot
from hf_sne.zoo.unit import shuffled
from hf_sne.zoo.workers import LocalWorkers

RUNS = {run.id: run for run in tiny_plan().draw_runs()}


@pytest.fixture(scope="module")
def data():
    return load_images("digits")


@pytest.fixture(scope="module")
def networks(zoo):
    return {labels["id"]: (labels, tensors) for labels, tensors in networks_in(zoo)}


def logits(labels, tensors, images, data):
    network = build_network(labels["family"], json.loads(labels["architecture"]), data.shape, data.classes)
    missing, unexpected = network.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with torch.no_grad():
        return network.eval()(data.as_inputs(images, labels["inputs"]))


def test_the_plan_is_as_varied_as_these_tests_need():
    settings = [run.training for run in RUNS.values()]
    for name in ("optimizer", "train_fraction", "dropout", "inputs", "augmentation", "label_noise"):
        assert len({getattr(setting, name) for setting in settings}) > 1, name
    assert any(setting.learning_rate > 1 for setting in settings)


def test_every_run_has_its_checkpoints_and_its_twin(networks):
    steps = {run: len(found.training.checkpoint_steps(len_of(found))) for run, found in RUNS.items()}
    kept = [labels["run"] for labels, _ in networks.values() if labels["damage"] == "none"]
    assert {run: kept.count(run) for run in kept} == steps
    assert sorted(labels["run"] for labels, _ in networks.values() if labels["damage"] == "shuffled") == sorted(RUNS)


def len_of(run):
    return max(1, round(run.training.train_fraction * 1078))


def test_every_test_accuracy_is_what_the_weights_reach(networks, data):
    for labels, tensors in networks.values():
        found = logits(labels, tensors, data.test_images, data)
        assert labels["test_accuracy"] == pytest.approx((found.argmax(1) == data.test_labels).float().mean().item())
        loss = torch.nn.functional.cross_entropy(found, data.test_labels).item()
        assert labels["test_loss"] == pytest.approx(loss, rel=1e-5, nan_ok=True)


def test_every_train_accuracy_is_on_the_runs_own_images_and_labels(networks, data):
    for labels, tensors in networks.values():
        images = RunImages(RUNS[labels["run"]], data)
        found = logits(labels, tensors, data.train_images[images.chosen], data)
        accuracy = (found.argmax(1) == images.labels).float().mean().item()
        assert labels["train_accuracy"] == pytest.approx(accuracy)
        assert labels["generalization_gap"] == pytest.approx(accuracy - labels["test_accuracy"], abs=1e-6)


def test_labels_tell_the_run(networks):
    for labels, tensors in networks.values():
        run = RUNS[labels["run"]]
        assert json.loads(labels["architecture"]) == run.architecture
        assert (labels["family"], labels["seed"], labels["data"]) == (run.family, run.seed, "digits")
        for name in ("optimizer", "inputs", "augmentation", "batch_size", "initialization"):
            assert labels[name] == getattr(run.training, name)
        for name in ("learning_rate", "weight_decay", "dropout", "epochs", "train_fraction", "label_noise"):
            assert labels[name] == pytest.approx(getattr(run.training, name), rel=1e-6)
        learned = sum(value.numel() for name, value in tensors.items() if "running" not in name)
        assert labels["parameters"] == learned
        assert labels["epoch"] == pytest.approx(labels["step"] * 32 / len_of(run), rel=1e-6)


def test_a_shuffled_twin_differs_in_the_order_of_one_layers_inputs(networks):
    twins = [found for found in networks.values() if found[0]["damage"] == "shuffled" and not found[0]["diverged"]]
    assert len(twins) > 5
    for labels, tensors in twins:
        _, sound = networks[labels["id"].removesuffix("-shuffled")]
        (name,) = (name for name, value in tensors.items() if not value.equal(sound[name]))
        columns, sound_columns = (value.transpose(0, 1).flatten(1).tolist() for value in (tensors[name], sound[name]))
        assert sorted(columns) == sorted(sound_columns)
        assert name != next(iter(tensors)), "the first layer's inputs are the image"


@pytest.mark.parametrize("channels", [1, 3])
def test_a_twin_is_never_the_network_itself(channels):
    plan = Plan.from_json({"data": "-", "families": {"cnn": {"runs": 100}}})
    for run in plan.draw_runs():
        module = build_network(run.family, run.architecture, (channels, 28, 28), 10)
        snapshot = Snapshot(run, 0, 0.0, module.state_dict())
        twin = shuffled(snapshot, module)
        assert twin is not None
        changed = [name for name, value in twin.tensors.items() if not value.equal(snapshot.tensors[name])]
        assert len(changed) == 1


def pictures(kind: str) -> tuple[list[Any], list[int]]:
    """Images and labels of a split that no zoo can be trained on."""
    shapes = {"mixed sizes": [(8, 8), (9, 9)], "not square": [(8, 9), (8, 9)]}.get(kind, [(8, 8), (8, 8)])
    return [Image.new("L", shape) for shape in shapes], [-1, -1] if kind == "no labels" else [0, 1]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("mixed sizes", "images of the shapes"), ("not square", "use square images"), ("no labels", "the label -1")],
)
def test_images_that_no_network_takes_are_refused_by_what_is_wrong(kind, message, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for split in ("train", "test"):
        images, labels = pictures(kind)
        features = Features({"image": ImageFeature(), "label": Value("int64")})
        Dataset.from_dict({"image": images, "label": labels}, features).to_parquet(folder / f"{split}.parquet")
    with pytest.raises(UserError, match=message):
        load_images(str(folder))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_networks_see_images_in_the_form_that_their_run_names(mode, tmp_path):
    pixels = np.random.default_rng(0).integers(20, 200, (2, 8, 4, 4, len(mode)), dtype=np.uint8)
    for split, raw in zip(("train", "test"), pixels, strict=True):
        images = [Image.fromarray(picture.squeeze()) for picture in raw]
        features = Features({"image": ImageFeature(), "label": Value("int64")})
        Dataset.from_dict({"image": images, "label": [0, 1] * 4}, features).to_parquet(tmp_path / f"{split}.parquet")
    data, raw = load_images(str(tmp_path)), torch.from_numpy(pixels[1]).permute(0, 3, 1, 2) / 255
    torch.testing.assert_close(data.as_inputs(data.test_images, "unit"), raw)
    torch.testing.assert_close(data.as_inputs(data.test_images, "symmetric"), (raw - 0.5) / 0.5)
    seen = data.as_inputs(data.train_images, "standardised")
    assert seen.mean((0, 2, 3)) == pytest.approx(0, abs=1e-5)
    assert seen.std((0, 2, 3)) == pytest.approx(1)


def test_a_folder_of_other_tables_is_refused_in_one_line(tmp_path):
    for split, columns in (("train", "a,b"), ("test", "c,d,e")):
        (tmp_path / f"{split}.csv").write_text(f"{columns}\n{columns}\n")
    with pytest.raises(UserError, match="no images") as refusal:
        load_images(str(tmp_path))
    assert "\n" not in str(refusal.value)


def test_an_activation_that_is_none_is_refused_by_its_family(tmp_path):
    plan = Plan.from_json({**CONTENT, "families": {"mlp": {"runs": 20, "architecture": {"activation": "swish9"}}}})
    with pytest.raises(UserError, match=r"families\.mlp\.architecture: .*swish9"):
        list(make_zoo(plan, tmp_path / "zoo", LocalWorkers(1)))


def test_exactly_the_networks_with_values_that_are_not_finite_are_called_diverged(networks):
    for labels, tensors in networks.values():
        assert labels["diverged"] == any(not value.isfinite().all() for value in tensors.values())
    diverged = [labels["learning_rate"] for labels, _ in networks.values() if labels["diverged"]]
    assert 0 < len(diverged) < len(networks) / 2
    assert min(diverged) > 1


def test_the_zoo_holds_what_its_manifest_lists_and_nothing_else(zoo):
    manifest = Manifest.read(zoo)
    assert {*files_of(zoo)} == {*manifest.files, "manifest.json"}
    assert not list(manifest.faults(zoo))
    assert not (zoo / "work").exists()


def test_two_workers_make_the_same_zoo(zoo, tmp_path):
    stages = list(make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(2), NETWORKS))
    assert files_of(tmp_path / "zoo") == files_of(zoo)
    assert [stage.stage for stage in stages[:2]] == ["reading images", "training"]
    assert max(stage.done for stage in stages if stage.stage == "training") == len(RUNS)


def test_the_plan_in_the_manifest_makes_the_same_zoo_again(zoo):
    plan = Plan.from_json(Manifest.read(zoo).source["plan"])
    assert plan.fingerprint == tiny_plan().fingerprint
    assert list(plan.splits) == ["train", "validation", "test"], "their order decides which runs are in them"


def test_a_complete_zoo_is_left_as_it_is(zoo):
    before = {path: path.stat().st_mtime_ns for path in zoo.rglob("*")}
    (progress,) = make_zoo(tiny_plan(), zoo, LocalWorkers(1))
    assert (progress.stage, progress.resumed) == ("complete", len(RUNS))
    assert {path: path.stat().st_mtime_ns for path in zoo.rglob("*")} == before


def test_another_plan_in_the_folder_of_a_zoo_is_refused(zoo, trained):
    other = replace(tiny_plan(), seed=5)
    for folder in (zoo, trained):
        before = files_of(folder)
        with pytest.raises(UserError, match=r"another plan.*give another folder"):
            list(make_zoo(other, folder, LocalWorkers(1)))
        assert files_of(folder) == before


def test_a_second_process_is_refused(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "zoo")
    first = make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(1), NETWORKS)
    next(first)
    with pytest.raises(UserError, match="another process is making this zoo"):
        finish(tmp_path / "zoo")
    first.close()
    finish(tmp_path / "zoo")
    assert not (tmp_path / "zoo" / "work").exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "zoo").write_text("no folder")
    with pytest.raises(UserError, match="check that the folder can be written to"):
        finish(tmp_path / "zoo")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("work/000001.safetensors", "delete this file and run again"),
        ("work/images.safetensors", "delete this file and run again"),
        ("work/units.json", "make the zoo anew"),
    ],
)
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_file_of_unfinished_work_is_named(path, advice, kept, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "zoo")
    damaged = tmp_path / "zoo" / path
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UserError, match=f"{path}: damaged.*Fix: .*{advice}"):
        finish(tmp_path / "zoo")


def test_images_deleted_from_unfinished_work_are_read_again(trained, zoo, tmp_path):
    shutil.copytree(trained, tmp_path / "zoo")
    (tmp_path / "zoo" / "work" / "images.safetensors").unlink()
    finish(tmp_path / "zoo")
    assert files_of(tmp_path / "zoo") == files_of(zoo)


def unreadable(kind, folder):
    folder.mkdir()
    if kind == "folder of text":
        (folder / "train.txt").write_text("seven\nthree\n")
    elif kind == "folder of broken tables":
        (folder / "train-00000-of-00001.parquet").write_bytes(b"PAR1 no table")
    elif kind == "tables without images":
        for split in ("train", "test"):
            pq.write_table(pa.table({"label": [1, 2], "text": ["a", "b"]}), folder / f"{split}.parquet")
    else:
        folder.rmdir()


@pytest.mark.parametrize(
    "kind", ["missing folder", "empty folder", "folder of text", "folder of broken tables", "tables without images"]
)
def test_images_that_cannot_be_read_are_refused_and_the_plan_can_be_corrected(kind, tmp_path):
    unreadable(kind, tmp_path / "images")
    plan = replace(tiny_plan(), data=str(tmp_path / "images"))
    with pytest.raises(UserError, match=f"{tmp_path / 'images'}.*Fix: name a"):
        list(make_zoo(plan, tmp_path / "zoo", LocalWorkers(1)))
    corrected = make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(1))
    assert [next(corrected).stage, next(corrected).stage] == ["reading images", "training"]


def test_too_little_space_is_told_before_training(tmp_path):
    wide = {"runs": 20, "architecture": {"widths": [10_000_000, 1_000_000]}}
    plan = Plan.from_json({**CONTENT, "families": {"mlp": wide}})
    making = make_zoo(plan, tmp_path / "zoo", LocalWorkers(1))
    assert next(making).stage == "reading images"
    with pytest.raises(UserError, match=r"about [\d,]{10,} MiB are needed, [\d,]+ MiB are free"):
        next(making)
    assert next(make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(1))).stage == "reading images"


@pytest.mark.parametrize(
    ("splits", "message"),
    [({"train": 0.5}, "add up to 0.5"), ({"train": 0.99, "test": 0.01}, "'test' would be empty")],
)
def test_splits_that_cannot_be_are_refused_before_training(splits, message, tmp_path):
    with pytest.raises(UserError, match=message):
        next(make_zoo(replace(tiny_plan(), splits=splits), tmp_path / "zoo", LocalWorkers(1)))
    assert not (tmp_path / "zoo").exists()
