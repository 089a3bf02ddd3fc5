"""The code of this folder travels with the weights, so that they load where the package is not installed.

A saved model or processor names its classes in ``auto_map``, as transformers looks for them with
``trust_remote_code=True``. That takes flat files which import nothing but each other and published packages.
"""

import os
from pathlib import Path
from shutil import copyfile

MODEL_CLASSES = {
    "AutoConfig": "configuration_sne.SneConfig",
    "AutoModel": "modeling_sne.SneModel",
    "AutoModelForSequenceClassification": "modeling_sne.SneForPerformancePrediction",
}
PROCESSOR_CLASSES = {
    "AutoFeatureExtractor": "processing_sne.SneProcessor",
    "AutoProcessor": "processing_sne.SneProcessor",
}


def copy_code(folder: str | os.PathLike[str]) -> None:
    """Copy the files of this module's own folder, wherever that is: in the package, or where it travelled to."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for source in Path(__file__).parent.glob("*.py"):
        target = Path(folder) / source.name
        if source.name != "__init__.py" and source.resolve() != target.resolve():
            copyfile(source, target)


def has_traveled(module: str) -> bool:
    """Whether a module of that name was loaded with the weights, and not from the installed package."""
    return module.startswith("transformers_modules.")
