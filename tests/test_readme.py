"""The README's set-up commands are complete and run in continuous integration; its table is the encoder's results."""

import json
import re
from pathlib import Path

from hf_sne.evaluation.board import read_boards

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def setup_commands() -> list[str]:
    return re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)


def pip_installs(command: str) -> list[str]:
    return re.findall(r"pip install ([^&]*)", command)


def test_there_are_exactly_two_set_up_commands() -> None:
    main_job, tests = setup_commands()
    assert main_job.endswith("&& hf-sne demo")
    assert re.search(r"&& pytest( -\S+( \d+)?)*$", tests)


def test_each_installs_the_project_and_the_tested_torch_in_one_go() -> None:
    for command in setup_commands():
        (install,) = pip_installs(command)
        assert install.startswith("torch==2.13.0 -e ")


def test_nothing_else_in_the_readme_installs_anything() -> None:
    assert README.count("pip install") == len(setup_commands())


def test_continuous_integration_takes_its_command_from_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"grep -E '([^']*)' README.md", script)
    found = [line for line in README.splitlines() if re.search(pattern, line)]
    assert found == [setup_commands()[1]]


def test_relative_links_lead_to_files() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def short(form: str, *values: float) -> str:
    """Figures to two digits without the zero before the point, as the README writes them."""
    return re.sub(r"\b0(?=\.)", "", form.format(*values))


def test_the_table_of_the_built_in_encoder_is_that_of_its_results() -> None:
    results = json.loads((ROOT / "hf_sne" / "assets" / "sne-cross-arch" / "results.json").read_text())
    # Of the groups, those that are the zoos of one data set.
    data = [results["left_out"][name] for name in ("mnist", "fashion_mnist", "svhn", "cifar10")]
    left_out = {zoo: row for group in data for zoo, row in group.items()}
    kinds = ("sne", "weight_statistics")
    taus: list[list[float]] = []
    expected = []
    for zoo, row in results["test"].items():
        found = [row[kind]["kendall_tau"] for kind in kinds], [left_out[zoo][kind]["kendall_tau"] for kind in kinds]
        best = [row["best_third"][kind]["value"] for kind in kinds]
        taus.append([each["value"] for each in found[0]] + best + [each["value"] for each in found[1]])
        test, left = (
            [short("{:.2f} ({:.2f} to {:.2f})", each["value"], each["low"], each["high"]) for each in pair]
            for pair in found
        )
        expected.append([*test, short("{:.2f} / {:.2f}", *best), *left])
    means = [sum(column) / len(column) for column in zip(*taus, strict=True)]
    figures = [short("{:.2f}", mean) for mean in means]
    expected.append([*figures[:2], f"{figures[2]} / {figures[3]}", *figures[4:]])
    table = README[README.index("| test runs of | SNE |") :].split("\n\n")[0].splitlines()[2:]
    assert [[cell.strip() for cell in line.split("|")[2:-1]] for line in table] == expected


def test_the_table_of_all_comparisons_is_that_of_their_results() -> None:
    tasks = ("in-dataset", "cross-dataset", "cross-architecture", "cross-both")
    boards = read_boards([ROOT / "recipes" / task / "results" / "results.json" for task in tasks])
    told = (ROOT / "recipes" / "README.md").read_text()
    assert len(boards) == 2
    for board in boards:
        assert board.markdown() in told


def test_the_table_of_three_seeds_is_that_of_their_results() -> None:
    path = ROOT / "recipes" / "sne-cross-arch" / "results" / "built-in.json"
    averages = json.loads(path.read_text())["averages"]
    names = ("test runs of the zoos", "a data set left out", "a family left out")
    for told, row in zip(names, averages.values(), strict=True):
        other = row["statistics_boosting"]
        figures = [row["sne"]["kendall_tau"], other["kendall_tau"], other["sne_above"]]
        cells = [short("{:.2f} ({:.2f} to {:.2f})", each["value"], each["low"], each["high"]) for each in figures]
        assert f"| {told} | {row['sne']['cells']} | {' | '.join(cells)} |" in README
