"""Whole runs with true kernels. Starting one takes seconds: notebooks share runs."""

import ast
import json
import os
import time
from dataclasses import FrozenInstanceError
from pathlib import Path

import nbformat
import psutil
import pytest

from crm_utils.errors import ContractError, ParameterError
from crm_utils.report import backends as backends_module
from crm_utils.report import pool as pool_module
from crm_utils.report import run_report

HOSTILE = {
    "quote": '"; import os #',
    "lines": "a\nb\r\n\tc'''\"\"\"\\",
    "script": "<script>alert(3)</script> {seed} $(rm) %s",
    "chinese": "云杉茶 é \u2028 😀",
    "long": "x'\"" * 3334,
}
BAD_SHAPES = "".join(f'{name}: str = ""  # free text\n' for name in HOSTILE)


def marked_processes(mark):
    """Processes, other than this one, whose environment carries a mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("CRM_TEST_MARK") == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def assert_none_left(mark):
    deadline = time.monotonic() + 3
    while marked_processes(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked_processes(mark) == []


@pytest.fixture(scope="module")
def notebooks(make_notebooks):
    maker = make_notebooks()
    maker.write(
        "03_good",
        ("code", "import os, sys, warnings\nfrom crm_utils import headline, say"),
        ("code", "headline('Revenue', 0.1 + 0.2, unit='GBP', better='higher')\nheadline('=1+1', 2)"),
        ("code", "say('Written by {name}.', name=script)"),
        ("code", "print(ascii([quote, lines, script, chinese, long]))"),
        ("code", "print(sys.executable, os.getcwd(), os.environ['PYTHONHASHSEED'], 'strange' in globals())"),
        ("code", "import matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1), facecolor=None).get_facecolor()"),
        ("code", "warnings.warn('careful')"),
        ("text", "SECRET", "solution"),
        parameters=BAD_SHAPES,
        title="03 · Good (好)",
    )
    maker.write(
        "04_raise",
        ("code", "from crm_utils import headline\nheadline('Before the fall', 1)"),
        ("code", "raise ValueError('no <b>luck</b>')"),
        ("code", "print('NEVER REACHED' * 1)"),
    )
    maker.write(
        "05_kill",
        ("code", "print('so far')"),
        ("code", "import os, subprocess\nsubprocess.Popen(['sleep', '300'])\nos._exit(3)"),
    )
    maker.write("06_exit", ("code", "import sys\nsys.exit()"), ("code", "1 + 1"))
    maker.write("07_survey", ("code", "1"), needs=["survey", "order_lines"])
    return maker.folder


def run_once(notebooks, company_folder, out):
    return run_report(notebook_folder=notebooks, data=company_folder, parameters=HOSTILE, out=out, timeout=300)


@pytest.fixture(scope="module")
def run(notebooks, company_folder, tmp_path_factory):
    """Run on the machine of somebody with settings of all kinds; the second run below is made without them."""
    home = tmp_path_factory.mktemp("home")
    startup = home / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("strange = True", encoding="utf-8")
    (home / "startup.py").write_text("strange = True", encoding="utf-8")
    kernel = home / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text('{"argv": ["false"], "display_name": "x", "language": "python"}')
    (home / "matplotlibrc").write_text("figure.facecolor: red", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRM_TEST_MARK", "first-run")
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.setenv("JUPYTER_PATH", str(home / "jupyter"))
        patch.setenv("PYTHONSTARTUP", str(home / "startup.py"))
        patch.setenv("MATPLOTLIBRC", str(home / "matplotlibrc"))
        patch.setenv("MPLBACKEND", "nonsense")
        patch.setenv("PYTHONHASHSEED", "5")
        return run_once(notebooks, company_folder, tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def results(run):
    return {result.name: result for result in run.results}


def test_each_notebook_ends_as_it_must(run, results):
    assert {name: result.status for name, result in results.items()} == {
        "03_good": "ok",
        "04_raise": "failed",
        "05_kill": "died",
        "06_exit": "failed",
        "07_survey": "skipped",
    }
    assert run.exit_code == 1
    assert not run.ok
    with pytest.raises(FrozenInstanceError):
        run.folder = None


def test_a_cell_that_raises_is_named_and_what_ran_is_kept(results):
    failed = results["04_raise"]
    assert (failed.cell, failed.source) == (3, "raise ValueError('no <b>luck</b>')")
    assert (failed.error, failed.message) == ("ValueError", "no <b>luck</b>")
    assert failed.headlines["name"].tolist() == ["Before the fall"]
    page = failed.page.read_text(encoding="utf-8")
    assert "no &lt;b&gt;luck&lt;/b&gt;" in page
    assert "Before the fall" in page
    executed = nbformat.read(failed.notebook, as_version=4)
    assert [output.output_type for cell in executed.cells for output in cell.get("outputs", ())][-1] == "error"
    assert executed.cells[-1].outputs == []


def test_a_dead_kernel_is_told_from_an_error(results):
    died = results["05_kill"]
    assert (died.cell, died.error) == (3, "DeadKernel")
    assert "os._exit(3)" in died.source
    assert "so far" in died.notebook.read_text(encoding="utf-8")
    assert "ended before its time" in died.page.read_text(encoding="utf-8")


def test_a_notebook_that_ends_itself_early_is_not_complete(results):
    assert (results["06_exit"].error, results["06_exit"].cell) == ("SystemExit", 2)


def test_a_notebook_without_its_table_is_skipped_with_the_reason(results):
    skipped = results["07_survey"]
    assert skipped.reason == "Needs the table survey, which this company does not have; it has order_lines."
    assert skipped.page is None
    assert skipped.ok


def test_no_process_survives_not_even_what_a_dead_kernel_started(run):
    assert_none_left("first-run")


def test_hostile_texts_arrive_as_they_are(results):
    executed = nbformat.read(results["03_good"].notebook, as_version=4)
    printed = next(
        output.text
        for cell in executed.cells
        for output in cell.get("outputs", ())
        if cell.source.startswith("print(ascii") and output.output_type == "stream"
    )
    assert ast.literal_eval(printed) == list(HOSTILE.values())


def test_the_kernel_is_this_interpreter_in_the_notebooks_folder_without_the_users_settings(results, notebooks):
    import sys

    text = results["03_good"].notebook.read_text(encoding="utf-8")
    assert f"{sys.executable} {notebooks.resolve()} 0 False" in text
    assert "(1.0, 1.0, 1.0, 1.0)" in text


def test_customer_data_is_text_in_every_file(run):
    for path in run.folder.glob("*.html"):
        content = path.read_text(encoding="utf-8")
        assert "<script>alert" not in content
        assert "&lt;script&gt;alert(2)&lt;/script&gt; &amp; Co" in content
    assert "&lt;script&gt;alert(3)" in (run.folder / "03_good.html").read_text(encoding="utf-8")
    assert "SECRET" not in (run.folder / "03_good.html").read_text(encoding="utf-8")


def test_headlines_in_full_precision_and_formula_safe(run):
    assert (run.folder / "headlines.csv").read_bytes().decode() == (
        "notebook,name,value,low,high,unit,better,previous,previous_label\r\n"
        "03_good,Revenue,0.30000000000000004,,,GBP,higher,,\r\n"
        "03_good,'=1+1,2,,,,,,\r\n"
        "04_raise,Before the fall,1,,,,,,\r\n"
    )
    assert run.headlines["value"].tolist() == [0.1 + 0.2, 2, 1]


def test_the_index_has_everything_and_links_to_what_exists(run, results):
    import re

    index = run.index.read_text(encoding="utf-8")
    for result in results.values():
        assert result.reason.replace("'", "&#39;") in index
    for part in (
        "03 · Good",
        "好",
        "Revenue",
        "0.3",
        "no customer id",
        "raise ValueError",
        "amounts in GBP",
        "Returns",
    ):
        assert part in index
    links = set(re.findall(r'href="([^"#:]+)"', index))
    assert links == {path.name for path in run.folder.iterdir()} - {"index.html"}


def test_the_manifest_tells_how_it_was_made(run, company_folder):
    manifest = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    (set_aside,) = manifest["data"]["set_aside"]
    assert (set_aside["reason"], set_aside["rows"], set_aside["share"]) == ("no customer id", 1, 0.25)
    assert manifest["parameters"]["03_good"]["long"] == HOSTILE["long"]
    assert manifest["parameters"]["04_raise"] == {"data": str(company_folder), "as_of": "", "seed": 7}
    assert manifest["seed"] == 7
    assert manifest["notebooks"]["04_raise"]["status"] == "failed"
    assert manifest["notebooks"]["03_good"]["seconds"] > 0
    assert manifest["running"] is False
    assert sorted(manifest["files"]) == sorted(path.name for path in run.folder.iterdir())
    assert {"Python", "pandas", "papermill"} <= manifest["versions"].keys()


def test_the_same_inputs_give_the_same_bytes_and_replace_only_what_is_listed(run, notebooks, company_folder, tmp_path):
    out = tmp_path / "again"
    out.mkdir()
    manifest = {"made_by": "crm report", "files": ["99_old.html", "../outside.html", "manifest.json"]}
    (out / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for path in (out / "99_old.html", out / "mine.txt", tmp_path / "outside.html"):
        path.write_text("x", encoding="utf-8")
    run_once(notebooks, company_folder, out)
    assert not (out / "99_old.html").exists()
    assert (out / "mine.txt").exists()
    assert (tmp_path / "outside.html").exists()
    names = sorted(path.name for path in run.folder.iterdir())
    assert sorted(path.name for path in out.iterdir()) == sorted([*names, "mine.txt"])
    for name in names:
        if name != "manifest.json":
            assert (out / name).read_bytes() == (run.folder / name).read_bytes(), name


def test_what_hangs_is_stopped_in_time_and_what_is_well_is_complete(
    make_notebooks, company_folder, tmp_path, monkeypatch
):
    maker = make_notebooks()
    maker.write("01_loop", ("code", "print('so far')"), ("code", "while True:\n    pass"))
    maker.write("02_sleep", ("code", "import time\ntime.sleep(1000)"))
    # A worker that does not answer any more, and one that is gone: the parent has to see to it.
    maker.write(
        "03_stop",
        ("code", "import os, signal, time\nprint('so far')\ntime.sleep(2.1)"),
        ("code", "os.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(1000)"),
    )
    maker.write("04_orphan", ("code", "import os, signal, time\nos.kill(os.getppid(), 9)\nwhile True: pass"))
    maker.write("05_well", ("code", "print('well')"))
    monkeypatch.setattr(pool_module, "_GRACE_SECONDS", 2.0)
    monkeypatch.setenv("CRM_TEST_MARK", "hanging")
    started = time.monotonic()
    run = run_report(
        ["5", "1", "2", "3", "4"],
        notebook_folder=maker.folder,
        data=company_folder,
        out=tmp_path / "r",
        jobs=5,
        timeout=10,
    )
    assert time.monotonic() - started < 60
    assert_none_left("hanging")
    results = {result.name: result for result in run.results}
    assert {name: result.status for name, result in results.items()} == {
        "01_loop": "timeout",
        "02_sleep": "timeout",
        "03_stop": "timeout",
        "04_orphan": "died",
        "05_well": "ok",
    }
    assert (results["01_loop"].cell, results["01_loop"].source) == (3, "while True:\n    pass")
    assert "so far" in results["01_loop"].page.read_text(encoding="utf-8")
    assert results["02_sleep"].cell == results["04_orphan"].cell == 2
    assert "kill(os.getppid(), 9)" in results["04_orphan"].source
    assert (results["03_stop"].cell, results["03_stop"].source[:8]) == (3, "os.kill(")
    stopped = results["03_stop"].page.read_text(encoding="utf-8")
    assert "Stopped after 10 seconds" in stopped
    assert '<pre class="output" tabindex="0">so far' in stopped
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]


def test_a_cell_has_a_time_limit_of_its_own(make_notebooks, company_folder, tmp_path):
    maker = make_notebooks()
    waits = [("code", f"import time\nprint({number})\ntime.sleep(1.2)") for number in range(3)]
    maker.write("01_slow", *waits, ("code", "time.sleep(1000)"))
    run = run_report(notebook_folder=maker.folder, data=company_folder, out=tmp_path / "r", cell_timeout=2)
    (result,) = run.results
    assert (result.status, result.cell, result.source) == ("timeout", 5, "time.sleep(1000)")
    assert result.reason == "Stopped in a cell that took more than 2 seconds, the time limit of one cell."
    assert 3.6 < result.code_seconds < result.seconds


@pytest.fixture
def no_kernel(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a worker was started")

    monkeypatch.setattr(backends_module, "Pool", refuse)
    monkeypatch.setattr(backends_module, "can_fork", lambda: False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"quot": "x"}}, "no parameter 'quot'.*Did you mean 'quote'"),
        ({"parameters": {"seed": "seven"}}, "seed must be a whole number"),
        ({"notebooks": ["god"]}, "Did you mean 'good'"),
        ({"per_notebook": {"33": {"seed": 1}}}, "per-notebook parameters: no notebook '33'"),
        ({"per_notebook": {"03": {"data": "x"}}}, "one run has one company"),
        ({"parameters": {"data": "/elsewhere"}}, "given twice"),
        ({"timeout": 0}, "timeout must be"),
        ({"jobs": 0}, "jobs must be"),
    ],
)
def test_bad_input_stops_before_any_kernel_and_leaves_no_folder(
    notebooks, company_folder, tmp_path, no_kernel, options, message
):
    out = tmp_path / "out"
    with pytest.raises(ParameterError, match=message):
        run_report(**{"notebook_folder": notebooks, "data": company_folder, "out": out, **options})
    assert not out.exists()


def test_bad_data_stop_before_any_kernel(notebooks, tmp_path, no_kernel):
    (tmp_path / "order_lines.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,yesterday,3 pcs\n")
    with pytest.raises(ContractError, match="2 problems"):
        run_report(notebook_folder=notebooks, data=tmp_path, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_refused(notebooks, company_folder, tmp_path, no_kernel):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ParameterError, match="not of a report run"):
        run_report(notebook_folder=notebooks, data=company_folder, out=tmp_path)
    with pytest.raises(ParameterError, match="is a file"):
        run_report(notebook_folder=notebooks, data=company_folder, out=tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_runs_are_named_by_their_time_and_never_share_a_folder(monkeypatch, tmp_path):
    from crm_utils.report.output import RunFolder

    (tmp_path / "reports").mkdir()
    monkeypatch.setattr("crm_utils.paths.HOME", tmp_path)
    folders = [RunFolder.make(None).path for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.parent == tmp_path / "reports" / "runs" for folder in folders)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    from crm_utils.report.output import write_atomic

    path = tmp_path / "index.html"
    write_atomic(path, "old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_that_finds_too_little_data_is_skipped_with_the_reason(make_notebooks, company_folder, tmp_path):
    maker = make_notebooks()
    maker.write(
        "01_floor",
        (
            "code",
            "from crm_utils import check_floor, headline\nheadline('Customers', 2)\ncheck_floor('customers', 2, 30)",
        ),
    )
    run = run_report(data=company_folder, notebook_folder=maker.folder, out=tmp_path / "run")
    (result,) = run.results
    assert (result.status, result.reason) == ("skipped", "Needs at least 30 customers; this company has 2.")
    assert result.page is None
    assert run.exit_code == 0
    assert run.headlines.empty
    assert "Needs at least 30 customers" in run.index.read_text(encoding="utf-8")
