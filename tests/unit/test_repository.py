"""The repository is what its documents, its package list and its lock say."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import msgspec
import pytest
import typer.main
from packaging.requirements import Requirement

from undertow.pipelines.check import inspect_file
from undertow.pipelines.cli import app
from undertow.pipelines.queries import QUERIES
from undertow.pipelines.settings import (
    Alertmanager,
    Alerts,
    Apprise,
    Budget,
    Detection,
    Email,
    Embeddings,
    Fleet,
    Grafana,
    Health,
    Hooks,
    Ingest,
    Kafka,
    Link,
    OwnMetric,
    PagerDuty,
    Price,
    Route,
    Rule,
    Settings,
    Silence,
    Slack,
    Store,
    Watchdog,
    Webhook,
    parse,
)

ROOT = Path(__file__).parents[2]
FOLDERS = ("drift", "alerts", "dashboards", "pipelines")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMANDS = {  # → its options
    name: {option for parameter in command.params for option in parameter.opts}
    for name, command in typer.main.get_command(app).commands.items()  # type: ignore[attr-defined]
}
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]


# -- packaging --------------------------------------------------------------------------------------------------------


def test_every_folder_with_code_is_a_package_of_the_wheel() -> None:
    folders = {path.parent.relative_to(ROOT) for path in sources()}
    expected = {f"undertow.{'.'.join(folder.parts)}": folder.as_posix() for folder in folders}
    listed = PROJECT["tool"]["setuptools"]
    assert sorted(listed["packages"]) == sorted(expected)
    assert listed["package-dir"] == expected


def test_the_wheel_holds_every_file_of_the_folders(tmp_path: Path) -> None:
    """A copy is built, since building leaves its traces."""
    for name in (*FOLDERS, "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, tmp_path / "source" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", tmp_path, tmp_path / "source"], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("undertow-")}
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    assert held == {f"undertow/{path.relative_to(ROOT).as_posix()}" for path in files if path.is_file()}


def _name(requirement: str) -> str:
    return re.split(r"[<>=!~ ;\[]", requirement)[0].lower().replace("_", "-")


def _holds_here(requirement: str) -> bool:
    """Tell whether a requirement is one on this machine: some are for other processors."""
    marker = Requirement(requirement).marker
    return marker is None or marker.evaluate()


def _imported() -> set[str]:
    """Return the distributions that the code imports itself."""
    modules: set[str] = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    homes = packages_distributions()
    return {_name(homes[m][0]) for m in modules - set(sys.stdlib_module_names) - {"undertow"}}


def test_what_is_imported_is_a_dependency_and_nothing_else_is() -> None:
    imported = {name.replace("chdb-core", "chdb") for name in _imported()}  # `chdb` brings the module of `chdb-core`
    project = PROJECT["project"]
    here = [requirement for requirement in project["dependencies"] if _holds_here(requirement)]
    extra = {_name(requirement) for needed in project["optional-dependencies"].values() for requirement in needed}
    assert {_name(requirement) for requirement in here} == imported - extra


def test_every_dependency_has_a_lower_bound_and_a_pin() -> None:
    requirements = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    lock = (ROOT / "requirements.lock").read_text()
    pinned = {_name(line) for line in lock.splitlines() if re.match(r"[\w.-]+==", line)}
    assert [requirement for requirement in requirements if ">=" not in requirement] == []
    assert {_name(requirement) for requirement in requirements} <= pinned
    assert "://" not in lock


# -- documents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text()
    named = re.findall(r"`((?:drift|alerts|dashboards|pipelines|tests|docs)/[\w/.]*)[:`]", text)
    linked = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert len(named) > 40 or document.name != "ARCHITECTURE.md"
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert [link for link in linked if not (document.parent / link).exists()] == []


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each `undertow COMMAND …` of the code in a document, with the options that it is given."""
    code = [*re.findall(r"`(undertow [^`]+)`", text), *"".join(blocks(text, "sh")).splitlines()]
    for line in code:
        for words in re.findall(r"\bundertow ([a-z]+(?: [^#|&]*)?)", line):
            name, *rest = words.split()
            yield name, [word for word in rest if word.startswith("-") and word != "-"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_that_a_document_names_exist(document: Path) -> None:
    for name, options in _commands(document.read_text()):
        assert name in COMMANDS
        assert set(options) <= COMMANDS[name] | {"--help"}


def test_readme_names_every_command_but_those_that_list() -> None:
    named = {name for name, _ in _commands(README)}
    assert set(COMMANDS) - named <= {"incidents"}


def test_make_has_every_target_that_a_document_names() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"(?:^|`)make ([a-z-]+)", document.read_text(), re.MULTILINE)) <= targets, document


def test_readme_shows_queries_that_the_tests_run() -> None:
    shown = [block.strip() for block in blocks(README, "sql")]
    found = [query for query in QUERIES.values() if query.sql in shown]
    assert len(found) == len(shown) == 5
    assert [query.title for query in found if f"{query.title}:\n" not in _unwrapped(README)] == []


def _unwrapped(text: str) -> str:
    return re.sub(r"(?<=\S)\n(?=[a-z0-9])", " ", text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_configurations_that_a_document_shows_are_accepted(document: Path, tmp_path: Path) -> None:
    for block in blocks(document.read_text(), "toml"):
        for name in re.findall(r'"/run/secrets/(\w+)"', block):
            (tmp_path / name).write_text("0123456789abcdef0123456789abcdef")
        whole = re.sub(r"^# (?=\w+ = )", "", block, flags=re.MULTILINE)  # what is commented out must be right, too
        assert parse(whole.replace("/run/secrets", str(tmp_path))) != Settings()


def test_the_log_of_readme_gets_the_map_of_readme(tmp_path: Path) -> None:
    record = json.loads(blocks(README, "json")[0])
    lines = [{**record, "request_id": f"r-{n}", "ts": f"2026-03-01T09:30:{n:02}Z"} for n in range(60)]
    log = tmp_path / "app.log"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = inspect_file(log)
    assert report.readable == 60
    assert report.proposal == tomllib.loads(blocks(README, "toml")[0])["ingest"]["fields"]


# -- docs/configuration.md --------------------------------------------------------------------------------------------

CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "Top level": Settings,
    "[ingest]": Ingest,
    "[detection]": Detection,
    "[budget]": Budget,
    "[alerts]": Alerts,
    "[alerts.health]": Health,
    "[alerts.watchdog]": Watchdog,
    "[alerts.pagerduty]": PagerDuty,
    "[alerts.alertmanager]": Alertmanager,
    "[alerts.slack]": Slack,
    "[alerts.email]": Email,
    "[alerts.webhook]": Webhook,
    "[alerts.apprise]": Apprise,
    "[[alerts.routes]]": Route,
    "[[alerts.silences]]": Silence,
    "[[alerts.links]]": Link,
    "[store]": Store,
    "[kafka]": Kafka,
    "[grafana]": Grafana,
    "[hooks]": Hooks,
    "[metrics.NAME]": OwnMetric,
    "[rules.NAME]": Rule,
    "[fleet]": Fleet,
    "[embeddings]": Embeddings,
    '[prices."MODEL"]': Price,
}


def _documented(section: str) -> dict[str, str]:
    """Return the settings of a section with what the document gives as their default."""
    body = CONFIGURATION.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", body, re.MULTILINE))


def _cell(field: msgspec.structs.FieldInfo) -> str:
    """Return what the document shows of a default: TOML, – for none."""
    made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if made is msgspec.NODEFAULT:
        return "required"
    return "–" if made is None else f"`{json.dumps(made)}`"


TOP = [
    "ingest",
    "detection",
    "budget",
    "alerts",
    "store",
    "kafka",
    "grafana",
    "hooks",
    "metrics",
    "rules",
    "fleet",
    "embeddings",
    "prices",
]
TABLES = {"Top level": TOP, "[alerts]": ["health"]}  # settings that are tables of their own


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_documented_with_its_default(section: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(SECTIONS[section])}
    tables = TABLES.get(section, ())
    assert _documented(section) == {name: _cell(field) for name, field in fields.items() if name not in tables}


# -- manners ----------------------------------------------------------------------------------------------------------


def test_continuous_integration_runs_the_tests_and_nothing_after_them() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().rstrip().endswith("exec make test")


def test_no_file_names_a_machines_folder() -> None:
    forbidden = re.compile("/" + r"(?:work|home|root|tmp/dev)/")
    text_files = [path for folder in (*FOLDERS, "tests", "docs", ".ci") for path in (ROOT / folder).rglob("*.*")]
    text_files += [path for path in ROOT.iterdir() if path.is_file()]
    read = [path for path in text_files if path.suffix not in {".png", ".pyc", ".npy"} and path.is_file()]
    assert [path for path in read if forbidden.search(path.read_text(encoding="utf-8"))] == []
