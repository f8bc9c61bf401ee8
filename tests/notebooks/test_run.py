"""Every notebook runs, solutions included: on the demo, on a company with order lines only, and on a tiny one."""

import json
import re

import pandas as pd
import pytest

from crm_utils.company import load_company, purchase_summary
from crm_utils.paths import workbook_folder
from crm_utils.report import run_report
from crm_utils.report.notebooks import choose_notebooks
from crm_utils.report.spec import read_spec

pytestmark = pytest.mark.usefixtures("one_forge")
ORDER_COLUMNS = ["order_id", "customer_id", "ordered_at", "amount"]


def settings():
    """The small settings of reports/specs/ci.yml."""
    spec = read_spec(workbook_folder("reports/specs") / "ci.yml")
    return {"parameters": spec.parameters, "per_notebook": spec.per_notebook, "timeout": spec.timeout}


def company_folder(kind, tmp_path):
    if kind == "demo":
        return None
    lines = load_company().order_lines[ORDER_COLUMNS]
    chosen = lines["customer_id"].drop_duplicates().head(400 if kind == "order lines only" else 3)
    tmp_path.mkdir(exist_ok=True)
    lines[lines["customer_id"].isin(chosen)].to_csv(tmp_path / "order_lines.csv", index=False)
    return tmp_path


@pytest.fixture(scope="module", params=["demo", "order lines only", "three customers"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    data = company_folder(request.param, folder / "tables")
    return request.param, data, run_report(data=data, out=folder / "report", **settings())


def results(run):
    return {result.name: result for result in run[2].results}


class TestEveryNotebook:
    def test_it_completes_or_says_why_not(self, run, path):
        result = results(run)[path.stem]
        if run[0] == "demo":
            assert result.status == "ok", result.message
        else:
            assert result.status in ("ok", "skipped"), result.message
            assert result.status == "ok" or result.reason

    def test_the_page_shows_no_error_and_no_warning(self, run, path):
        result = results(run)[path.stem]
        if result.status == "skipped":
            pytest.skip(result.reason)
        outputs = [
            output
            for cell in json.loads(result.notebook.read_text(encoding="utf-8"))["cells"]
            for output in cell.get("outputs", [])
        ]
        assert outputs
        assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]

    def test_no_number_is_shown_as_nan(self, run, path):
        result = results(run)[path.stem]
        if result.status == "skipped":
            pytest.skip(result.reason)
        page = result.page.read_text(encoding="utf-8")
        assert ">nan<" not in page.lower()
        assert " nan " not in page


def test_totals_agree_to_the_cent_in_every_notebook(run):
    kind, data, report = run
    company = load_company(data)
    lines = company.order_lines
    expected = {
        "Revenue": round(purchase_summary(lines, as_of=company.as_of)["revenue"].sum(), 2),
        "Orders": lines.loc[lines["amount"] >= 0, "order_id"].nunique(),
        "Customers": lines.loc[lines["amount"] >= 0, "customer_id"].nunique(),
    }
    headlines = pd.read_csv(report.folder / "headlines.csv")
    for name, value in expected.items():
        of_name = headlines.loc[headlines["name"] == name, "value"]
        about_orders = {notebook.name for notebook in choose_notebooks() if "order_lines" in notebook.needs}
        assert len(of_name) == sum(r.status == "ok" and r.name in about_orders for r in report.results), kind
        assert (of_name == value).all(), name


def test_loyalty_finds_what_was_planted_and_of_orders_alone_what_was_done(run, texts):
    kind, data, report = run
    result = results(run)["08_loyalty"]
    headlines = pd.read_csv(report.folder / "headlines.csv").query("notebook == '08_loyalty'").set_index("name")
    if kind == "demo":
        for cell, rows in (("truth", 4), ("truth-rivals", 4)):
            said = texts(result, cell)
            assert len(re.findall(r"\byes\b", said)) == rows, said
            assert not re.search(r"\bno\b", said)
        assert headlines.loc["Truly loyal customers", ["low", "high"]].notna().all()
    elif kind == "order lines only":
        lines = load_company(data).order_lines
        days = lines[lines["amount"] > 0].groupby("customer_id")["ordered_at"].agg(lambda at: at.dt.date.nunique())
        assert headlines.loc["Repeat rate", "value"] == pytest.approx((days > 1).mean(), abs=1e-9)
        assert "Truly loyal customers" not in headlines.index
        assert "came back, active" in texts(result, "programme-habits")
        assert "ranks a buyer before a non-buyer" in texts(result, "words-deeds-alone")
        assert "yes" not in texts(result, "truth")


def test_churn_finds_the_planted_hazard_and_of_orders_alone_warns_by_purchases(run, texts):
    kind, _, report = run
    result = results(run)["09_churn"]
    headlines = pd.read_csv(report.folder / "headlines.csv").query("notebook == '09_churn'").set_index("name")
    if kind == "demo":
        said = texts(result, "truth-hazard")
        assert len(re.findall(r"\byes\b", said)) == 6, said
        assert "logistic is kept" in texts(result, "model-compare")
        assert headlines.loc["A satisfaction point, in fees", "low"] > 0
        assert 0.8 < headlines.loc["Calibration slope", "value"] < 1.2
        assert "2025-09-30 23:59: before that day" in texts(result, "warning-counts")
        assert "No ratio rises or falls over the months" in texts(result, "proportional")
        assert "formula" in texts(result, "money-test")
        assert "LeakageError" in texts(result, "solution-4")
    elif kind == "order lines only":
        assert headlines.loc["Early warning, AUC", "low"] > 0.5
        assert "no memberships" in texts(result, "explicit")
    else:
        assert "At least 50 customers" in texts(result, "model-fit")


def test_nobody_can_be_recognised_on_the_default_page(run, personal, shown):
    if run[0] != "demo":
        pytest.skip("the page with records of people is the demo's")
    assert len(personal) > 20_000
    assert not shown(run[2], personal)
