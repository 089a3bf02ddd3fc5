"""Predictors, processors and metrics on a Hub that runs here, pushed and loaded with the clients that people use."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bare_python import WITHOUT_PACKAGE, run
from hub_server import HubRepo
from hub_server.conftest import WRITER
from huggingface_hub import ModelCard
from safetensors.torch import save

from hf_sne import load_pipeline
from hf_sne.cli import main
from hf_sne.errors import UserError
from hf_sne.hub import Destination, push
from hf_sne.pipelines import BUILT_IN_ENCODER

REPO = "org/sne-cross-arch"
CHECKPOINT = save({"fc1.weight": torch.linspace(-1, 1, 96).view(8, 12), "fc2.weight": torch.ones(3, 8)})

PUSH_THEMSELVES = """
import json
import torch
from transformers import AutoModelForSequenceClassification, pipeline
from hf_sne import SneForPerformancePrediction, SneProcessor, load_pipeline
from hf_sne.pipelines import BUILT_IN_ENCODER

own = SneForPerformancePrediction.from_pretrained(BUILT_IN_ENCODER)
own.push_to_hub("org/model")
SneProcessor.from_pretrained(BUILT_IN_ENCODER).push_to_hub("org/processor")
load_pipeline().push_to_hub("org/pipeline")

model = AutoModelForSequenceClassification.from_pretrained("org/model").state_dict()
state = {"fc1.weight": torch.linspace(-1, 1, 96).view(8, 12), "fc2.weight": torch.ones(3, 8)}
print(json.dumps({
    "model": all(torch.equal(weight, model[name]) for name, weight in own.state_dict().items()),
    "processor": SneProcessor.from_pretrained("org/processor").to_dict()
    == SneProcessor.from_pretrained(BUILT_IN_ENCODER).to_dict(),
    "pipeline": pipeline("weight-performance-prediction", model="org/pipeline")(state)["score"]
    == load_pipeline()(state)["score"],
}))
"""

METRIC = """
import json, sys
import evaluate

print(json.dumps(evaluate.load(sys.argv[1]).compute(predictions=[0.1, 0.2, 0.3], references=[0.1, 0.3, 0.2])))
"""

METRIC_PAGE = """
import json, runpy, sys

print(json.dumps(runpy.run_path(sys.argv[1])["compute"]("0.1, 0.2 0.3", "0.1 0.3 0.2")))
"""

WITH_PACKAGE = """
import json, sys
import hf_sne
from transformers import AutoModel, AutoProcessor, pipeline

repo, checkpoint = sys.argv[1:]
pipe = pipeline("weight-performance-prediction", model=repo)
print(json.dumps({
    "score": pipe(checkpoint)["score"],
    "encoder": type(AutoModel.from_pretrained(repo)).__module__,
    "processor": type(AutoProcessor.from_pretrained(repo)).__module__,
}))
"""


def test_the_built_in_encoder_goes_and_comes_back_by_one_line(hub, tmp_path):
    assert push(str(BUILT_IN_ENCODER), Destination(REPO)) == f"{hub.url}/{REPO}"
    hub.repos["org/checkpoint"] = HubRepo({"model.safetensors": CHECKPOINT})
    environment = hub.client_environment(tmp_path / "home") | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = run(Path(sys.executable), WITH_PACKAGE, REPO, "org/checkpoint", environment=environment)
    (tmp_path / "model.safetensors").write_bytes(CHECKPOINT)
    assert found == {
        "score": pytest.approx(load_pipeline()(tmp_path / "model.safetensors")["score"], abs=1e-6),
        "encoder": "hf_sne.models.sne.modeling_sne",
        "processor": "hf_sne.models.sne.processing_sne",
    }


def test_the_encoder_loads_where_the_package_is_not(hub, tmp_path, without_package):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    environment = hub.client_environment(tmp_path / "home")
    environment.pop("PYTHONPATH", None)
    found = run(without_package, WITHOUT_PACKAGE, REPO, tmp_path / "saved", environment=environment)
    assert all(module.startswith("transformers_modules.") for module in found["classes"])
    assert found["same"]
    state = {"fc1.weight": torch.linspace(-1, 1, 96).view(8, 12), "fc2.weight": torch.ones(3, 8)}
    assert found["score"] == pytest.approx(load_pipeline()(state)["score"], abs=1e-6)
    assert "pip install hf_sne" in found["told"]


def test_the_card_tells_the_repository(hub):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    files = hub.repos[REPO].files
    card = ModelCard(files["README.md"].decode())
    assert f'model="{REPO}"' in card.text
    assert card.data.library_name == "transformers"
    for figure in ("predicted.png", "reliability.png"):
        assert f"]({figure})" in card.text
        assert files[figure].startswith(b"\x89PNG")
    assert json.loads(files["results.json"])["test"].keys() == {each.dataset_type for each in card.data.eval_results}


def test_the_cards_snippets_run_as_printed(hub, tmp_path):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    (tmp_path / "model.safetensors").write_bytes(CHECKPOINT)
    card = hub.repos[REPO].files["README.md"].decode()
    snippets = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    assert len(snippets) == 2
    environment = hub.client_environment(tmp_path / "home") | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for snippet, told in zip(snippets, ("'score'", ""), strict=True):
        done = subprocess.run(
            [sys.executable, "-c", snippet], env=environment, capture_output=True, text=True, timeout=200, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert told in done.stdout


def test_a_model_a_processor_and_a_pipeline_push_themselves_and_come_back(hub, tmp_path):
    environment = hub.client_environment(tmp_path / "home", WRITER) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    back = run(Path(sys.executable), PUSH_THEMSELVES, environment=environment)
    assert back == {"model": True, "processor": True, "pipeline": True}
    model, processor, pipe = (hub.repos[f"org/{name}"].files for name in ("model", "processor", "pipeline"))
    assert {"config.json", "model.safetensors", "modeling_sne.py", "configuration_sne.py"} <= model.keys()
    assert {"preprocessor_config.json", "processing_sne.py"} <= processor.keys()
    assert pipe.keys() > model.keys() | processor.keys()
    assert json.loads(pipe["config.json"])["custom_pipelines"].keys() == {"weight-performance-prediction"}


def test_a_pull_request_and_a_dry_run_leave_the_branch_alone(hub, capsys):
    hub.repos[REPO] = HubRepo({"configuration_sne.py": b""})
    with pytest.raises(SystemExit) as stop:
        main(["push", str(BUILT_IN_ENCODER), REPO, "--dry-run", "--create-pr"])
    told = capsys.readouterr().out
    assert (stop.value.code, hub.requests) == (0, [])
    assert "would push the predictor" in told
    assert f"to the model {REPO}, as a pull request" in told
    assert "model.safetensors" in told
    with pytest.raises(SystemExit):
        main(["push", str(BUILT_IN_ENCODER), REPO, "--create-pr"])
    assert capsys.readouterr().out == f"{hub.url}/{REPO}/discussions/1\n"
    assert hub.repos[REPO].files.keys() == {"configuration_sne.py"}
    assert "model.safetensors" in hub.repos[REPO].find_commit("refs/pr/1").files


def test_a_pull_request_of_what_is_there_already_is_none(hub):
    push(str(BUILT_IN_ENCODER), Destination(REPO))
    with pytest.raises(UserError, match="nothing differs"):
        push(str(BUILT_IN_ENCODER), Destination(REPO, create_pr=True))


def test_a_metric_is_evaluated_from_the_hub(hub, tmp_path):
    push("kendall_tau", Destination("org/kendall_tau"))
    files = hub.spaces["org/kendall_tau"].files
    assert files.keys() == {".gitattributes", "README.md", "app.py", "kendall_tau.py", "requirements.txt"}
    environment = hub.client_environment(tmp_path / "home") | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = run(Path(sys.executable), METRIC, "org/kendall_tau", environment=environment)
    assert found == {"kendall_tau": pytest.approx(1 / 3)}
    (tmp_path / "app.py").write_bytes(files["app.py"])
    page = run(Path(sys.executable), METRIC_PAGE, tmp_path / "app.py", environment=environment)
    assert page == {"kendall_tau": pytest.approx(1 / 3)}


def test_a_metric_has_a_repository_of_its_name(hub):
    with pytest.raises(UserError, match="name it ORG/mae"):
        push("mae", Destination("org/kendall_tau"))
    assert hub.requests == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "results.json").unlink(), "results.json"),
        (lambda folder: (folder / "results.json").write_text('{"test": {}}'), "without the field 'config'"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{}"), "neither a zoo"),
    ],
)
def test_what_is_no_whole_predictor_is_refused_before_anything_is_sent(hub, tmp_path, change, told):
    folder = shutil.copytree(BUILT_IN_ENCODER, tmp_path / "predictor")
    change(folder)
    with pytest.raises(UserError, match=told):
        push(str(folder), Destination(REPO))
    assert hub.requests == []


def test_what_somebody_keeps_there_is_left_alone(hub):
    theirs = {"config.json": b"{}", "model.safetensors": b"theirs", "scripts/train.py": b"theirs", "app.py": b"theirs"}
    hub.repos[REPO] = HubRepo(theirs)
    hub.spaces["org/app"] = HubRepo(theirs)
    with pytest.raises(UserError, match="holds 4 files and no predictor"):
        push(str(BUILT_IN_ENCODER), Destination(REPO))
    push(str(BUILT_IN_ENCODER), Destination("org/mine"))
    with pytest.raises(UserError, match="holds 4 files and no Space"):
        push("org/mine", Destination("org/app"), space=True)
    assert hub.repos[REPO].files == hub.spaces["org/app"].files == theirs


def test_what_somebody_keeps_on_a_branch_is_left_alone(hub):
    hub.repos[REPO] = HubRepo({})
    hub.repos[REPO].branches["v2"] = HubRepo({"tool.py": b"theirs"}).branches["main"]
    with pytest.raises(UserError, match=f"{REPO} at v2: holds 1 files and no predictor"):
        push(str(BUILT_IN_ENCODER), Destination(REPO, revision="v2"))
    push(str(BUILT_IN_ENCODER), Destination(REPO, revision="v3"))
    assert hub.repos[REPO].files == {}
    assert "model.safetensors" in hub.repos[REPO].branches["v3"].files


def test_a_refused_push_makes_no_branch(hub):
    hub.repos[REPO] = HubRepo({"tool.py": b"theirs"})
    with pytest.raises(UserError, match="holds 1 files and no predictor"):
        push(str(BUILT_IN_ENCODER), Destination(REPO, revision="mine"))
    assert hub.repos[REPO].branches.keys() == {"main"}


def test_a_pull_request_to_a_branch_is_refused(hub):
    with pytest.raises(UserError, match="--create-pr and --revision"):
        Destination(REPO, revision="v2", create_pr=True)
