"""Files are there whole or not at all, whoever writes them and whatever stops the writing."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from zoo_making import environment, files_up_to

from hf_sne.zoo.atomic import ZooWriteError, atomic_file, check_space, clear_parts, make_folder, write_bytes
from hf_sne.zoo.plots import accuracy_histogram

NUMBERS = np.random.default_rng(0).random(10_000)


def write_table(path):
    with atomic_file(path) as part:
        pq.write_table(pa.table({"number": NUMBERS}), part)


def write_tensors(path):
    with atomic_file(path) as part:
        save_file({"number": torch.from_numpy(NUMBERS)}, part)


def write_picture(path):
    accuracy_histogram(pd.DataFrame({"family": "mlp", "test_accuracy": NUMBERS}), path)


def write_plain(path):
    write_bytes(path, NUMBERS.tobytes())


every_writer = pytest.mark.parametrize("write", [write_table, write_tensors, write_picture, write_plain])


@every_writer
def test_a_file_is_written_into_folders_that_are_made(write, tmp_path):
    write(tmp_path / "data" / "mlp" / "file")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


@every_writer
def test_a_file_may_be_read_by_whom_other_files_may(write, tmp_path):
    (tmp_path / "plain").touch()
    write(tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


@every_writer
def test_a_full_disk_leaves_what_was_there_and_nothing_else(write, tmp_path):
    (tmp_path / "file").write_text("before")
    with files_up_to(2000), pytest.raises(ZooWriteError, match=r"/file: no space left. Fix: free space"):
        write(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "before"


def test_an_error_while_writing_leaves_what_was_there(tmp_path):
    write_bytes(tmp_path / "file", b"before")
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "file") as part:
        part.write_bytes(b"%d" % (part.write_bytes(b"half") // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


def test_what_a_killed_process_was_writing_is_cleared(tmp_path):
    code = """
import os, signal, sys
from pathlib import Path
from hf_sne.zoo.atomic import atomic_file
with atomic_file(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    part.with_name(".tmp7").write_bytes(b"a writer's own temporary file")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "data" / "file")], env=environment())
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2
    (tmp_path / "film.part").write_text("of somebody else")
    clear_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data", "film.part"]


def test_a_file_where_a_folder_should_be_is_told(tmp_path):
    (tmp_path / "zoo").write_text("")
    for place in (tmp_path / "zoo", tmp_path / "zoo" / "data"):
        with pytest.raises(ZooWriteError, match=r"zoo.*Fix: check that the folder can be written to"):
            make_folder(place)


def test_more_than_the_disk_holds_is_refused(tmp_path):
    check_space(tmp_path, 1)
    with pytest.raises(ZooWriteError, match=r"are needed, [\d,]+ MiB are free.*Fix: free space"):
        check_space(tmp_path, 2**60)
