import shutil

import pytest

from crm_utils.report import pdf, run_report, writer
from crm_utils.report.pdf import find_browser, print_page

needs_browser = pytest.mark.skipif(not find_browser(), reason="needs Chromium or Chrome")


@needs_browser
def test_a_page_is_printed_and_its_run_lists_the_file(make_notebooks, company_folder, tmp_path):
    maker = make_notebooks()
    maker.write("01_one", ("code", "print('printed')"))
    run = run_report(notebook_folder=maker.folder, data=company_folder, out=tmp_path / "run", formats=["pdf"])
    (result,) = run.results
    assert (result.status, result.pdf_problem) == ("ok", "")
    content = result.pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert '"01_one.pdf"' in (run.folder / "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("program", "message"), [("false", "ended with code 1"), ("sleep", "ended with code 1")])
def test_a_browser_that_prints_nothing_is_named_and_leaves_no_file(tmp_path, program, message):
    page = tmp_path / "p.html"
    page.write_text("<p>x</p>", encoding="utf-8")
    assert message in print_page(page, tmp_path / "p.pdf", browser=shutil.which(program))
    assert list(tmp_path.iterdir()) == [page]


def test_a_browser_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "_SECONDS", 0.2)
    script = tmp_path / "browser"
    script.write_text("#!/bin/sh\nsleep 60\n", encoding="utf-8")
    script.chmod(0o700)
    assert "did not print" in print_page(tmp_path / "p.html", tmp_path / "p.pdf", browser=str(script))


def test_without_a_browser_pages_are_html_only_and_well(
    make_notebooks, company_folder, tmp_path, fake_pool, monkeypatch
):
    monkeypatch.setattr(writer, "find_browser", lambda: "")
    maker = make_notebooks()
    maker.write("01_one")
    run = run_report(notebook_folder=maker.folder, data=company_folder, out=tmp_path / "run", formats=["pdf"])
    assert run.ok
    assert fake_pool.jobs[0]["browser"] == ""
