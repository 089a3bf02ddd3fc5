"""Why a checkpoint that could be read is not scored: one class a rule."""

from hf_sne.errors import CheckpointError


class NothingToScoreError(CheckpointError):
    """No tensor holds floating-point weights, or all of them are zero."""

    rule = "a checkpoint must hold floating-point weights that are not all zero"
    advice = "name the file with the trained weights; see what was read with: hf-sne inspect"


class NonFiniteWeightsError(CheckpointError):
    """The network has diverged or the file is damaged: its outputs would be NaN."""

    rule = "every weight must be a finite float32 number"
    advice = "take an earlier checkpoint of the run, or count the network as failed"


class OutOfDistributionError(CheckpointError):
    """The network is unlike those that the predictor was trained on, and only familiar ones were asked for."""

    rule = "the network's code must lie as near the training zoo as the zoo's own networks do (strict)"
    advice = "score it without strict: nothing is promised of such a score"
