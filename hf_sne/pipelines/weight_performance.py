"""The ``weight-performance-prediction`` pipeline: a checkpoint in, a predicted test accuracy with its doubts out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from shutil import copyfile
from typing import Any, NotRequired, TypedDict

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import Pipeline

from hf_sne.errors import HfSneError, UserError
from hf_sne.limits import Limits
from hf_sne.models.sne import NonFiniteElementsError, NothingToEncodeError, SnePredictionOutput
from hf_sne.models.sne.calibration_sne import Assessment, Calibration
from hf_sne.pipelines.errors import NonFiniteWeightsError, NothingToScoreError, OutOfDistributionError
from hf_sne.pipelines.explain import LayerAttribution, UntrainedLayer, layer_attributions
from hf_sne.weights import Checkpoint, Layer, open_checkpoint
from hf_sne.weights.files import path_exists
from hf_sne.weights.hub import is_repo_id

TASK = "weight-performance-prediction"
BUILT_IN_ENCODER = Path(__file__).parents[1] / "assets" / "sne-cross-arch"

# Ends of an interval that says nothing, [1, 2].
_UNKNOWN = torch.tensor([[0.0, 1.0]])
_MOST_WORDS = 400  # characters of another library's error

_TRAVELING_FILE = "traveling.py"
_TRAVELING = {
    "impl": "traveling.WeightPerformancePipeline",
    "pt": ["AutoModelForSequenceClassification"],
    "type": "multimodal",
}

Source = str | PathLike[str] | Mapping[str, Tensor] | nn.Module | Checkpoint


class Neighbour(TypedDict):
    """A network that the predictor was trained on: its zoo and id there, and its measured accuracy."""

    name: str
    test_accuracy: float


class PerformancePrediction(TypedDict):
    """One scored checkpoint, JSON-able."""

    score: float
    interval: dict[str, float]
    zoo_interval: dict[str, float]
    in_distribution: dict[str, Any]
    coverage: dict[str, Any]
    checkpoint: dict[str, Any]
    predictor: dict[str, str]
    layers: NotRequired[list[LayerAttribution]]
    neighbours: NotRequired[list[Neighbour]]


class Refusal(TypedDict):
    """One checkpoint that cannot be scored, and why, JSON-able."""

    refused: dict[str, str]
    checkpoint: dict[str, Any]


class WeightPerformancePipeline(Pipeline):  # type: ignore[misc]
    """Predict the test accuracy of checkpoints from their weights alone.

    Input, single or in a list: a safetensors file, a folder (single or sharded), a Hub repo id, a ``state_dict``, an
    ``nn.Module``, or a :class:`hf_sne.weights.Checkpoint`, which is closed at the end; with ``allow_pickle=True`` also
    a PyTorch pickle, read in a child process under limits. Output: :class:`PerformancePrediction`. What cannot be
    scored raises an :class:`hf_sne.errors.HfSneError`, never a number; :meth:`iterate` gives it as a :class:`Refusal`
    and goes on.

    With ``explain=True`` the result also tells, layer by layer, what the score rests on, at the cost of four scores a
    layer, and which networks of the training zoos are nearest. With ``strict=True`` networks unlike the training zoos'
    are refused. With ``max_parameters=N`` no more than so many numbers are read, of some units of each layer; a
    checkpoint on the Hub is then read by ranges and not downloaded; of a part the intervals are [0, 1], its verdict and
    percentile None, and it is not scored with ``strict``.

    ``revision`` given to ``transformers.pipeline`` is that of the predictor; that of a scored repo is ``revision`` of
    the call.
    """

    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

    def _sanitize_parameters(
        self,
        revision: str | None = None,
        token: str | bool | None = None,
        allow_pickle: bool | None = None,
        limits: Limits | None = None,
        max_parameters: int | None = None,
        explain: bool | None = None,
        strict: bool | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        given = {
            "revision": revision,
            "token": token,
            "allow_pickle": allow_pickle,
            "limits": limits,
            "max_parameters": max_parameters,
        }
        opening = {name: value for name, value in given.items() if value is not None}
        asked = {"explain": explain, "strict": strict}
        return opening, {name: value for name, value in asked.items() if value is not None}, {}

    def __call__(self, inputs: Source | Sequence[Source], **kwargs: Any) -> Any:
        """One prediction for a single input; a list of them for a list, in its order (an empty list gives one)."""
        if isinstance(inputs, (list, tuple)):
            return [self(single, **kwargs) for single in inputs]
        return super().__call__(inputs, **kwargs)

    def iterate(self, sources: Iterable[Source], **kwargs: Any) -> Iterator[PerformancePrediction | Refusal]:
        """One result for each source, in order; a refusal does not end the others."""
        for source in sources:
            try:
                yield self(source, **kwargs)
            except HfSneError as error:
                yield refusal(source, error)

    def save_pretrained(self, save_directory: str | PathLike[str], **kwargs: Any) -> None:
        """Save model, processor and their code, and a file by which the task is found where nobody imports hf_sne."""
        config = self.model.config
        Path(save_directory).mkdir(parents=True, exist_ok=True)
        copyfile(Path(__file__).with_name(_TRAVELING_FILE), Path(save_directory) / _TRAVELING_FILE)
        self.feature_extractor.save_pretrained(save_directory)
        config.custom_pipelines = {TASK: _TRAVELING}
        try:
            self.model.save_pretrained(save_directory, **kwargs)
        finally:
            del config.custom_pipelines

    def preprocess(self, inputs: Source, **parameters: Any) -> dict[str, Any]:
        """Open and check the checkpoint; nothing but its header is read yet."""
        if not isinstance(inputs, Checkpoint):
            return {"checkpoint": open_checkpoint(inputs, **parameters)}
        if parameters:
            told = ", ".join(sorted(parameters))
            raise UserError(f"{inputs.source}: {told} of a checkpoint that is open", fix="say so when opening it")
        return {"checkpoint": inputs}

    def _forward(self, model_inputs: dict[str, Any], explain: bool = False, strict: bool = False) -> dict[str, Any]:
        """Stream the chunks through the encoder, so that memory does not grow with the checkpoint."""
        checkpoint: Checkpoint = model_inputs["checkpoint"]
        with checkpoint:
            output = self._predict(checkpoint, checkpoint.layers)
            assessment = self.model.calibration(output.scores, output.network_embedding)
            if strict and (checkpoint.is_sampled or not bool(assessment.in_distribution)):
                raise self._strange(checkpoint, float(assessment.percentile))
            layers = self._explain(checkpoint, output) if explain else None
        return {
            "checkpoint": checkpoint,
            "scores": output.scores,
            "assessment": assessment,
            "layers": layers,
        }

    def _strange(self, checkpoint: Checkpoint, percentile: float) -> HfSneError:
        if not self.model.calibration.is_fitted:
            return UserError(
                f"the predictor {self.model.config.predictor_name} was never calibrated: nothing is strange to it",
                fix="use the folder predictor/ that training writes, or score without strict",
            )
        if checkpoint.is_sampled:
            return UserError(
                f"{checkpoint.source}: a part of it was read, which tells not whether it is like the training networks",
                fix="read it whole, without max_parameters, or score it without strict",
            )
        found = f"its distance is in percentile {percentile:.0f} of theirs"
        allowed = f"up to percentile {self.model.config.in_distribution_percentile:.0f}"
        return OutOfDistributionError(checkpoint.source, found=found, allowed=allowed)

    def _predict(self, checkpoint: Checkpoint, layers: Sequence[Layer | UntrainedLayer]) -> SnePredictionOutput:
        structure, blocks = self._stream(checkpoint, layers)
        return self.model.predict(self.model.sne.encode_stream(structure, blocks))  # type: ignore[no-any-return]

    def _explain(self, checkpoint: Checkpoint, output: SnePredictionOutput) -> list[LayerAttribution]:
        def score(layers: Sequence[Layer | UntrainedLayer]) -> float:
            return _only_score(self._predict(checkpoint, layers))

        return list(layer_attributions(checkpoint.layers, _only_score(output), score))

    def _stream(
        self, checkpoint: Checkpoint, layers: Sequence[Layer | UntrainedLayer]
    ) -> tuple[dict[str, Tensor], Iterator[dict[str, Tensor]]]:
        size = self.model.config.max_chunks_per_batch
        try:
            structure, blocks = self.feature_extractor.stream(layers, max_chunks=size)
        except NonFiniteElementsError as error:
            raise NonFiniteWeightsError(checkpoint.source, found=error, allowed="0 of them") from error
        except NothingToEncodeError as error:
            reasons = sorted({skipped.reason for skipped in checkpoint.skipped})
            found = f"{error}; {len(checkpoint.skipped)} tensors skipped ({', '.join(reasons) or 'none'})"
            raise NothingToScoreError(checkpoint.source, found=found, allowed="at least 1 such element") from error
        return {name: value.to(self.device) for name, value in structure.items()}, blocks

    def postprocess(self, model_outputs: dict[str, Any]) -> PerformancePrediction:
        """Put the score together with what is known about it."""
        checkpoint: Checkpoint = model_outputs["checkpoint"]
        assessment: Assessment = model_outputs["assessment"]
        config = self.model.config
        level = config.interval_level
        # Intervals and distances are calibrated on whole networks; nothing is known of parts.
        part = checkpoint.is_sampled
        intervals = [_UNKNOWN, _UNKNOWN] if part else [assessment.interval, assessment.zoo_interval]
        interval, zoo_interval = (_interval(ends, level) for ends in intervals)
        result: PerformancePrediction = {
            "score": float(model_outputs["scores"][0]),
            "interval": interval,
            "zoo_interval": zoo_interval,
            "in_distribution": {
                "verdict": None if part else bool(assessment.in_distribution),
                "percentile": None if part else float(assessment.percentile),
            },
            "coverage": checkpoint.coverage(),
            "checkpoint": {
                "source": checkpoint.source,
                "commit": checkpoint.commit,
                "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in checkpoint.files],
                "limits": asdict(checkpoint.limits),
            },
            "predictor": self.predictor,
        }
        if model_outputs["layers"] is not None:
            result["layers"] = model_outputs["layers"]
            result["neighbours"] = [self._neighbour(place) for place in assessment.neighbours[0].tolist()]
        return result

    @property
    def predictor(self) -> dict[str, str]:
        """What the predictor is called, and its version."""
        config = self.model.config
        return {"name": config.predictor_name, "version": config.predictor_version}

    def _neighbour(self, place: int) -> Neighbour:
        calibration: Calibration = self.model.calibration
        return {"name": calibration.name(place), "test_accuracy": float(calibration.accuracies[place])}


def _interval(ends: Tensor, level: float) -> dict[str, float]:
    low, high = ends[0].tolist()
    return {"low": low, "high": high, "level": level}


def _only_score(output: SnePredictionOutput) -> float:
    assert output.scores is not None
    return float(output.scores[0])


def refusal(source: Source, error: HfSneError) -> Refusal:
    """What stands in the place of the prediction of a checkpoint that cannot be scored."""
    opened = source.source if isinstance(source, Checkpoint) else source
    name = str(opened) if isinstance(opened, (str, PathLike)) else type(source).__name__
    fix = error.fix if isinstance(error, UserError) else ""
    message = error.message if isinstance(error, UserError) else str(error)
    return {
        "refused": {"error": type(error).__name__, "message": message, "fix": fix},
        "checkpoint": {"source": name},
    }


def _last_words(error: Exception) -> str:
    """What an error of the transformers library comes down to, which may hold the tracebacks of all that it tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = lines[-1] if "Traceback" in str(error) else lines[0]
    return (told if len(told) <= _MOST_WORDS else f"{told[:_MOST_WORDS]}...").rstrip(".")


def load_pipeline(
    model: str | None = None, revision: str | None = None, device: str | torch.device | None = None
) -> WeightPerformancePipeline:
    """The pipeline with a predictor of that name, or with the built-in one; on a GPU where there is one.

    Raises:
        UserError: the predictor cannot be loaded.
    """
    import transformers

    from hf_sne.registration import register

    register()
    name = str(BUILT_IN_ENCODER) if model is None else model
    fix = "name a folder or a Hub repo that holds an SNE predictor"
    if not path_exists(name) and not is_repo_id(name):
        raise UserError(f"the predictor {name}: no such folder, and not the name of a Hub repo", fix=fix)
    try:
        pipe: WeightPerformancePipeline = transformers.pipeline(TASK, model=name, revision=revision, device=device)
    except (OSError, ValueError, SafetensorError) as error:
        here = "" if path_exists(name) else "no such folder here, and from the Hub "
        raise UserError(f"the predictor {name}: {here}cannot be loaded: {_last_words(error)}", fix=fix) from error
    return pipe
