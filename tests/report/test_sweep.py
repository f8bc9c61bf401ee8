"""Sweeps: names and values without a kernel, then one sweep with true kernels that the last tests share."""

import csv
import json
import re
import shutil

import pytest

from crm_utils.errors import ParameterError
from crm_utils.report import RunInterrupted, resume_run, run_sweep
from crm_utils.report.combinations import combination_names, swept_values
from crm_utils.report.notebooks import read_notebook

pytestmark = pytest.mark.usefixtures("one_forge")
REGIONS = ["East", "West", '"; import os #', "a/b\n'''", "云杉", "=1+1"]


@pytest.fixture(scope="module")
def small(make_notebooks):
    maker = make_notebooks()
    maker.write("01_one", parameters="bins: int = 5  # bins\nregions: list[str] = []  # regions\n")
    maker.write("02_two", parameters='bins: int = 5  # bins\nregion: str = ""  # region\nshare: float = 0.5  # share\n')
    return maker.folder


def values(small, sweep):
    return swept_values(sweep, [read_notebook(path) for path in sorted(small.glob("*.ipynb"))])


def test_values_are_typed_by_the_notebooks_parameter(small):
    typed = values(small, {"bins": "4, 5", "share": [0.25, "1"], "region": '["a, b", no]', "regions": "x,y"})
    assert typed == {"bins": [4, 5], "share": [0.25, 1.0], "region": ["a, b", "no"], "regions": [["x"], ["y"]]}


def test_all_problems_of_a_sweep_are_named_at_once(small):
    with pytest.raises(ParameterError) as caught:
        values(small, {"bnis": "1", "bins": "4,four", "share": "", "region": "a,a", "regions": "[a, {b: c}]"})
    message = str(caught.value)
    for part in (
        "no parameter 'bnis' in any of the chosen notebooks. Did you mean 'bins'?",
        "bins must be a whole number (int), not the text 'four'",
        "share needs at least one value",
        "region: 'a' is there twice",
        "is not a list",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"bins": 3}}, "both swept and given one value: bins"),
        ({"per_notebook": {"01": {"bins": 3}}}, "both swept and given one value: bins"),
        ({"sweep": {}}, "at least one parameter"),
        ({"sweep": {"bins": range(2000)}}, "2,000 combinations are more than"),
        ({"notebooks": ["04"]}, "no notebook '04'"),
        ({"formats": ["pfd"]}, "Did you mean 'pdf'"),
        ({"backend": "dask"}, "address of a scheduler"),
        ({"cell_timeout": 0}, "cell-timeout must be"),
    ],
)
def test_nothing_starts_on_bad_input(small, company_folder, tmp_path, fake_pool, options, message):
    with pytest.raises(ParameterError, match=message):
        run_sweep(
            **{
                "notebook_folder": small,
                "data": company_folder,
                "sweep": {"bins": "4,5"},
                "out": tmp_path / "out",
                **options,
            }
        )
    assert fake_pool.ran == []
    assert not (tmp_path / "out").exists()


def test_names_are_safe_short_and_each_once():
    names = combination_names(
        [{"x": "../../etc"}, {"x": "a" * 500}, {"x": "East"}, {"x": "east"}, {"x": ""}, {"x": "."}]
    )
    assert names[0] == "x=etc"
    assert len(names[1]) <= 80
    assert names[2:] == ["x=East", "x=east,2", "x=", "x=,2"]


def test_several_parameters_are_crossed_and_a_later_sweep_replaces_only_its_own(
    small, company_folder, tmp_path, fake_pool
):
    out = tmp_path / "out"
    common = {"notebook_folder": small, "data": company_folder, "out": out}
    run = run_sweep(sweep={"bins": [4, 5], "seed": "1,2"}, **common)
    assert list(run.combinations) == ["bins=4,seed=1", "bins=4,seed=2", "bins=5,seed=1", "bins=5,seed=2"]
    assert len(fake_pool.ran) == 8
    assert run.headlines.columns[:2].tolist() == ["bins", "seed"]
    assert run.headlines["value"].tolist() == [1.0, 1.0, 2.0, 2.0] * 2
    assert run.ok
    (out / "bins=4,seed=1" / "mine.txt").write_text("x", encoding="utf-8")
    run_sweep(["02"], sweep={"share": "0.1"}, **common)
    assert sorted(path.name for path in out.iterdir()) == [
        "bins=4,seed=1",
        "headlines.csv",
        "index.html",
        "manifest.json",
        "share=0.1",
    ]
    assert [path.name for path in (out / "bins=4,seed=1").iterdir()] == ["mine.txt"]


def test_a_sweep_over_companies_checks_each_and_shows_no_path(small, company_folder, tmp_path, fake_pool):
    other = tmp_path / "other-shop"
    shutil.copytree(company_folder, other)
    (other / "company.yml").write_text("name: Other\ncurrency: GBP\n", encoding="utf-8")
    run = run_sweep(
        ["01"], sweep={"data": [str(company_folder), str(other)]}, notebook_folder=small, out=tmp_path / "o"
    )
    page = run.index.read_text(encoding="utf-8")
    assert "other-shop" in page
    assert str(tmp_path) not in page
    assert [result.parameters["data"] for result in run.results] == [str(company_folder), str(other)]


def test_an_interrupted_sweep_is_readable_and_can_be_taken_up(small, company_folder, tmp_path, fake_pool):
    fake_pool.interrupt_after = 3
    with pytest.raises(RunInterrupted) as caught:
        run_sweep(sweep={"bins": "4,5"}, notebook_folder=small, data=company_folder, out=tmp_path / "out")
    sweep = caught.value.run
    assert sweep.exit_code == 130
    assert [result.status for result in sweep.results] == ["ok", "ok", "ok", "not run"]
    assert "The run was interrupted before this notebook was complete." in sweep.index.read_text(encoding="utf-8")
    fake_pool.interrupt_after = None
    fake_pool.ran.clear()
    resumed = resume_run(tmp_path / "out")
    assert fake_pool.ran == ["02_two"]
    assert resumed.exit_code == 0
    assert [result.kept for result in resumed.results] == [True, True, True, False]


@pytest.fixture(scope="module")
def regions(make_notebooks, company_folder, tmp_path_factory):
    """Six regions of which one fails until its cause is mended; texts that a shell or Python could trip over."""
    maker = make_notebooks()
    mended = tmp_path_factory.mktemp("cause") / "mended"
    maker.write(
        "01_region",
        (
            "code",
            f"import os\nif region == 'West' and not os.path.exists({str(mended)!r}):\n    1 / 0",
        ),
        ("code", "from crm_utils import headline\nn = len(region)\nheadline('Letters', n, low=n - 0.5, high=n + 0.5)"),
        ("code", "print(ascii(region))"),
        parameters='region: str = "East"  # region of the stores\n',
        title="01 · Regions (地区)",
    )
    options = {"notebook_folder": maker.folder, "data": company_folder}
    out = tmp_path_factory.mktemp("sweeps") / "regions"
    run = run_sweep(sweep={"region": REGIONS}, out=out, **options)
    return run, mended, options


def test_one_failing_region_leaves_five_good_pages_and_a_complete_overview(regions):
    run, _, _ = regions
    assert run.exit_code == 1
    assert [result.status for result in run.results] == ["ok", "failed", "ok", "ok", "ok", "ok"]
    overview = run.index.read_text(encoding="utf-8")
    links = set(re.findall(r'href="([^"#:]+)"', overview))
    assert {"headlines.csv", "manifest.json", "region%3DEast/index.html", "region%3DEast/01_region.html"} <= links
    assert len(links) == 2 + 6 + 6
    assert "ZeroDivisionError: division by zero" in overview
    assert 'aria-label="Letters for 5 combinations, from 2 (云杉) to 14 (&#34;; import os #)."' in overview
    assert overview.count('<circle class="dot"') == 5
    assert "no value" in overview
    assert len(list(run.folder.glob("*/01_region.html"))) == 6
    assert json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))["running"] is False


def test_hostile_texts_reach_the_notebook_of_their_combination_as_they_are(regions):
    run, _, _ = regions
    for text, result in zip(REGIONS, run.results, strict=True):
        assert result.parameters["region"] == text
        if result.status == "ok":
            printed = [
                output["text"]
                for cell in json.loads(result.notebook.read_text(encoding="utf-8"))["cells"]
                for output in cell.get("outputs", ())
                if output["output_type"] == "stream"
            ]
            assert "".join(printed[0]).strip() == ascii(text)


def test_the_sweeps_headlines_carry_the_swept_value_and_are_formula_safe(regions):
    run, _, _ = regions
    with (run.folder / "headlines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows] == ["East", '"; import os #', "a/b\n'''", "云杉", "'=1+1"]
    assert [float(row["value"]) for row in rows] == [4, 14, 7, 2, 4]


def test_resume_after_the_cause_is_mended_runs_just_that_one(regions, tmp_path):
    run, mended, options = regions
    out = tmp_path / "copy"
    shutil.copytree(run.folder, out)
    mended.touch()
    try:
        said = []
        resumed = resume_run(out, say=said.append)
        fresh = run_sweep(sweep={"region": ["West"]}, out=tmp_path / "fresh", **options)
    finally:
        mended.unlink()
    assert said == ["region=West/01_region runs again: it was not complete (failed)."]
    assert [result.kept for result in resumed.results] == [True, False, True, True, True, True]
    assert resumed.exit_code == 0
    assert resumed.index.read_text(encoding="utf-8").count('<circle class="dot"') == 6
    for name in ("01_region.html", "01_region.ipynb", "index.html", "headlines.csv"):
        for folder in resumed.combinations:
            other = fresh.folder if folder == "region=West" else run.folder
            assert (out / folder / name).read_bytes() == (other / folder / name).read_bytes(), folder
