"""The README's set-up commands are complete, and continuous integration runs the second of them."""

import re
from pathlib import Path

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
