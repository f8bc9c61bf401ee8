import csv
import io
import json

import pytest

from crm_utils.errors import ParameterError
from crm_utils.report import compare_runs, run_report, run_sweep
from crm_utils.report.compare import comparison_csv, comparison_json, comparison_text


@pytest.fixture
def go(make_notebooks, company_folder, tmp_path, fake_pool):
    maker = make_notebooks()
    maker.write("01_one")
    maker.write("02_two")
    numbers = iter(range(9))
    options = {"notebook_folder": maker.folder, "data": company_folder}

    def run(make=run_report, *names, **more):
        return make(names or None, out=tmp_path / str(next(numbers)), **options, **more).folder

    return run


def test_equal_runs_differ_in_nothing_for_all_their_times(go):
    comparison = compare_runs(go(), go())
    assert comparison.same
    assert comparison.frame().empty
    assert "Nothing differs." in comparison_text(comparison)


def test_headlines_with_difference_and_intervals_parameters_and_statuses(go, fake_pool):
    before = go(parameters={"seed": 7})
    fake_pool.failing = {"02_two"}
    after = go(per_notebook={"01": {"seed": 8}, "02": {"seed": 20}})
    comparison = compare_runs(before, after)
    found = {(change.kind, change.place, change.name): change for change in comparison.changes}
    assert set(found) == {
        ("headline", "01_one", "Revenue"),
        ("headline", "02_two", "Revenue"),
        ("parameter", "01_one", "seed"),
        ("parameter", "02_two", "seed"),
        ("status", "02_two", "02_two"),
    }
    near, far = found["headline", "01_one", "Revenue"], found["headline", "02_two", "Revenue"]
    assert (near.before, near.after, near.difference, near.intervals) == (7.0, 8.0, 1.0, "overlap")
    assert (far.difference, far.intervals) == (13.0, "apart")
    text = comparison_text(comparison)
    assert "01_one  Revenue: 7.00 → 8.00 GBP (+1, +14.3%, intervals overlap)" in text
    assert "02_two  02_two: ok → failed" in text
    assert text.index("How notebooks ended") < text.index("Headlines") < text.index("Parameters")
    rows = list(csv.DictReader(io.StringIO(comparison_csv(comparison))))
    assert [row["difference"] for row in rows if row["kind"] == "headline"] == ["1.0", "13.0"]
    assert len(json.loads(comparison_json(comparison))["changes"]) == 5


def test_data_and_versions(go):
    before, after = go(), go()
    manifest = json.loads((after / "manifest.json").read_text(encoding="utf-8"))
    manifest["data"] |= {"hash": "f00", "tables": {"order_lines": 99}}
    manifest["data"]["set_aside"][0]["rows"] = 5
    manifest["versions"]["pandas"] = "9.9"
    (after / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    changes = compare_runs(before, after).changes
    assert [(change.kind, change.name, change.after) for change in changes] == [
        ("data", "hash", "f00"),
        ("data", "rows of order_lines", 99),
        ("data", "set aside from order_lines, no customer id", 5),
        ("version", "pandas", "9.9"),
    ]


def test_a_notebook_in_one_run_only(go):
    (status, headline) = compare_runs(go(), go(run_report, "01")).changes
    assert (status.place, status.before, status.after) == ("02_two", "ok", None)
    assert (headline.place, headline.after, headline.difference) == ("02_two", None, None)


def test_sweeps_by_combination_and_never_with_a_run(go):
    before = go(run_sweep, sweep={"seed": "1,2"})
    after = go(run_sweep, sweep={"seed": "2,3"})
    changes = compare_runs(before, after).changes
    assert [(change.place, change.before, change.after) for change in changes] == [
        ("seed=1", "there", None),
        ("seed=3", None, "there"),
    ]
    with pytest.raises(ParameterError, match="a run and a sweep"):
        compare_runs(before, go())
