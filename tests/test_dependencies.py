"""Imports point one way, and a model's folder can travel alone."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hf_sne"

# A package may import packages of its own level or of one below, never of one above. Training reads zoos, so a zoo
# stands beside it; models stand below both.
LEVELS = {
    "version": 0,
    "errors": 0,
    "limits": 0,
    "escape": 0,
    "optional": 0,
    "cards": 0,
    "weights": 1,
    "models": 2,
    "zoo": 3,
    "training": 3,
    "evaluation": 3,
    "pipelines": 4,
    "hub": 5,
    "cli": 6,
}
# What runs at `import hf_sne` knows every part, in order to name and register them.
FRONT_DOOR = {"", "registration"}
FILES = sorted(PACKAGE.rglob("*.py"))
# What holds a modeling file travels with the weights as remote code.
MODEL_FOLDERS = {modeling.parent for modeling in (PACKAGE / "models").glob("*/modeling_*.py")}
MODEL_FILES = sorted(file for folder in MODEL_FOLDERS for file in folder.glob("*.py"))


def part_of(file: Path) -> str:
    """The first name below hf_sne: ``weights``, ``errors``, ...; empty for hf_sne/__init__.py."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0].removesuffix("__init__")


def imported_modules(file: Path) -> Iterator[str]:
    """Absolute names of every import in the file, those inside functions too."""
    package = ["hf_sne", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_parts(file: Path) -> set[str]:
    names = {module.split(".")[1] for module in imported_modules(file) if module.startswith("hf_sne.")}
    return names - {part_of(file)} - FRONT_DOOR


def test_the_scan_sees_the_package() -> None:
    assert PACKAGE / "models" / "sne" in MODEL_FOLDERS
    assert {"cli", "zoo", "errors"} <= {part_of(file) for file in FILES}
    assert "errors" in imported_parts(PACKAGE / "cli" / "__init__.py")
    assert "zoo" in imported_parts(PACKAGE / "cli" / "demo.py"), "imports inside functions count"


@pytest.mark.parametrize(
    "file", [file for file in FILES if part_of(file) not in FRONT_DOOR], ids=lambda file: str(file.name)
)
def test_imports_never_point_up(file: Path) -> None:
    for target in imported_parts(file):
        assert LEVELS[target] <= LEVELS[part_of(file)], f"{part_of(file)} must not import {target}"


def test_no_two_packages_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for file in FILES:
        if part_of(file) not in FRONT_DOOR:
            graph.setdefault(part_of(file), set()).update(imported_parts(file))
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("file", MODEL_FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_model_folder_imports_siblings_and_third_parties_alone(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"line {node.lineno}: only the folder itself travels with the weights"
            assert node.module, f"line {node.lineno}: transformers copies `from .sibling import name` alone"
            assert "." not in node.module, f"line {node.lineno}: transformers copies flat folders alone"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not any(name.split(".")[0] == "hf_sne" for name in names), f"line {node.lineno}: imports hf_sne"
