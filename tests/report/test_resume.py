"""What is kept and what runs again; the kernels are fake, the rules are not."""

import json
import shutil

import pytest

from crm_utils.errors import ParameterError
from crm_utils.report import resume as resume_module
from crm_utils.report import resume_run, run_report


@pytest.fixture
def workbook(make_notebooks):
    maker = make_notebooks()
    maker.write("01_one")
    maker.write("02_two")
    maker.write("07_survey", needs=["survey"])
    return maker


@pytest.fixture
def company(company_folder, tmp_path):
    return shutil.copytree(company_folder, tmp_path / "shop")


@pytest.fixture
def run(workbook, company, tmp_path, fake_pool):
    fake_pool.failing = {"02_two"}
    run = run_report(notebook_folder=workbook.folder, data=company, parameters={"seed": 3}, out=tmp_path / "run")
    fake_pool.ran.clear()
    fake_pool.failing = set()
    return run


def ran_again(run, fake_pool, **options):
    said = []
    resumed = resume_run(run.folder, say=said.append, **options)
    return resumed, list(fake_pool.ran), said


def test_what_is_complete_is_kept_with_its_headlines_and_what_failed_runs_again(run, fake_pool):
    page = (run.folder / "01_one.html").stat().st_mtime_ns
    resumed, ran, said = ran_again(run, fake_pool)
    assert ran == ["02_two"]
    assert said == ["02_two runs again: it was not complete (failed)."]
    assert [(result.status, result.kept) for result in resumed.results] == [
        ("ok", True),
        ("ok", False),
        ("skipped", False),
    ]
    assert resumed.headlines["value"].tolist() == [3.0, 3.0]
    assert (run.folder / "01_one.html").stat().st_mtime_ns == page
    assert resumed.exit_code == 0
    again, ran, said = ran_again(run, fake_pool)
    assert (ran, said) == (["02_two"], [])
    assert again.index.read_text(encoding="utf-8") == resumed.index.read_text(encoding="utf-8")


def test_a_run_that_was_killed_keeps_what_it_had_finished(run, fake_pool):
    manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["notebooks"]["02_two"]
    manifest |= {"running": True, "process": 2**30}
    (run.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (run.folder / "index.html").unlink()
    resumed, ran, said = ran_again(run, fake_pool)
    assert ran == ["02_two"]
    assert said == ["02_two runs again: it was not complete (not run)."]
    assert resumed.index.exists()


def test_changed_data_run_everything_again(run, company, fake_pool):
    with (company / "order_lines.csv").open("a", encoding="utf-8") as file:
        file.write("9,b,2025-03-01,7,p\n")
    _, ran, said = ran_again(run, fake_pool)
    assert ran == ["01_one", "02_two"]
    assert "01_one runs again: the data have changed." in said


def test_a_changed_notebook_runs_again(run, workbook, fake_pool):
    workbook.write("01_one", ("text", "A sentence more."))
    _, ran, said = ran_again(run, fake_pool)
    assert ran == ["01_one", "02_two"]
    assert "01_one runs again: the notebook has changed." in said


def test_changed_versions_run_everything_again(run, fake_pool, monkeypatch):
    monkeypatch.setattr(resume_module, "package_versions", lambda: {"Python": "9"})
    _, ran, said = ran_again(run, fake_pool)
    assert ran == ["01_one", "02_two"]
    assert "01_one runs again: versions of packages have changed." in said


def test_a_lost_page_is_made_again(run, fake_pool):
    (run.folder / "01_one.html").unlink()
    _, ran, said = ran_again(run, fake_pool)
    assert ran == ["01_one", "02_two"]
    assert "01_one runs again: its files are gone." in said


def test_what_is_no_run_or_still_going_on_is_refused(run, tmp_path, fake_pool):
    with pytest.raises(ParameterError, match="there is no such run"):
        resume_run(tmp_path / "nowhere")
    (tmp_path / "photos").mkdir()
    with pytest.raises(ParameterError, match="no manifest of a report run"):
        resume_run(tmp_path / "photos")
    manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"running": True, "process": 1}
    (run.folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ParameterError, match="still going on, in process 1"):
        resume_run(run.folder)
    (run.folder / "manifest.json").write_text('{"made_by": "crm report", "files": []}', encoding="utf-8")
    with pytest.raises(ParameterError, match="cannot be taken up"):
        resume_run(run.folder)
    assert fake_pool.ran == []


def test_the_runs_own_limits_and_formats_hold_unless_others_are_given(workbook, company, tmp_path, fake_pool):
    run = run_report(notebook_folder=workbook.folder, data=company, out=tmp_path / "r", timeout=9, cell_timeout=2)
    resume_run(run.folder, timeout=8)
    request = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))["request"]
    assert (request["timeout"], request["cell_timeout"]) == (8, 2)
