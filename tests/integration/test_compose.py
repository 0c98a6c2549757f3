"""docker-compose.yml, as Compose's own parser understands it, and the files that it mounts. No container is started."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from compose_project import DEPLOY, ROOT, STAYING, WANTED, parse, resolved
from go_programs import built
from outside import program

from undertow.dashboards.grafana import CLICKHOUSE
from undertow.pipelines.settings import load
from undertow.pipelines.simulation import scenario

ROLES = ("topics", *STAYING)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("compose", tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def project(parser: Path) -> dict[str, Any]:
    return resolved(parser, "demo")


@pytest.fixture(scope="module")
def services(project: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = project["services"]
    return found


def test_it_is_a_compose_file_and_the_demo_is_a_profile(parser: Path, services: dict[str, Any]) -> None:
    plain = resolved(parser)["services"]
    assert set(services) - set(plain) == {"demo"}
    assert set(plain) == {*ROLES, "kafka", "clickhouse", "grafana", "prometheus"}


@pytest.mark.parametrize("missing", WANTED)
def test_no_password_is_left_open(parser: Path, missing: str) -> None:
    for value in (None, ""):
        given = {name: "x" for name in WANTED if name != missing} | ({missing: value} if value is not None else {})
        done = parse(parser, given)
        assert done.returncode == 1
        assert f"{missing} is missing a value: make env writes a .env" in done.stderr


def test_make_env_gives_each_variable_a_random_value_of_its_own() -> None:
    texts = [
        subprocess.run([sys.executable, DEPLOY / "make_env.py"], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    values = [value for text in texts for value in re.findall(r"^\w+=(\S{20,})$", text, re.MULTILINE)]
    assert len(values) == len(set(values)) == 2 * len(WANTED)


def test_ports_are_open_on_loopback_only(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 3
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_everything_that_stays_has_a_health_check_a_limit_and_a_restart(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if not int(service.get("mem_limit", 0))] == []
    staying = {name: service for name, service in services.items() if name not in {"topics", "demo"}}
    assert [name for name, service in staying.items() if not service.get("healthcheck", {}).get("test")] == []
    assert {service["restart"] for service in staying.values()} == {"unless-stopped"}


def test_data_outlives_its_container(project: dict[str, Any]) -> None:
    kept = {
        name
        for name, service in project["services"].items()
        for volume in service.get("volumes", [])
        if volume["type"] == "volume"
    }
    assert kept == {"kafka", "clickhouse", "pager", "grafana", "prometheus"}


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    mounts = [volume for service in services.values() for volume in service.get("volumes", [])]
    sources = [Path(volume["source"]) for volume in mounts if volume["type"] == "bind"]
    assert len(sources) > 5
    assert [source for source in sources if not source.exists()] == []


def test_roles_wait_for_what_they_need(services: dict[str, Any]) -> None:
    conditions = {
        name: {other: needed["condition"] for other, needed in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    made = {"topics": "service_completed_successfully"}
    assert conditions["topics"] == {"kafka": "service_healthy"}
    assert conditions["worker"] == conditions["detect"] == conditions["pager"] == conditions["demo"] == made
    assert conditions["store"] == {**made, "clickhouse": "service_healthy"}
    assert conditions["grafana"] == {"clickhouse": "service_healthy"}


def test_every_role_is_a_command_with_one_and_the_same_configuration(services: dict[str, Any]) -> None:
    options = {"store": ["--migrate"]}  # nobody else has made the tables
    assert {name: services[name]["command"] for name in ROLES} == {
        name: [name, *options.get(name, []), "-c", "/data/undertow.toml"] for name in ROLES
    }
    assert {services[name]["image"] for name in ROLES} == {"undertow"}


def test_the_configuration_is_one_that_the_code_takes() -> None:
    settings = load(DEPLOY / "undertow.toml", {"UNDERTOW_STORE__PASSWORD": "s3cret"})
    assert settings.store.url == "http://undertow@clickhouse:8123/undertow"
    assert settings.store.password == "s3cret"  # noqa: S105 (that it arrives)
    raw = tomllib.loads((DEPLOY / "undertow.toml").read_text())
    assert raw["kafka"]["servers"] == ["kafka:9092"]
    assert msgspec.structs.asdict(settings.kafka)["replication"] == 1


def test_the_demo_sends_a_planted_incident(services: dict[str, Any]) -> None:
    (line,) = services["demo"]["command"]
    shell = services["demo"]["entrypoint"]
    assert subprocess.run([*shell, "false | true"], check=False).returncode == 1, "what cannot simulate has succeeded"
    simulate, send = line.split(" | ")
    assert send == "undertow send - -c /data/undertow.toml"
    words = shlex.split(simulate)
    hours, rate, incident = (words[words.index(f"--{option}") + 1] for option in ("hours", "rate", "incident"))
    planted = scenario([incident], float(hours), float(rate), 1, None, texts=True)
    assert planted.incidents[0].at - planted.start == pytest.approx(9_000)


def test_the_reader_of_the_store_only_reads() -> None:
    users = ET.parse(DEPLOY / "clickhouse" / "users.xml").getroot()  # noqa: S314 (our own file)
    named = {user.tag: user for user in users.findall("users/*")}
    assert set(named) == {"default", "undertow", "reader"}
    assert named["default"].get("remove") == "remove"
    passwords = {name: named[name].find("password") for name in ("undertow", "reader")}
    assert {name: found.get("from_env") for name, found in passwords.items() if found is not None} == {
        "undertow": "CLICKHOUSE_PASSWORD",
        "reader": "CLICKHOUSE_READER_PASSWORD",
    }
    assert users.findtext("profiles/reader/readonly") == "1"
    assert users.find("profiles/reader/constraints/max_execution_time/changeable_in_readonly") is not None
    assert all("SELECT" in (grant.text or "") for grant in named["reader"].findall("grants/query"))


def test_grafana_is_given_the_data_source_and_the_boards(services: dict[str, Any]) -> None:
    yaml: Any = import_module("yaml")  # without types
    provisioning = DEPLOY / "grafana" / "provisioning"
    store, metrics = yaml.safe_load((provisioning / "datasources" / "undertow.yaml").read_text())["datasources"]
    assert (store["type"], metrics["type"]) == (CLICKHOUSE, "prometheus")
    assert (store["jsonData"]["host"], store["jsonData"]["username"]) == ("clickhouse", "reader")
    assert store["secureJsonData"] == {"password": "${CLICKHOUSE_READER_PASSWORD}"}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "undertow.yaml").read_text())["providers"]
    targets = {volume["target"]: Path(volume["source"]) for volume in services["grafana"]["volumes"]}
    assert targets[provider["options"]["path"]] == DEPLOY / "grafana" / "dashboards"
    assert CLICKHOUSE in services["grafana"]["environment"]["GF_PLUGINS_PREINSTALL"]


def test_prometheus_takes_its_configuration_and_asks_every_role() -> None:
    file = DEPLOY / "prometheus" / "prometheus.yml"
    checked = subprocess.run(
        [program("prometheus", "promtool"), "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    port = load(DEPLOY / "undertow.toml", {}).kafka.metrics.rpartition(":")[2]
    lookup = file.read_text().partition("dns_sd_configs")[2]  # each container of a service, however many there are
    assert f"names: [{', '.join(STAYING)}]" in lookup
    assert re.findall(r"port: (\d+)", lookup) == [port]
    assert f"127.0.0.1:{port}/metrics" in (ROOT / "docker-compose.yml").read_text()


def test_users_are_known_by_one_name_whichever_worker_counts_them(services: dict[str, Any]) -> None:
    """A container that is made anew has no key file of the one before."""
    assert services["worker"]["environment"]["UNDERTOW_KAFKA__USER_KEY"] == "x"
    assert load(DEPLOY / "undertow.toml", {"UNDERTOW_KAFKA__USER_KEY": "k"}).kafka.user_key == "k"


def test_the_folder_of_a_volume_belongs_to_the_user_of_the_image(services: dict[str, Any]) -> None:
    """Docker makes a volume's folder with root as its owner where the image has none of that name."""
    (kept,) = (one["target"] for one in services["pager"]["volumes"] if one["type"] == "volume")
    assert kept == str(load(DEPLOY / "undertow.toml", {}).folder)
    made = re.search(r"mkdir -p (\S+) && chown -R undertow (\S+)", (ROOT / "Dockerfile").read_text())
    assert made
    assert (made.group(1), kept.startswith(made.group(2))) == (kept, True)


def test_the_image_holds_the_packages_and_nothing_secret() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for folder in ("drift", "alerts", "dashboards", "pipelines"):
        assert f"COPY {folder} {folder}" in dockerfile
        assert f"!{folder}" in (ROOT / ".dockerignore").read_text()
    assert "USER undertow" in dockerfile
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"ARG EXTRAS=(\S+)", dockerfile)[0].split(",")) <= set(extras)
