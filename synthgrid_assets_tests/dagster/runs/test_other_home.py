"""Which instance the UI of a folder shows: as `dagster dev` itself decides."""

import pytest

from synthgrid_assets.dagster.runs.other_home import other_home

ENV = "# of the project\nDAGSTER_HOME=${PWD}\n"


@pytest.mark.parametrize(
    ("own", "text", "other"),
    [
        ("elsewhere", ENV, True),
        (".", ENV, False),
        ("elsewhere", "SYNTHGRID_WORLDS=worlds\n", False),
        ("elsewhere", None, False),
        (None, ENV, False),
    ],
)
def test_the_home_of_a_folder_is_told_if_it_is_another(tmp_path, monkeypatch, own, text, other):
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    if own is not None:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / own))
    if text is not None:
        (tmp_path / ".env").write_text(text)
    assert other_home(tmp_path) == (str(tmp_path) if other else "")
