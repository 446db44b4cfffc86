"""Mistakes in an instance's configuration: what, where, what to do; no secret is shown."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import sqlalchemy
import yaml
from typer.testing import CliRunner

from synthgrid_assets.cli.command import app
from synthgrid_assets.dagster.runs.configuration import read_sections, telling_mistakes
from synthgrid_assets.dagster.runs.instance import open_instance
from synthgrid_assets.errors import SpecError, StorageError
from synthgrid_assets.settings import project_folder
from synthgrid_assets_tests.dagster.served import PROJECT
from synthgrid_assets_tests.small_world import write_small_world

POSTGRES = (PROJECT / "deploy" / "dagster.postgres.yaml").read_text(encoding="utf-8")
LOCKED = "run_storage: {module: synthgrid_assets.dagster.runs.opening, class: LockedRunStorage"


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    return tmp_path / "dagster.yaml"


MISTAKES = {
    "telemetry: [1\n  hush: }": ["line 2, column 7", "no YAML"],
    "telemetry: \x00": ["no YAML"],
    "- telemetry": ["the file is no mapping"],
    "storage: 3": ["storage is no mapping"],
    "storage: {sqlitee: 3}": [
        '"sqlitee"',
        "storage",
        "known there: custom, mysql, postgres, sqlite",
    ],
    "telemetri: {}": ['"telemetri"', "telemetry"],
    "telemetry: {enabld: hush, of: hush}": ["'enabld', 'of'", "known there: enabled"],
    "telemetry: {on: hush}": ["as True", "quotes"],
    "concurrency: {runs: {max_concurrent_runs: hush}}": ["runs:max_concurrent_runs", "Int"],
    "storage: {sqlite: {base_dir: {env: NEVER_SET}}}": ["NEVER_SET, which is not set; set it"],
    "run_storage: {module: no.such, class: X, config: {}}": ["no module no.such", "install"],
    "run_storage: {module: synthgrid_assets.errors, class: X}": ["has no class X"],
    LOCKED + ", config: {base_dir: 3}}": ["base_dir", "String"],
    LOCKED + "}": ["base_dir", "Missing"],
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_the_file_is_named_with_its_place(file, text):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        open_instance()
    told = str(caught.value)
    assert told.startswith(str(file))
    assert all(part in told for part in MISTAKES[text]), told
    assert "hush" not in told
    assert "\n" not in told
    assert len(told) < 700


def test_what_is_not_text_is_no_yaml(file):
    file.write_bytes(b"telemetry: \xff")
    with pytest.raises(SpecError, match="no YAML: not UTF-8"):
        open_instance()


def test_a_command_ends_with_the_code_of_a_wrong_input(file, tmp_path_factory):
    world = write_small_world(tmp_path_factory.mktemp("world"))
    file.write_text("storage: {sqlitee: 3}", encoding="utf-8")
    done = CliRunner().invoke(app, ["materialize", str(world), "--tiles", "0:1,0:1"])
    assert done.exit_code == 2
    assert "sqlitee" in done.stderr
    assert "Traceback" not in done.output


def test_the_extra_that_brings_a_missing_storage_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)
    file.write_text(POSTGRES, encoding="utf-8")
    with pytest.raises(SpecError, match=r"pip install 'synthgrid_assets\[postgres\]'"):
        open_instance()


def test_the_unset_url_of_a_server_is_named_with_its_form(file):
    pytest.importorskip("dagster_postgres")
    file.write_text(POSTGRES, encoding="utf-8")
    with pytest.raises(SpecError, match=r"DAGSTER_PG_URL.* postgresql\+psycopg2://user:password@"):
        open_instance()


def connect(url):
    """As a storage on a server does when it is opened."""
    with sqlalchemy.create_engine(url).connect():
        pass


@pytest.fixture
def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]  # bound, and nobody listens


@pytest.mark.parametrize("given", ["env", "plain", "parts"])
def test_a_server_that_is_down_is_named_without_the_password(file, monkeypatch, free_port, given):
    pytest.importorskip("psycopg2")
    url = f"postgresql+psycopg2://dagster:hush@127.0.0.1:{free_port}/dagster"
    monkeypatch.setenv("DAGSTER_PG_URL", url)
    parts = {"hostname": "127.0.0.1", "port": free_port, "username": "u", "password": "hush"}
    sections = {
        "env": yaml.safe_load(POSTGRES),
        "plain": {"storage": {"postgres": {"postgres_url": url}}},
        "parts": {"storage": {"postgres": {"postgres_db": parts}}},
    }[given]
    with pytest.raises(StorageError) as caught, telling_mistakes(file, sections):
        connect(url)
    assert f"127.0.0.1:{free_port}" in str(caught.value)
    assert "refused" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("url", ["hush", "nosuch://u:hush@h/d", "postgresql://u:x@h:hush/d"])
def test_what_is_no_url_of_a_server_is_not_shown(file, monkeypatch, url):
    monkeypatch.setenv("DAGSTER_PG_URL", url)
    file.write_text(POSTGRES, encoding="utf-8")
    with pytest.raises(SpecError) as caught, telling_mistakes(file, read_sections(file)):
        connect(url)
    assert "DAGSTER_PG_URL: this is no URL of a database; write postgresql+" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_errors_of_another_kind_are_left_as_they_are(file):
    for error in (ValueError("x"), ImportError("x"), KeyError("x")):
        with pytest.raises(type(error)), telling_mistakes(file, {}):
            raise error


def test_a_relative_home_is_refused_with_the_folder_to_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "here/home")
    monkeypatch.delenv("SYNTHGRID_DATA", raising=False)
    with pytest.raises(SpecError, match=f"set DAGSTER_HOME={tmp_path / 'here' / 'home'}$"):
        open_instance()
    done = CliRunner().invoke(app, ["status", str(write_small_world(tmp_path))])
    assert done.exit_code == 2
    assert not Path("here").exists()


def test_a_home_below_the_user_s_is_found_as_dagster_finds_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "~/dagster")
    assert project_folder() == tmp_path / "dagster"
