"""Plans: what is drawn from them, and what is refused by the name of its field."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hf_sne.zoo.plan import Plan, PlanError
from hf_sne.zoo.training_settings import TrainingSettings

CONTENT = {
    "data": "digits",
    "seed": 1,
    "families": {
        "cnn": {"runs": 6, "runs_per_architecture": 3},
        "vit": {"runs": 4, "training": {"optimizer": "adamw"}, "architecture": {"depth": 2}},
    },
    "training": {"learning_rate": {"log_uniform": [0.001, 0.1]}, "checkpoints": [{"uniform": [0, 1]}, 1.0]},
}


def plan_of(**changes):
    return Plan.from_json({**CONTENT, **changes})


def mlps(runs, **part):
    return plan_of(families={"mlp": {"runs": runs, **part}}).draw_runs()


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes" / "zoos").glob("*.yaml")), ids=str)
def test_the_recipes_are_plans(path):
    assert Plan.from_yaml(path).families


def test_every_run_is_drawn_from_the_seed():
    runs = plan_of().draw_runs()
    assert runs == plan_of().draw_runs()
    assert [run.id for run in runs[:2]] == ["cnn-1-00000", "cnn-1-00001"]
    assert len({run.id for run in runs}) == len({run.seed for run in runs}) == 10
    assert len({run.training.learning_rate for run in runs}) == 10
    others = plan_of(seed=2).draw_runs()
    assert not {run.training.learning_rate for run in runs} & {run.training.learning_rate for run in others}
    assert not {run.id for run in runs} & {run.id for run in others}


def test_a_longer_plan_begins_with_the_shorter_one():
    assert mlps(9)[:5] == mlps(5)


def test_a_family_does_not_depend_on_the_others():
    alone = plan_of(families={"vit": CONTENT["families"]["vit"]}).draw_runs()
    assert plan_of().draw_runs()[6:] == alone


def test_runs_share_architectures_as_asked():
    runs = mlps(12, runs_per_architecture=4)
    drawn = [str(run.architecture) for run in runs]
    assert [len(set(drawn[start : start + 4])) for start in (0, 4, 8)] == [1, 1, 1]
    assert len(set(drawn)) > 1
    assert len({run.training.learning_rate for run in runs}) == 12


def test_a_familys_own_space_replaces_the_plans():
    runs = plan_of().draw_runs()
    assert {run.training.optimizer for run in runs if run.family == "vit"} == {"adamw"}
    assert {run.architecture["depth"] for run in runs if run.family == "vit"} == {2}
    assert {run.training.optimizer for run in runs if run.family == "cnn"} == {"adam"}


def test_every_point_of_the_grids_has_its_runs():
    widths = {"grid": [[8], [16], [8, 8]]}
    runs = mlps(2, architecture={"widths": widths}, training={"batch_size": {"grid": [8, 16]}})
    points = [(tuple(run.architecture["widths"]), run.training.batch_size) for run in runs]
    assert len(points) == 12
    assert all(points.count(point) == 2 for point in points)
    assert len(set(points)) == 6


def test_the_runs_of_one_plan_on_two_data_sets_are_twins():
    assert replace(plan_of(), data="ylecun/mnist").draw_runs() == plan_of().draw_runs()


def test_the_fingerprint_changes_with_the_runs_and_the_images():
    same = plan_of().fingerprint
    assert plan_of(seed=2).fingerprint != same
    assert plan_of(data="ylecun/mnist").fingerprint != same
    assert plan_of(training={}).fingerprint != same
    assert plan_of(families={"cnn": {"runs": 6, "runs_per_architecture": 3}}).fingerprint != same
    assert plan_of(splits={"train": 0.5, "test": 0.5}).fingerprint != same
    assert plan_of(splits={"test": 0.5, "train": 0.5}).fingerprint != plan_of(splits={"train": 0.5, "test": 0.5})


def test_the_fingerprint_does_not_tell_where_a_folder_lies():
    assert plan_of(data="/data/images/mnist").fingerprint == plan_of(data="elsewhere/mnist").fingerprint


def test_a_plan_does_not_tell_where_its_images_lie(tmp_path):
    (tmp_path / "images").mkdir()
    assert plan_of(data=str(tmp_path / "images")).as_json()["data"] == "images"
    assert plan_of(data="ylecun/mnist").as_json()["data"] == "ylecun/mnist"


def test_a_plan_written_as_json_or_yaml_is_the_same_plan(tmp_path):
    plan = plan_of()
    assert Plan.from_json(json.loads(json.dumps(plan.as_json()))).fingerprint == plan.fingerprint
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan.as_json(), sort_keys=False))
    assert Plan.from_yaml(tmp_path / "plan.yaml") == plan


def settings(**changes):
    return TrainingSettings(**{"batch_size": 32, "epochs": 2.5, **changes})


def test_checkpoints_are_at_fractions_of_the_steps():
    assert settings(checkpoints=(1.0, 0.0, 0.2, 0.201)).checkpoint_steps(320) == [0, 5, 25]
    assert settings(epochs=0.001, checkpoints=(1.0,)).checkpoint_steps(320) == [1], "a run has a step at least"


def test_a_checkpoint_every_epoch_ends_with_the_last_step():
    assert settings(checkpoints="every_epoch").checkpoint_steps(320) == [10, 20, 25]
    assert settings(checkpoints="every_epoch", epochs=3).checkpoint_steps(320) == [10, 20, 30]
    assert settings(checkpoints="every_epoch", epochs=0.5).checkpoint_steps(320) == [5]
    assert settings(checkpoints="every_epoch", epochs=4).checkpoint_steps(20) == [1, 2], "an epoch of 0.6 steps"


BROKEN = {
    "a list": ("- data: digits", "not a mapping"),
    "nothing": ("", "is empty"),
    "no YAML": ("data: [digits", r"expected ',' or '\]'"),
    "an unknown field": ("data: digits\nfamilies: {mlp: {runs: 1}}\ndate: 1", "'date' is no field"),
    "missing fields": ("seed: 1", "'data' is missing; 'families' is missing"),
    "families that are a list": ("data: digits\nfamilies: [mlp]", "'families' is .*not a mapping"),
    "no families": ("data: digits\nfamilies: {}", "'families'"),
    "an unknown family": ("data: digits\nfamilies: {rnn: {runs: 1}}", "'rnn'.*cnn, cnn_l"),
    "a family that is a number": ("data: digits\nfamilies: {mlp: 3}", "families.mlp is int 3, not a mapping"),
    "a family's unknown field": ("data: digits\nfamilies: {mlp: {runs: 1, run: 2}}", "families.mlp: 'run' is no field"),
    "a family without runs": ("data: digits\nfamilies: {mlp: {}}", "families.mlp: 'runs' is missing"),
    "a family of no runs": ("data: digits\nfamilies: {mlp: {runs: 0}}", "families.mlp.runs is 0"),
    "runs that are a text": (
        "data: digits\nfamilies: {mlp: {runs: ten}}",
        "families.mlp: 'runs' is 'ten', not a whole",
    ),
    "training that is nothing": ("data: digits\nfamilies: {mlp: {runs: 1, training: }}", "'training' is None, not a"),
    "data that is a number": ("data: 5\nfamilies: {mlp: {runs: 1}}", "'data' is 5, not a text"),
    "a seed that is a text": ("data: digits\nseed: one\nfamilies: {mlp: {runs: 1}}", "'seed' is 'one'"),
    "a split that is a text": ("data: d\nsplits: {train: all}\nfamilies: {mlp: {runs: 1}}", "splits: 'train' is 'all'"),
    "splits of more than all": (
        "data: d\nsplits: {train: 0.7, test: 0.5}\nfamilies: {mlp: {runs: 1}}",
        "the fractions add up to 1.2",
    ),
    "a distribution that is none": (
        "data: d\nfamilies: {mlp: {runs: 1, training: {learning_rate: {loguniform: [1, 2]}}}}",
        "a mapping with one of choice, uniform, log_uniform",
    ),
    "a list of choices": (
        "data: d\nfamilies: {mlp: {runs: 1, training: {epochs: [1, 2]}}}",
        "a mapping with one of choice",
    ),
    "a family's architecture": (
        "data: d\nfamilies: {mlp: {runs: 1, architecture: {depth: 3}}}",
        "families.mlp.architecture has no field depth",
    ),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plan_is_refused_by_file_and_field(content, message, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(content)
    with pytest.raises(PlanError, match=rf"(?s)plan\.yaml.*{message}"):
        Plan.from_yaml(path)


@pytest.mark.parametrize("name", ["nowhere.yaml", "folder", "binary"])
def test_a_plan_that_cannot_be_read_is_refused(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match=name):
        Plan.from_yaml(tmp_path / name)


WRONG_SETTINGS = {
    "initialization": "xavier",
    "init_scale": 0,
    "optimizer": "lion",
    "learning_rate": -0.1,
    "weight_decay": -1,
    "dropout": 1.0,
    "batch_size": 2.5,
    "epochs": float("inf"),
    "train_fraction": 1.1,
    "augmentation": "mixup",
    "label_noise": 2,
    "checkpoints": [0.5, 2],
    "shuffled_twin": "yes",
    "learning_rat": 0.1,
}


@pytest.mark.parametrize(("field", "value"), WRONG_SETTINGS.items(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_is_refused_by_name(field, value):
    with pytest.raises(PlanError, match=rf"training.*{field}"):
        plan_of(training={field: value})


def test_every_wrong_setting_is_named_at_once_and_every_wrong_type():
    wrong = {"learning_rate": "1e-3", "epochs": None, "checkpoints": 3, "batch_size": 0}
    with pytest.raises(PlanError) as refusal:
        plan_of(training=wrong)
    assert all(f"{field} is " in str(refusal.value) for field in wrong)
    assert "1.0e-3" in str(refusal.value), "YAML takes 1e-3 for a text"
