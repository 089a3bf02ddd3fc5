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
