"""Makings of a zoo that are killed, run out of space or lose a training process: taken up, they give the same zoo."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import psutil
import pytest
import torch
from zoo_making import (
    CLI,
    CONTENT,
    NETWORKS,
    begin_making,
    environment,
    files_of,
    files_up_to,
    finish,
    kill_alone,
    killed_while_finishing,
    long_unit,
    networks_in,
    tiny_plan,
    training_processes,
    wait_for,
    write_plan,
)

from hf_sne.errors import UserError
from hf_sne.zoo.atomic import ZooWriteError
from hf_sne.zoo.images import load_images
from hf_sne.zoo.make import make_zoo
from hf_sne.zoo.manifest import Manifest
from hf_sne.zoo.plan import FamilyPlan, Plan
from hf_sne.zoo.unit import UnitFile, UnitFileError, group, train_unit
from hf_sne.zoo.workers import LocalWorkers

# Units whose records are larger than the images.
WIDE = {
    **CONTENT,
    "families": {"mlp": {"runs": 4, "architecture": {"pool": 1, "widths": [128, 128]}}},
    "splits": {"train": 1.0},
}
# Trains one unit and leaves word of itself after every step rather than every minute.
TRAIN_ONE = """
import sys
from pathlib import Path
import torch
import hf_sne.zoo.unit as unit
from zoo_making import long_unit
from hf_sne.zoo.images import load_images
unit._STATE_SECONDS = 0.0
torch.set_num_threads(1)
unit.train_unit(long_unit(), load_images("digits"), Path(sys.argv[1]))
"""


def make_with_kills(folder, plan, kills):
    """Makes a zoo with the command line, killed at up to so many moments; how many it were."""
    options = [str(plan), "--output", str(folder), "--workers", "1", "--population", str(NETWORKS)]
    for kill in range(kills):
        trained = len(units_in(folder))
        process = begin_making(*options)
        if kill == 0:
            wait_for((folder / "work" / "units.json").exists)
            time.sleep(random.uniform(0, 1.5))
        else:
            wait_for(lambda trained=trained, process=process: len(units_in(folder)) > trained or not process.is_alive())
            time.sleep(random.uniform(0, 0.1))
        if not process.is_alive():
            assert process.exitcode == 0
            return kill
        with suppress(psutil.NoSuchProcess):  # done in between
            kill_alone(psutil.Process(process.pid))
    done = subprocess.run([*CLI, *options], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return kills


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["while workers start", "later"])
def test_control_c_says_how_to_go_on_and_leaves_no_traceback(seconds, tmp_path):
    command = [*CLI, str(write_plan(tmp_path / "plan.yaml")), "--output", str(tmp_path / "zoo"), "--workers", "2"]
    with psutil.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What runs the tests in the background may be deaf to Ctrl-C, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        wait_for((tmp_path / "zoo" / "work" / "units.json").exists)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of the command
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; run the same command again to go on" in err
    assert "Traceback" not in err


def units_in(folder):
    return list((folder / "work").glob("0*.safetensors"))


def test_a_making_killed_again_and_again_gives_the_same_zoo(zoo, tmp_path):
    plan, number, kills = write_plan(tmp_path / "plan.yaml"), 0, 10
    while kills > 0:
        folder = tmp_path / str(number) / "zoo"
        kills -= make_with_kills(folder, plan, kills)
        assert files_of(folder) == files_of(zoo)
        number += 1


def test_a_writing_killed_again_and_again_gives_the_same_zoo(trained, zoo, tmp_path):
    for first in ("warm", "timed"):
        shutil.copytree(trained, tmp_path / first / "zoo")
        begun = time.monotonic()
        assert not killed_while_finishing(tmp_path / first / "zoo", 60)
        seconds = time.monotonic() - begun
    folder, kills = tmp_path / "zoo", 0
    while kills < 8:
        shutil.copytree(trained, folder, dirs_exist_ok=True)
        while kills < 8 and killed_while_finishing(folder, random.uniform(0, seconds)):
            kills += 1
        finish(folder)
        assert files_of(folder) == files_of(zoo)


def test_a_zoo_killed_before_its_card_gets_it(trained, zoo, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(zoo, folder)
    shutil.copytree(trained / "work", folder / "work")
    (folder / "README.md").unlink()
    manifest = Manifest.read(folder)
    replace(manifest, files={name: r for name, r in manifest.files.items() if name != "README.md"}).write(folder)
    finish(folder)
    assert files_of(folder) == files_of(zoo)


def test_a_zoo_killed_while_its_work_is_removed_trains_nothing_anew(trained, zoo, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(zoo, folder)
    shutil.copytree(trained / "work", folder / "work")
    (folder / "work" / "000001.safetensors").unlink()
    assert [step.stage for step in make_zoo(tiny_plan(), folder, LocalWorkers(1), NETWORKS)] == ["complete"]
    assert files_of(folder) == files_of(zoo)


def test_a_zoo_killed_before_its_first_file_is_made(tmp_path):
    (tmp_path / "zoo" / "work").mkdir(parents=True)
    assert next(make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(1))).stage == "reading images"


def test_a_unit_taken_up_after_a_kill_gives_the_same_record(tmp_path):
    torch.set_num_threads(1)
    unit, data, state = long_unit(), load_images("digits"), tmp_path / "000000.state"
    whole = train_unit(unit, data)
    process = psutil.Popen([sys.executable, "-c", TRAIN_ONE, str(state)], env=environment())
    wait_for(lambda: state.exists() or process.poll() is not None)
    time.sleep(random.uniform(0, 0.3))
    assert process.poll() is None
    kill_alone(process)
    assert train_unit(unit, data, state) == whole
    for kept in (0, 100, state.stat().st_size // 2):
        state.write_bytes(state.read_bytes()[:kept])
        with pytest.raises(UnitFileError, match=r"000000\.state: damaged.*Fix: delete this file and run again"):
            train_unit(unit, data, state)


def test_a_unit_taken_up_at_any_step_gives_the_same_record(monkeypatch, tmp_path):
    """The first step and the last too: nothing is recorded twice, nothing is asked of networks that are done."""
    torch.set_num_threads(1)
    monkeypatch.setattr("hf_sne.zoo.unit._STATE_SECONDS", -1.0)
    data, states = load_images("digits"), []
    plan = replace(tiny_plan(), families={"mlp": FamilyPlan(3, 3)})
    (unit,) = group(plan.draw_runs(), "cpu")

    def kept(path, content):
        states.append(content)

    monkeypatch.setattr("hf_sne.zoo.unit.write_bytes", kept)
    whole = train_unit(unit, data, tmp_path / "state")
    monkeypatch.setattr("hf_sne.zoo.unit._STATE_SECONDS", 1e9)
    for content in [*states[:2], *states[2:-2:15], *states[-2:]]:
        (tmp_path / "state").write_bytes(content)
        assert train_unit(unit, data, tmp_path / "state") == whole


def test_smaller_populations_finish_what_larger_ones_began(trained, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(trained, folder)
    for unit in ("000001", "000002"):
        (folder / "work" / f"{unit}.safetensors").unlink()
    for networks in (1, NETWORKS):
        making = make_zoo(tiny_plan(), folder, LocalWorkers(1), networks)
        assert next(making).stage == "training"
        next(making)
        making.close()
    finish(folder)
    assert sorted(labels["id"] for labels, _ in networks_in(folder)) == sorted(
        row["id"] for path in trained.glob("work/0*.safetensors") for row in UnitFile(path).labels
    )


def test_a_folder_with_other_files_is_refused(tmp_path):
    for place in ("data", "work"):
        folder = tmp_path / place / "zoo"
        (folder / place).mkdir(parents=True)
        (folder / place / "mine.parquet").write_bytes(b"precious")
        with pytest.raises(UserError, match="holds other files"):
            next(make_zoo(tiny_plan(), folder, LocalWorkers(1)))
        assert (folder / place / "mine.parquet").read_bytes() == b"precious"


def test_a_damaged_state_is_told_by_the_process_that_meets_it(tmp_path):
    making = make_zoo(tiny_plan(), tmp_path / "zoo", LocalWorkers(1), NETWORKS)
    next(making)
    next(making)
    (tmp_path / "zoo" / "work" / "000000.state").write_bytes(b"half")
    with pytest.raises(UnitFileError, match=r"000000\.state: damaged"):
        next(making)


def test_a_killed_training_process_is_told_and_its_work_is_done_anew(zoo, tmp_path):
    folder = tmp_path / "zoo"
    making = make_zoo(tiny_plan(), folder, LocalWorkers(1), NETWORKS)
    while next(making).done == 0:
        pass
    (process,) = training_processes()
    process.kill()
    with pytest.raises(UserError, match=r"a training process was killed.*Fix: run again, with fewer workers"):
        list(making)
    assert 0 < len(units_in(folder)) < len(group(tiny_plan().draw_runs(), "cpu", NETWORKS))
    finish(folder)
    assert files_of(folder) == files_of(zoo)


def test_a_caller_that_stops_early_does_not_wait_for_training(tmp_path):
    training = {"epochs": {"grid": [0.1, 1e6]}, "learning_rate": 0.01}
    content = {**CONTENT, "families": {"mlp": {"runs": 2}}, "training": training, "splits": {"train": 1.0}}
    making = make_zoo(Plan.from_json(content), tmp_path / "zoo", LocalWorkers(2), networks=1)
    while next(making).done < 2:
        pass
    assert training_processes()
    begun = time.monotonic()
    making.close()
    assert time.monotonic() - begun < 10
    assert not training_processes()


def test_a_disk_that_is_full_in_training_is_told_and_the_work_goes_on_with_space(tmp_path):
    folder = tmp_path / "zoo"
    for largest, file in ((100_000, "images"), (600_000, "00000.")):
        message = rf"/{file}\.safetensors: no space left. Fix: free space and run again"
        with files_up_to(largest), pytest.raises(ZooWriteError, match=message):
            finish(folder, content=WIDE)
        assert not list(folder.rglob("*part*"))
    finish(folder, content=WIDE)
    manifest = Manifest.read(folder)
    assert not list(manifest.faults(folder))
    assert manifest.configs["mlp"]["train"]["runs"] == 4


def test_a_disk_that_is_full_in_writing_is_told_and_the_zoo_finished_with_space(trained, zoo, tmp_path):
    folder = tmp_path / "zoo"
    shutil.copytree(trained, folder)
    with files_up_to(10_000), pytest.raises(ZooWriteError, match=r"\.parquet: no space left"):
        finish(folder)
    assert not list(folder.rglob("*part*"))
    assert not (folder / "manifest.json").exists()
    finish(folder)
    assert files_of(folder) == files_of(zoo)
