"""Workflows, hooks and templates of the repository: every command and file that they name exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def steps(workflow: Path) -> list[dict[str, Any]]:
    return [step for job in load(workflow)["jobs"].values() for step in job.get("steps", ())]


def make_targets(command: str) -> list[str]:
    """The targets that a command line has make build."""
    words = command.split()
    return [word for word in words[words.index("make") + 1 :] if "=" not in word] if "make" in words else []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_call_targets_that_exist(workflow: Path) -> None:
    called = {target for step in steps(workflow) for target in make_targets(step.get("run", ""))}
    assert called
    assert called <= TARGETS


def test_the_gate_calls_targets_that_exist() -> None:
    lines = [line.split("||")[0] for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make")]
    assert {target for line in lines for target in make_targets(line)} <= TARGETS


def test_the_workflow_checks_every_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert load(ROOT / ".github" / "workflows" / "check.yml")["jobs"]["check"]["strategy"]["matrix"]["python"] == named


def test_only_the_job_that_publishes_may_ask_for_an_identity() -> None:
    for workflow in WORKFLOWS:
        content = load(workflow)
        assert content["permissions"] == {"contents": "read"}
        elevated = {name for name, job in content["jobs"].items() if "permissions" in job}
        assert elevated <= {"publish"}


def test_every_job_has_a_time_limit() -> None:
    jobs = [job for workflow in WORKFLOWS for job in load(workflow)["jobs"].values() if "uses" not in job]
    assert all("timeout-minutes" in job for job in jobs)


def test_hooks_use_the_tools_of_the_environment() -> None:
    """A hook with a version of its own would judge otherwise than `make check`."""
    hooks = [hook for repo in load(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert all(hook["language"] == "system" for hook in hooks)
    checks = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    assert all(hook["entry"].split(" --force-exclude")[0] in checks for hook in hooks)
