import re
from pathlib import Path

import pytest

from crm_utils.report.notebooks import Notebook
from crm_utils.report.progress import BarProgress, LineProgress, progress_for_terminal
from crm_utils.report.results import NotebookResult

NOTEBOOKS = [Notebook(Path(f"0{number}_x.ipynb"), "title", (), code_cells=2) for number in (1, 2)]
SKIPPED = NotebookResult("00_a", "A", "skipped", reason="Needs a table.")
FAILED = NotebookResult("02_x", "X", "failed", seconds=3.2, reason="A cell raised an error.")


def tell(progress):
    progress.start([SKIPPED], NOTEBOOKS)
    for _ in range(9):  # more cells than were counted must not break the bar
        progress.cell()
    progress.notebook(NotebookResult("01_x", "X", "ok", seconds=1.0))
    progress.notebook(FAILED)
    progress.end()


def test_a_bar_counts_notebooks_and_cells_and_names_what_is_not_complete(capsys):
    tell(BarProgress())
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(r"2 of 2 notebooks: 100%.*4/4", shown.err)
    assert "00_a  skipped: Needs a table." in shown.err
    assert "02_x  failed: A cell raised an error." in shown.err
    assert "01_x  ok" not in shown.err


def test_lines_for_everything_else(capsys):
    tell(LineProgress())
    assert capsys.readouterr().err.splitlines() == [
        "00_a  skipped: Needs a table.",
        "01_x  ok (1 s)",
        "02_x  failed (3 s): A cell raised an error.",
    ]


@pytest.mark.parametrize(("terminal", "kind"), [(True, BarProgress), (False, LineProgress)])
def test_a_bar_is_for_terminals_only(monkeypatch, terminal, kind):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert isinstance(progress_for_terminal(), kind)
