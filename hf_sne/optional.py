"""Packages that only some work needs: asked for before the work begins."""

from importlib.util import find_spec

from hf_sne.errors import UserError


class MissingPackageError(UserError):
    """An optional package is not installed; the message names the extra that brings it."""


def require(package: str, work: str, extra: str) -> None:
    """Refuse ``work`` where ``package`` is not installed.

    Raises:
        MissingPackageError: naming the extra of hf-sne that installs it.
    """
    if find_spec(package) is None:
        raise MissingPackageError(
            f"{work} needs {package}, which is not installed", fix=f"pip install 'hf-sne[{extra}]'"
        )
