"""The files of `deploy/`: what they start exists and takes these arguments."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import sqlalchemy
import yaml

from synthgrid_assets import settings

DEPLOY = Path(__file__).parents[1] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def parsed(command):
    """Have a program's own parser read a command line, without running it."""
    program, *arguments = command
    arguments = [word.replace("/srv/dagster", str(DEPLOY.parent)) for word in arguments]
    (found,) = entry_points(group="console_scripts", name=program)
    if program == "dask":
        pytest.importorskip("distributed", reason="the extra `dask` is not installed")
        (found,) = entry_points(group="dask_cli", name=arguments.pop(0))
    main = found.load()
    if program.startswith("dagster"):  # functions that call a group of commands
        module = __import__(found.module, fromlist=["cli"])
        main = module.create_dagster_daemon_cli() if "daemon" in program else module
        main = getattr(main, "dagster_webserver", main)
    if arguments and arguments[0] in getattr(main, "commands", {}):
        main = main.commands[arguments.pop(0)]
    return main.make_context(program, arguments).params


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_services_starts_a_program_with_arguments_that_it_takes(name):
    assert parsed(OURS[name]["command"])


def test_services_need_only_services_volumes_and_files_that_there_are():
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_dir()
    copied = re.findall(r"^COPY (.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (DEPLOY.parent / source).exists(), source


def test_our_services_agree_and_set_variables_that_are_read():
    known = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}
    environments = [service["environment"] for service in OURS.values()]
    assert all(environment == environments[0] for environment in environments)
    ours = {name for name in environments[0] if name.startswith("SYNTHGRID_")}
    assert ours == {name for name in ours if name in known}
    assert environments[0]["SYNTHGRID_EXECUTOR"] == f"dask://{OURS['worker']['command'][2]}"


def test_dagsters_database_is_reached_by_a_driver_that_its_package_brings():
    """Of those of SQLAlchemy; which one is taken where none is named differs by its version."""
    pytest.importorskip("psycopg2", reason="the extra `postgres` is not installed")
    for name in ("compose.yaml", "dagster.postgres.yaml"):
        text = re.sub(r"\$\{[^}]*\}", "secret", (DEPLOY / name).read_text(encoding="utf-8"))
        (address,) = re.findall(r"postgresql\S+/dagster\b", text)
        assert sqlalchemy.create_engine(address).driver == "psycopg2"


def test_no_password_stands_in_a_file():
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if re.search(r"PASSWORD|SECRET|KEY_ID|postgresql://", line) and not line.startswith("#"):
            assert "${" in line
