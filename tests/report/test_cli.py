import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from crm_utils.report.cli import main


@pytest.fixture
def crm(monkeypatch, make_notebooks, tmp_path):
    """Call ``crm`` on a small workbook in a folder of its own."""
    home = tmp_path / "workbook"
    maker_folder = home / "notebooks"
    (home / "reports" / "specs").mkdir(parents=True)
    (home / "reports" / "specs" / "nightly.yml").write_text("sweep: {bins: [3, 4]}\nformats: [html]\n")
    maker = type(make_notebooks())(maker_folder)
    maker.write("00_start", title="00 · Getting started", parameters='note: str = ""  # free text\n')
    maker.write("03_value", parameters="bins: int = 5  # score bins\n", title="03 · Value")
    maker.write("07_satisfaction", needs=["survey"], title="07 · Satisfaction")
    monkeypatch.setattr("crm_utils.paths.HOME", home)
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_list_shows_notebooks_and_parameters(crm):
    result = crm("list")
    assert result.exit_code == 0
    assert "03 · Value   [03_value]" in result.output
    assert "bins: int = 5" in result.output
    assert "score bins" in result.output
    assert "needs survey" in result.output
    listed = json.loads(crm("list", "--format", "json").output)
    assert [notebook["name"] for notebook in listed] == ["00_start", "03_value", "07_satisfaction"]
    bins = {"name": "bins", "type": "int", "default": 5, "help": "score bins"}
    assert bins in listed[1]["parameters"]


def test_check_shows_rows_set_aside_returns_and_allowed_notebooks(crm, company_folder):
    result = crm("check", company_folder)
    assert result.exit_code == 0
    assert "order_lines: 1 rows (25.00%), no customer id" in result.output
    assert "Returns: 1 order lines, -3.00 GBP" in result.output
    assert "Day of the analysis: 2025-03-0" in result.output
    assert crm("check", "").exit_code == 2
    assert "03_value: can run" in result.output
    assert "07_satisfaction: needs survey" in result.output


def test_check_lists_all_problems(crm, tmp_path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "order_lines.csv").write_text("order_id,customer_id,ordered_at,amount\n1,a,yesterday,3 pcs\n")
    result = crm("check", folder)
    assert result.exit_code == 2
    assert "2 problems with the data" in result.stderr
    assert "yesterday" in result.stderr
    assert "3 pcs" in result.stderr
    report = crm("report", "--data", folder, "--out", tmp_path / "out")
    assert report.exit_code == 2
    assert "2 problems with the data" in report.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["03", "-p", "bnis=3"], "no parameter 'bnis' in 03_value. Did you mean 'bins'?"),
        (["03", "-p", "bins=five"], "bins must be a whole number (int), not the text 'five'"),
        (["-p", "bins"], "write a parameter as name=value"),
        (["-p", "seed=1", "-p", "seed=2"], "given twice"),
        (["valeu"], "Did you mean 'value'?"),
        (["--spec", "/nowhere.yml"], "is no file, and no spec in reports/specs"),
        (["--spec", "nigthly"], "Did you mean 'nightly'?"),
        (["--sweep", "bnis=1,2"], "Did you mean 'bins'?"),
        (["--sweep", "bins=1,two"], "bins must be a whole number (int), not the text 'two'"),
        (["--sweep", "bins"], "--sweep bins: write a parameter as name=value"),
        (["--sweep", "bins=1,2", "--sweep", "bins=3"], "--sweep bins: given twice"),
        (["--formats", "pfd"], "Did you mean 'pdf'?"),
        (["--cell-timeout", "0"], "cell-timeout must be more than 0"),
        (["--backend", "dsak"], "Did you mean 'dask'?"),
        (["--data", ""], "the data are an empty text"),
        (["--resume", "nowhere"], "--resume takes notebooks, parameters and data from the run"),
        (["--jobs", "0"], "--jobs"),
        (["--timeout", "-1"], "timeout must be more than 0"),
    ],
)
def test_bad_input_is_exit_2_without_a_traceback(crm, company_folder, monkeypatch, arguments, message):
    monkeypatch.setattr("crm_utils.report.backends.Pool", None)  # a worker would fail differently
    result = crm("report", "--data", company_folder, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_the_command_line_wins_over_the_spec_file(crm, company_folder, tmp_path, monkeypatch):
    asked = {}

    def record(notebooks, **options):
        asked.update(options, notebooks=notebooks)
        raise KeyboardInterrupt

    monkeypatch.setattr("crm_utils.report.run.run_report", record)
    spec = tmp_path / "s.yml"
    spec.write_text(
        f"notebooks: [value]\nparameters: {{bins: 3, seed: 1}}\nper-notebook: {{03: {{bins: 2, as_of: x}}}}\n"
        f"timeout: 9\njobs: 3\ndata: {company_folder}\n",
        encoding="utf-8",
    )
    crm("report", "--spec", spec, "-p", "bins=7", "--timeout", "4")
    assert asked["notebooks"] == ("value",)
    assert asked["parameters"] == {"bins": "7", "seed": 1}
    assert asked["per_notebook"] == {"03": {"as_of": "x"}}
    assert (asked["timeout"], asked["jobs"], asked["data"]) == (4, 3, str(company_folder))
    crm("report", "00", "--spec", spec, "--data", "demo")
    assert asked["notebooks"] == ("00",)
    assert asked["data"] == "demo"


def test_a_named_spec_may_hold_a_sweep_and_the_command_line_wins_over_it(crm, company_folder, tmp_path, fake_pool):
    out = tmp_path / "out"
    result = crm("report", "03", "--spec", "nightly", "--data", company_folder, "--out", out)
    assert (result.exit_code, result.stdout) == (0, f"{out / 'index.html'}\n")
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["bins=3", "bins=4"]
    assert "bins=3/03_value  ok" in result.stderr
    for arguments, names in ((["-p", "bins=9"], []), (["--sweep", "bins=6"], ["bins=6"])):
        crm("report", "03", "--spec", "nightly", *arguments, "--data", company_folder, "--out", out)
        assert [path.name for path in out.iterdir() if path.is_dir()] == names


HOSTILE = "\"; import os #\n$(rm) \u4e91\u6749 '" * 200


def test_hostile_texts_arrive_through_sweep_and_spec(crm, company_folder, tmp_path, fake_pool):
    import yaml

    spec = tmp_path / "hostile.yml"
    spec.write_text(yaml.safe_dump({"parameters": {"note": HOSTILE}}), encoding="utf-8")
    asked = ["report", "00", "--data", company_folder, "--out", tmp_path / "out"]
    assert crm(*asked, "--spec", spec).exit_code == 0
    assert fake_pool.jobs[0]["parameters"]["note"] == HOSTILE
    assert crm(*asked, "--sweep", f"note={json.dumps([HOSTILE, 'plain'])}").exit_code == 0
    assert [job["parameters"]["note"] for job in fake_pool.jobs] == [HOSTILE, "plain"]


def test_resume_says_what_it_keeps(crm, company_folder, tmp_path, fake_pool):
    out = tmp_path / "out"
    fake_pool.failing = {"03_value"}
    assert crm("report", "--data", company_folder, "--out", out).exit_code == 1
    fake_pool.failing = set()
    result = crm("report", "--resume", out)
    assert result.exit_code == 0
    assert "03_value runs again: it was not complete (failed)." in result.stderr
    assert "00_start  ok, kept" in result.stderr
    assert "Kept 1 of 3 notebooks" in result.stderr
    refused = crm("report", "--resume", company_folder)
    assert refused.exit_code == 2
    assert "has no manifest of a report run" in refused.stderr


def test_compare_ends_like_diff(crm, company_folder, tmp_path, fake_pool):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        crm("report", "00", "-p", f"seed={seed}", "--data", company_folder, "--out", tmp_path / name)
    assert crm("compare", tmp_path / "a", tmp_path / "b").exit_code == 0
    changed = crm("compare", tmp_path / "a", tmp_path / "c")
    assert changed.exit_code == 1
    assert "00_start  seed: 1 → 2" in changed.stdout
    assert json.loads(crm("compare", tmp_path / "a", tmp_path / "c", "--format", "json").stdout)["changes"]
    assert crm("compare", tmp_path / "a", tmp_path / "c", "--format", "csv").stdout.startswith("kind,place,name,")
    assert crm("compare", tmp_path / "a", tmp_path / "nowhere").exit_code == 2


def test_without_a_browser_the_command_says_so(crm, company_folder, tmp_path, fake_pool, monkeypatch):
    monkeypatch.setattr("crm_utils.report.pdf.find_browser", lambda: "")
    monkeypatch.setattr("crm_utils.report.writer.find_browser", lambda: "")
    result = crm("report", "00", "--formats", "pdf", "--data", company_folder, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "No Chromium or Chrome on this system: pages are written as HTML only." in result.stderr


def test_fetch_and_simulate_call_the_company_room(crm, tmp_path, monkeypatch):
    monkeypatch.setattr("crm_utils.company.public.fetch_company", lambda name, out: f"{name} in {out}")
    assert crm("fetch", "cdnow_sample", "--out", "there").output == "cdnow_sample in there\n"
    calls = []
    monkeypatch.setattr(
        "crm_utils.company.simulate.stream_company",
        lambda customers, out, **options: calls.append((customers, out.name)),
    )
    assert crm("simulate", "--customers", 9, "--out", tmp_path / "sim").exit_code == 0
    assert calls == [(9, "sim")]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert crm("simulate", "--format", "csv", "--out", tmp_path / "full").exit_code == 2


def test_help_needs_no_heavy_import():
    code = (
        "import sys; from crm_utils.report.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pandas', 'numpy', 'papermill', 'nbconvert', 'nbformat', 'IPython'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "report" in done.stdout


def call(*arguments, **options):
    command = [sys.executable, "-c", "from crm_utils.report.cli import main; main()", "report", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_a_true_command_fails_with_a_short_message_and_the_index(make_notebooks, company_folder, tmp_path):
    maker = make_notebooks()
    good = maker.write("01_good", ("code", "1"))
    bad = maker.write("02_bad", ("code", "import sys\nprint('noise', file=sys.stderr)"), ("code", "{}['key']"))
    process = call(good, bad, "--data", company_folder, "--out", tmp_path / "out")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 1
    assert stdout == f"{tmp_path / 'out' / 'index.html'}\n"
    assert stderr.splitlines()[-1] == "02_bad: failed in code cell 3: KeyError: 'key'"
    assert "01_good  ok" in stderr
    for noise in ("noise", "papermill", "nbconvert", "Traceback", "Executing"):
        assert noise not in stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_readable_and_leaves_no_process(make_notebooks, company_folder, tmp_path, number):
    import psutil

    maker = make_notebooks()
    quick = maker.write("01_quick", ("code", "print('done')"))
    slow = maker.write(
        "02_slow", ("code", f"open({str(tmp_path / 'started')!r}, 'w').close()\nimport time\ntime.sleep(600)")
    )
    out = tmp_path / "out"
    process = call(quick, slow, "--data", company_folder, "--out", out, "--jobs", 2)
    deadline = time.monotonic() + 60
    while not ((tmp_path / "started").exists() and (out / "01_quick.html").exists()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 2
    os.kill(process.pid, number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Interrupted" in stderr
    assert stdout.strip() == str(out / "index.html")
    index = (out / "index.html").read_text(encoding="utf-8")
    assert "01_quick.html" in index
    assert "The run was interrupted before this notebook was complete." in index
    assert not (out / "02_slow.html").exists()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    _, alive = psutil.wait_procs(below, timeout=3)
    assert alive == []
