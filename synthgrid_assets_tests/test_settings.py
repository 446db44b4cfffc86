"""Where things are by default."""

from __future__ import annotations

import os

import pytest

from synthgrid_assets import settings
from synthgrid_assets.errors import PrivacyError
from synthgrid_assets.inputs.remote import http_ranges


@pytest.fixture
def no_home(monkeypatch):
    """As in a container whose user is in no list of users."""
    for variable in ("HOME", "XDG_DATA_HOME", "SYNTHGRID_LEDGER", "NETRC"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)


@pytest.mark.usefixtures("no_home")
def test_a_ledger_without_a_place_is_refused_with_the_remedy(tmp_path, monkeypatch):
    with pytest.raises(PrivacyError, match="no home directory; set SYNTHGRID_LEDGER"):
        settings.privacy_ledger()
    monkeypatch.setenv("SYNTHGRID_LEDGER", str(tmp_path / "ledger.sqlite"))
    assert settings.privacy_ledger() == str(tmp_path / "ledger.sqlite")


@pytest.mark.usefixtures("no_home")
def test_no_home_holds_no_passwords():
    assert http_ranges._login("https://example.com/a.tif") == {}
