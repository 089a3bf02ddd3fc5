"""Zoos as data sets: pushed with one client, loaded by ``datasets`` in a process of its own."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

FAMILIES = ("cnn", "mlp")
SPLITS = ("train", "test")

LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
revision = sys.argv[1]
streamed = load_dataset("org/zoo", "cnn", streaming=True, revision=revision)
whole = load_dataset("org/zoo", "mlp", revision=revision)
print(json.dumps({
    "configs": get_dataset_config_names("org/zoo"),
    "streamed": {split: [row["run"] for row in rows] for split, rows in streamed.items()},
    "whole": {split: list(rows["run"]) for split, rows in whole.items()},
}))
"""

PUSH = """
import json
from datasets import Dataset, load_dataset
Dataset.from_dict({"run": ["a", "b"]}).push_to_hub("org/pushed", "cnn", private=True)
Dataset.from_dict({"run": ["c"]}).push_to_hub("org/pushed", "mlp", split="test")
loaded = {config: load_dataset("org/pushed", config) for config in ("cnn", "mlp")}
print(json.dumps({config: {split: list(rows["run"]) for split, rows in d.items()} for config, d in loaded.items()}))
"""


def runs(family, split, shard):
    return [f"{family}-{split}-{shard}-{row}" for row in range(3)]


def write_zoo(folder):
    lines = ["---", "license: apache-2.0", "configs:"]
    for family in FAMILIES:
        (folder / family).mkdir(parents=True)
        lines += [f"- config_name: {family}", "  data_files:"]
        for split in SPLITS:
            lines += [f"  - split: {split}", f"    path: {family}/{split}-*.parquet"]
            for shard in range(2):
                table = pa.table({"run": runs(family, split, shard), "weights": [[0.5] * 20] * 3})
                pq.write_table(table, folder / family / f"{split}-{shard:05d}.parquet")
    (folder / "README.md").write_text("\n".join([*lines, "---", "# Zoo", ""]))


def run_client(hub, home, token, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", *arguments],
        env=hub.client_environment(home, token),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_pushed_zoo_is_streamed_and_loaded_by_config(hub, api, tmp_path):
    write_zoo(tmp_path / "zoo")
    api.create_repo("org/zoo", repo_type="dataset", private=True)
    pushed = api.upload_folder(repo_id="org/zoo", repo_type="dataset", folder_path=tmp_path / "zoo").oid
    api.delete_file("cnn/train-00001.parquet", "org/zoo", repo_type="dataset")
    expected = {
        family: {split: runs(family, split, 0) + runs(family, split, 1) for split in SPLITS} for family in FAMILIES
    }

    code, out, err = run_client(hub, tmp_path / "home", "hf_reader", LOAD, pushed)
    assert code == 0, err[-2000:]
    assert json.loads(out) == {"configs": ["cnn", "mlp"], "streamed": expected["cnn"], "whole": expected["mlp"]}

    code, _, err = run_client(hub, tmp_path / "other", "", LOAD, pushed)
    assert code != 0
    assert "DatasetNotFoundError" in err


def test_a_data_set_pushes_itself(hub, tmp_path):
    code, out, err = run_client(hub, tmp_path / "home", "hf_writer", PUSH)
    assert code == 0, err[-2000:]
    assert json.loads(out) == {"cnn": {"train": ["a", "b"]}, "mlp": {"test": ["c"]}}
    assert hub.datasets["org/pushed"].private
