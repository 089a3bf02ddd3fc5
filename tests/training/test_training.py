"""The training loop on a real zoo of digit networks: it learns, resumes to the same curve, and splits by run."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from hf_sne.errors import UserError
from hf_sne.evaluation.metrics import kendall_tau
from hf_sne.models.sne import SneConfig, SneForPerformancePrediction, SneProcessor
from hf_sne.training.config import TrainingConfig, TrainingConfigError
from hf_sne.training.examples import ExampleMaker
from hf_sne.training.experiment import Experiment, run_experiment
from hf_sne.training.losses import invariance_loss
from hf_sne.training.trainer import BEST, predict, train
from hf_sne.weights.symmetry import hidden_units
from hf_sne.zoo.read import read_zoo

SETTINGS = {
    "epochs": 4,
    "batch_size": 8,
    "splits": {"train": 0.5, "validation": 0.15, "calibration": 0.15, "test": 0.2},
    "model": {"hidden_size": 16, "element_size": 8},
}


@pytest.fixture(scope="module")
def zoos(digit_zoos):
    return digit_zoos


@pytest.fixture
def experiment(zoos):
    return Experiment.load(TrainingConfig(zoos=["digits-mlp", "digits-cnn"], **SETTINGS), zoos)


def _of(experiment, split, zoo):
    return [example for example in experiment.splits[split] if example.entry.zoo == zoo]


def _train(experiment, output, **changes):
    config = TrainingConfig(zoos=["digits-mlp", "digits-cnn"], **(SETTINGS | changes))
    history = []
    model = train(
        config,
        experiment.maker,
        experiment.training(),
        output,
        Accelerator(cpu=True),
        lambda p: history.append(dict(p.history[-1])),
    )
    return model, history


def test_no_run_is_in_two_splits(experiment):
    runs = [{example.entry.run for example in examples} for examples in experiment.splits.values()]
    assert sum(map(len, runs)) == len(set.union(*runs))


def test_a_zoo_may_come_several_times_in_an_epoch(experiment):
    repeated = Experiment(replace(experiment.config, repeat={"digits-mlp": 3}), experiment.maker, experiment.splits)
    lessons, once = repeated.lessons(""), repeated.training("")
    for zoo, times in (("digits-mlp", 3), ("digits-cnn", 1)):
        counts = Counter(id(example) for example in lessons["train"] if example.entry.zoo == zoo)
        assert set(counts.values()) == {times}
        assert len(counts) == sum(example.entry.zoo == zoo for example in once["train"])
    assert lessons["validation"] == once["validation"]


def test_training_learns_to_predict_accuracy(experiment, zoos, tmp_path):
    """On the networks it is trained on: forty runs are too few to say anything of others."""
    config = replace(experiment.config, epochs=80, patience=80, order_weight=2.0, learning_rate=5e-3)
    experiment = Experiment.load(config, zoos)
    splits = experiment.training()
    history = []
    # Validated on the same networks: which epoch is kept must not hang on a handful of others.
    train(
        config,
        experiment.maker,
        {**splits, "validation": splits["train"]},
        tmp_path,
        Accelerator(cpu=True),
        lambda p: history.append(dict(p.history[-1])),
    )
    assert history[-1]["loss"] < history[0]["loss"] - 0.02
    examples = experiment.splits["train"]
    scores, _ = predict(SneForPerformancePrediction.from_pretrained(tmp_path / "model"), experiment.maker, examples)
    assert kendall_tau(scores, np.array([example.entry.target for example in examples])) > 0.6


def test_a_killed_run_resumes_to_the_same_curve(experiment, tmp_path):
    _, whole = _train(experiment, tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.epoch == 2:
            raise KilledError

    config = TrainingConfig(zoos=["digits-mlp", "digits-cnn"], **SETTINGS)
    splits = experiment.training()
    with pytest.raises(KilledError):
        train(config, experiment.maker, splits, tmp_path / "killed", Accelerator(cpu=True), kill)
    # A kill while the state is being exchanged leaves the old one under its other name.
    shutil.move(tmp_path / "killed" / "state", tmp_path / "killed" / "state.old")
    _, rest = _train(experiment, tmp_path / "killed")
    assert [epoch["epoch"] for epoch in rest] == [2, 3]
    assert rest == whole[2:]


def test_without_patience_all_epochs_are_trained_and_the_last_counts(experiment, tmp_path):
    # A learning rate of almost nothing: no epoch ranks better than the first.
    model, history = _train(experiment, tmp_path, epochs=3, patience=0, learning_rate=1e-12)
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2]
    assert json.loads((tmp_path / "state" / "history.json").read_text())["best_epoch"] == 2
    stopped, history = _train(experiment, tmp_path / "patient", epochs=3, patience=1, learning_rate=1e-12)
    assert len(history) == 2
    assert type(stopped) is type(model)


def test_the_same_seed_gives_the_same_model_and_another_does_not(experiment, tmp_path):
    scores = []
    for number, seed in enumerate((0, 0, 1)):
        model, _ = _train(experiment, tmp_path / str(number), epochs=2, seed=seed)
        scores.append(predict(model, experiment.maker, _of(experiment, "test", "digits-mlp"))[0])
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_trees_have_no_say_in_which_epoch_is_the_best(experiment, tmp_path):
    model, _ = _train(experiment, tmp_path, epochs=2)
    assert float(model.trees.weight) == 0.5
    assert float(SneForPerformancePrediction.from_pretrained(tmp_path / BEST).trees.weight) == 0


def test_the_invariance_term_earns_invariance(experiment, tmp_path):
    """With element positions nothing is invariant by construction; the paper's regulariser makes it so."""
    moved = []
    for number, weight in enumerate((0.0, 100.0)):
        # Statistics are invariant however it is trained.
        config = SETTINGS["model"] | {"element_positions": "projected", "statistics": []}
        config |= {"level_positions": True, "type_positions": True, "network_set_to_set": "deepset"}
        model, _ = _train(
            experiment, tmp_path / str(number), epochs=6, patience=0, invariance_weight=weight, model=config
        )
        examples = [e for e in _of(experiment, "train", "digits-mlp") if e.layout.symmetry]
        with torch.no_grad():
            plain = model(**experiment.maker.encode(examples, None, 0)).logits
            permuted = model(**experiment.maker.encode(examples, torch.Generator().manual_seed(0), 10**6)).logits
        spread = float(plain.var())
        moved.append(float(invariance_loss(plain, permuted)) / max(spread, 1e-12))
    assert moved[1] < moved[0]


def test_an_example_is_what_the_processor_makes_of_its_layers(experiment):
    for zoo in ("digits-mlp", "digits-cnn"):
        example = _of(experiment, "train", zoo)[0]
        batch = experiment.maker.encode([example], None, 0)
        expected = experiment.maker.processor([example.entry.layers])
        assert batch.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(batch[name], value, msg=name)


def test_a_permuted_example_holds_the_permuted_network(experiment):
    example = next(e for e in _of(experiment, "train", "digits-mlp") if len(hidden_units(e.entry.layers)) > 1)
    plain = experiment.maker.encode([example], None, 0)
    moved = experiment.maker.encode([example], torch.Generator().manual_seed(3), 10**6)
    assert not torch.equal(plain["chunk_values"], moved["chunk_values"])
    assert torch.equal(plain["chunk_values"].flatten().sort().values, moved["chunk_values"].flatten().sort().values)


def test_chunk_sampling_keeps_small_tensors_whole(experiment):
    examples = _of(experiment, "train", "digits-mlp")
    example = max(examples, key=lambda each: len(each.layout.plan.gather))
    sampled = experiment.maker.encode([example], torch.Generator().manual_seed(0), 24)
    whole = experiment.maker.encode([example], None, 0)
    assert len(sampled["chunk_values"]) < len(whole["chunk_values"])
    slots = [2 * batch["chunk_neurons"] + batch["chunk_views"] for batch in (sampled, whole)]
    assert torch.equal(slots[0].unique(), slots[1].unique()), "no view of a neuron is emptied"
    sizes = torch.bincount(example.layout.plan.groups)
    small = [group for group in range(len(sizes)) if 0 < sizes[group] <= 24]
    kept = torch.bincount(example.layout.plan.groups[example.layout.plan.sample(torch.Generator(), 24)])
    assert small
    assert all(kept[group] == sizes[group] for group in small)


def test_an_experiment_gives_a_calibrated_predictor_and_honest_results(zoos, tmp_path):
    names = ["digits-mlp", "digits-cnn"]
    families = {read_zoo(zoos / name)[0].labels["family"]: name for name in names}
    left_out = {family: {"family": [family]} for family in families}
    settings = SETTINGS | {"model": SETTINGS["model"] | {"interval_level": 0.6}}
    config = TrainingConfig(zoos=names, leave_out=left_out, **settings)
    result, rows = run_experiment(config, zoos, tmp_path, Accelerator(cpu=True), lambda *_: None)
    json.dumps(result)
    assert set(result["test"]) == set(names)
    assert {family: set(found) for family, found in result["left_out"].items()} == {
        family: {name} for family, name in families.items()
    }
    row = result["test"]["digits-mlp"]
    assert -1 <= row["weight_statistics"]["kendall_tau"]["value"] <= 1
    own = [each for each in rows if each.zoo == "digits-mlp" and not each.left_out and each.damage == "none"]
    best = sorted(own, key=lambda each: each.accuracy)[-row["best_third"]["networks"] :]
    assert min(each.accuracy for each in best) >= row["best_third"]["least_accuracy"]
    assert len(best) == pytest.approx(len(own) / 3, abs=1.5)
    tau = kendall_tau([each.score for each in best], [each.accuracy for each in best])
    assert row["best_third"]["sne"]["value"] == pytest.approx(tau)
    assert 0 <= row["sne"]["zoo_interval_coverage"] <= row["sne"]["interval_coverage"] <= 1
    assert set(result["reliability"]["coverage"]) == {"test", *families}
    assert set(result["coverage"]["left out"]) == set(result["coverage"]["family"]) == set(families)
    assert {each.left_out for each in rows} == {"", *families}
    assert all(each.low <= each.zoo_low <= each.score <= each.zoo_high <= each.high for each in rows)
    model = SneForPerformancePrediction.from_pretrained(tmp_path / "predictor")
    assert result["norm_weight"].keys() == {"", *families}
    assert model.config.norm_weight == result["norm_weight"][""]
    assert model.config.norm_range[0] < model.config.norm_range[1] < model.config.norm_range[2]
    examples = Experiment.load(config, zoos).tests()
    scores, _ = predict(model, ExampleMaker(SneProcessor.from_config(model.config)), examples)
    assert [each.score for each in rows if not each.left_out] == pytest.approx(scores.tolist(), abs=1e-6)
    calibration = model.calibration
    assert len(calibration.references) == len(calibration.errors) > 10
    assert 0 < float(calibration.radius[0]) <= float(calibration.radius[1])
    known = {f"{e.entry.zoo}/{e.entry.id}": e.entry.target for e in Experiment.load(config, zoos).splits["train"]}
    for place in range(len(calibration.names)):
        assert known[calibration.name(place)] == pytest.approx(float(calibration.accuracies[place]))
    processor = SneProcessor.from_pretrained(tmp_path / "predictor")
    wanted = SneProcessor.from_config(SneConfig(**config.model)).to_dict()
    assert wanted.items() < processor.to_dict().items()
    again = ExampleMaker(processor)
    assert len(predict(SneForPerformancePrediction.from_pretrained(tmp_path / "predictor"), again, [])[0]) == 0


def test_a_group_that_is_nowhere_is_refused_before_training(zoos):
    config = TrainingConfig(zoos=["digits-mlp", "digits-cnn"], leave_out={"vits": {"family": ["vit"]}}, **SETTINGS)
    with pytest.raises(UserError, match=r"leave_out 'vits': no network has \{'family': \['vit'\]\}"):
        Experiment.load(config, zoos)


def test_a_group_of_too_few_runs_for_the_level_is_refused_before_training(zoos):
    family = read_zoo(zoos / "digits-mlp")[0].labels["family"]
    config = TrainingConfig(zoos=["digits-mlp", "digits-cnn"], leave_out={"one": {"family": [family]}}, **SETTINGS)
    with pytest.raises(UserError, match=r"leave_out 'one': \d calibration runs are left out, at least 9"):
        Experiment.load(config, zoos)


def test_what_decides_a_training_is_told_with_its_defaults():
    config = TrainingConfig(zoos=["a"], model={"hidden_size": 16})
    told = config.resolved()
    assert told["model"]["hidden_size"] == 16
    assert told["model"]["network_set_to_set"] == SneConfig().network_set_to_set
    assert TrainingConfig(zoos=["a"], model={"hidden_size": 16, "head_layers": 1}).resolved() != told


def test_all_faults_of_a_config_are_named_at_once(tmp_path):
    path = tmp_path / "bad.yaml"
    cases = {
        "epochs: -1\nlearningrate: 3\nbatch_size: many\n": (
            "epochs is -1",
            "'learningrate' is no field",
            "'zoos' is missing",
            "batch_size is 'many'",
        ),
        "zoos: [a]\ntest_zoos: [a]\nsplits: {train: 0.5, test: 0.4}\nleave_out: {x: [b]}\nmodel: {hiden: 3}\n": (
            "'a' is in zoos and in test_zoos",
            "splits are train, test, must be",
            "splits add up to 0.9",
            "leave_out 'x' is ['b'], must be columns with lists of values",
            "model.hiden: no field of SneConfig (known: ",
        ),
        "zoos: [a]\nleave_out: {no: {data: [a]}, ../x: {data: [a]}, '': {data: [a]}}\n": (
            "leave_out False must be a name",
            "leave_out '../x' must be a name",
            "leave_out '' must be a name",
        ),
        "zoos: [a": ("correct the YAML",),
        "3": ("not a YAML mapping",),
        "zoos: [a]\nrepeat: {a: 0, b: 2}\n": ("repeat 'a': 0 must be", "repeat 'b': 2 must be a whole number above 0"),
        "zoos: [a]\npatience: -1\n": ("patience is -1, must be 0 or more",),
    }
    for text, faults in cases.items():
        path.write_text(text)
        with pytest.raises(TrainingConfigError) as error:
            TrainingConfig.from_yaml(path)
        assert all(fault in str(error.value) for fault in faults), str(error.value)
    with pytest.raises(TrainingConfigError, match=r"No such file.*none\.yaml"):
        TrainingConfig.from_yaml(tmp_path / "none.yaml")


def test_a_state_of_other_settings_is_not_taken_up(experiment, tmp_path):
    _train(experiment, tmp_path, epochs=1)
    with pytest.raises(UserError, match="other settings or networks"):
        _train(experiment, tmp_path, epochs=1, learning_rate=0.1)
