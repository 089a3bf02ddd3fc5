import csv
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from safetensors.torch import load_file

from hf_sne.errors import UserError
from hf_sne.zoo.images import load_images
from hf_sne.zoo.plan import Run, draw_runs
from hf_sne.zoo.populate import populate, train_run, write_labels


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return draw_runs("mlp", 8, seed=0, max_epochs=1)


def records(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "runs").glob("*.json")}


def test_a_longer_plan_begins_with_the_shorter_one(runs: list[Run]) -> None:
    assert draw_runs("mlp", 3, seed=0, max_epochs=1) == runs[:3]
    assert draw_runs("mlp", 3, seed=1, max_epochs=1) != runs[:3]


def test_the_same_run_gives_the_same_network_and_label(runs: list[Run], tmp_path: Path) -> None:
    images = load_images("digits")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = (train_run(runs[0], images, folder) for folder in folders)
    assert first == second
    weights = [load_file(folder / f"{first[-1]['id']}.safetensors") for folder in folders]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_a_populated_folder_resumes_and_every_label_has_its_file(runs: list[Run], tmp_path: Path) -> None:
    # A caller that stops after the first run must not wait for the whole plan.
    training = populate(runs, "digits", tmp_path, workers=1)
    next(training)
    training.close()
    done = records(tmp_path)
    assert 1 <= len(done) < len(runs)
    kept = {name: (tmp_path / "runs" / f"{name}.json").stat().st_mtime_ns for name in done}

    labels = list(chain.from_iterable(populate(runs, "digits", tmp_path, workers=1)))
    assert records(tmp_path) == {run.run for run in runs}
    assert all((tmp_path / "runs" / f"{name}.json").stat().st_mtime_ns == time for name, time in kept.items())
    assert all((tmp_path / f"{label['id']}.safetensors").exists() for label in labels)
    with write_labels(tmp_path).open() as table:
        assert sorted(row["id"] for row in csv.DictReader(table)) == sorted(label["id"] for label in labels)


def test_a_folder_of_another_plan_is_not_taken_up(tmp_path):
    (first,) = draw_runs("mlp", 1, seed=0, max_epochs=1)
    list(populate([first], "digits", tmp_path, workers=1))
    with pytest.raises(UserError, match=r"config\.epochs 1, this plan has 7"):
        list(populate([replace(first, epochs=7)], "digits", tmp_path, workers=1))
    with pytest.raises(UserError, match="this plan has 'mnist'"):
        list(populate([first], "somewhere/mnist", tmp_path, workers=1))
