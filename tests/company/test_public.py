"""Public data sets: pinned by hash, read as published, left as folders that load."""

import pytest

from crm_utils.company import check_company
from crm_utils.company.public import (
    MOBI_CONSTRUCTS,
    PUBLIC_FILES,
    fetch_cdnow_sample,
    fetch_company,
    fetch_mobi,
    fetch_rossi,
)
from crm_utils.errors import CrmError


def test_cdnow_is_the_published_sample(public_data):
    """Fader & Hardie (2001): 2,357 customers, purchases from January 1997 to June 1998."""
    public_data("cdnow_sample")
    lines = fetch_cdnow_sample()
    assert len(lines) == 6919
    assert lines["customer_id"].nunique() == 2357
    assert lines["customer_id"].iloc[0] == "00004"
    assert f"{lines['ordered_at'].min():%Y-%m} {lines['ordered_at'].max():%Y-%m}" == "1997-01 1998-06"


def test_mobi_is_the_published_survey(public_data):
    """Tenenhaus et al. (2005): 250 answers to 24 items, all from 1 to 10."""
    public_data("mobi")
    survey = fetch_mobi().set_index("response_id")
    assert survey.shape == (250, 24)
    assert {item for items in MOBI_CONSTRUCTS.values() for item in items} == set(survey.columns)
    assert survey.min().min() >= 1
    assert survey.max().max() <= 10


def test_rossi_is_the_published_experiment(public_data):
    """Rossi, Berk & Lenihan (1980): 432 released prisoners, 114 arrested again within 52 weeks."""
    public_data("rossi")
    people = fetch_rossi()
    assert len(people) == 432
    assert people["arrest"].sum() == 114
    assert people["week"].max() == 52


@pytest.mark.parametrize(("name", "table", "rows"), [("cdnow_sample", "order_lines", 6919), ("mobi", "survey", 250)])
def test_a_fetched_company_loads_with_no_row_lost(public_data, tmp_path, name, table, rows):
    public_data(name)
    check = check_company(fetch_company(name, tmp_path / name))
    assert check.ok
    assert check.tables == {table: rows}
    assert check.set_aside.empty
    assert check.unused_files == ()


def test_a_file_that_was_changed_is_not_taken(public_data, tmp_path, monkeypatch):
    """A spoilt copy is fetched again, and here there is nowhere to fetch it from."""
    public_data("mobi")
    spoilt = tmp_path / PUBLIC_FILES["mobi"].file
    spoilt.write_text("changed\n")
    monkeypatch.setenv("CRM_UTILS_CACHE", str(tmp_path))
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", _no_network)
    with pytest.raises(CrmError, match="mobi could not be had: no network"):
        fetch_mobi()


def _no_network(*_arguments, **_options):
    raise OSError("no network")


def test_without_file_and_network_the_message_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_UTILS_CACHE", str(tmp_path))
    monkeypatch.setattr("pooch.HTTPDownloader.__call__", _no_network)
    with pytest.raises(CrmError, match=r"put it as 'rossi.csv' into a folder, and set CRM_UTILS_CACHE"):
        fetch_rossi()


@pytest.mark.parametrize(
    ("name", "message"), [("cdnow_sampel", "did you mean 'cdnow_sample'"), ("rossi", r"read it with fetch_rossi\(\)")]
)
def test_names_that_are_no_company(tmp_path, name, message):
    with pytest.raises(CrmError, match=message):
        fetch_company(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()
