"""Every notebook runs, solutions included: on the demo, on a company with order lines only, and on a tiny one."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from crm_utils.company import load_company, purchase_summary
from crm_utils.company.public import MOBI_CONSTRUCTS, fetch_company, fetch_mobi
from crm_utils.paths import workbook_folder
from crm_utils.report import run_report
from crm_utils.report.notebooks import choose_notebooks
from crm_utils.report.spec import read_spec

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


def texts(result, cell_id):
    """Everything that a cell shows, as text without tags."""
    (cell,) = [
        cell for cell in json.loads(result.notebook.read_text(encoding="utf-8"))["cells"] if cell["id"] == cell_id
    ]
    found = [output["data"] for output in cell["outputs"] if "data" in output]
    parts = ["".join(data.get("text/html") or data.get("text/markdown") or "") for data in found]
    return re.sub(r"<[^>]+>", " ", " ".join(parts))


def test_loyalty_finds_what_was_planted_and_of_orders_alone_what_was_done(run):
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


def test_loyalty_of_the_mobile_phone_survey_is_the_part_whose_items_exist(public_data, tmp_path):
    public_data("mobi")
    report = run_report(
        ["08"], data=fetch_company("mobi", tmp_path / "mobi"), parameters={"n_boot": 100}, out=tmp_path / "report"
    )
    (result,) = report.results
    assert result.status == "ok", result.message
    said = texts(result, "model-says")
    assert "H2 is supported" in said
    assert "H3 is supported" in said
    assert "H4 (from switching cost to loyalty) cannot be tested" in said
    assert "Without order lines" in texts(result, "programme-kinds")


def test_loyalty_of_a_survey_alone_under_other_names(tmp_path):
    company = load_company()
    answers = company.survey[company.survey["wave"].isin(["2025H1", "2025H2"])].rename(columns={"answered_at": "day"})
    answers["wave"] = answers["wave"].map({"2025H1": "wave 9", "2025H2": "wave 10"})
    other = {"satisfaction": "顾客满意度", "loyalty": "Customer loyalty"}
    blocks = {other.get(name, name): list(items) for name, items in company.survey_settings.constructs.items()}
    settings = {"scale": [1, 10], "constructs": blocks, "reversed": list(company.survey_settings.reversed)}
    result, headlines = survey_report(tmp_path / "names", answers, tmp_path, notebook="08", **settings)
    assert "in the order of their names: wave 9, wave 10" in texts(result, "who-says")
    assert "is taken for satisfaction" in texts(result, "who-says")
    assert texts(result, "model-says").count("supported") == 4
    assert headlines.index.tolist() == ["Truly loyal customers"]


def test_churn_finds_the_planted_hazard_and_of_orders_alone_warns_by_purchases(run):
    kind, _, report = run
    result = results(run)["09_churn"]
    headlines = pd.read_csv(report.folder / "headlines.csv").query("notebook == '09_churn'").set_index("name")
    if kind == "demo":
        said = texts(result, "truth-hazard")
        assert len(re.findall(r"\byes\b", said)) == 6, said
        assert "logistic is kept" in texts(result, "model-compare")
        assert headlines.loc["A satisfaction point, in fees", "low"] > 0
        assert "LeakageError" in texts(result, "solution-4")
    elif kind == "order lines only":
        assert headlines.loc["Early warning, AUC", "low"] > 0.5
        assert "no memberships" in texts(result, "explicit")
    else:
        assert "At least 50 customers" in texts(result, "model-fit")


def test_churn_of_a_telephone_company_runs_without_code_and_is_no_better_than_the_truth(tmp_path):
    rng = np.random.default_rng(3)
    size = 4000
    tenure = rng.integers(0, 73, size)
    contract = rng.choice(["Month-to-month", "One year", "Two year"], size, p=[0.55, 0.2, 0.25])
    monthly = rng.uniform(20, 110, size).round(2)
    odds = -1.2 - 0.04 * tenure + 1.2 * (contract == "Month-to-month") - (contract == "Two year") + 0.015 * monthly
    chance = 1 / (1 + np.exp(-odds))
    left = rng.random(size) < chance
    folder = tmp_path / "telephone"
    folder.mkdir()
    pd.DataFrame(
        {
            "customerID": [f"T{number:05d}" for number in range(size)],
            "tenure": tenure,
            "Contract": contract,
            "PaperlessBilling": rng.choice(["Yes", "No"], size),
            "MonthlyCharges": monthly,
            "TotalCharges": np.where(tenure == 0, " ", (monthly * tenure).round(2).astype(str)),
            "Churn": np.where(left, "Yes", "No"),
        }
    ).to_csv(folder / "telephone.csv", index=False)
    columns = {
        "customer_id": "customerID",
        "tenure_months": "tenure",
        "churned": "Churn",
        "monthly_fee": "MonthlyCharges",
    }
    memberships = {"file": "telephone.csv", "columns": columns}
    (folder / "company.yml").write_text(yaml.safe_dump({"name": "Telephone", "tables": {"memberships": memberships}}))
    report = run_report(["09"], data=folder, parameters={"n_boot": 100}, out=tmp_path / "report")
    (result,) = report.results
    assert result.status == "ok", result.message
    area = pd.read_csv(report.folder / "headlines.csv").set_index("name").loc["Early warning, AUC"]
    assert area["low"] < roc_auc_score(left, chance) < area["high"]
    slope = pd.read_csv(report.folder / "headlines.csv").set_index("name").loc["Calibration slope"]
    assert slope["low"] < 1 < slope["high"]
    assert "the parts are drawn by lot" in texts(result, "warning-split")


def test_lifetime_value_of_few_customers_is_a_reason_and_simpler_methods(tmp_path):
    lines = load_company().order_lines[ORDER_COLUMNS].dropna()
    chosen = lines["customer_id"].drop_duplicates().sample(40, random_state=1)
    (tmp_path / "company").mkdir()
    lines[lines["customer_id"].isin(chosen)].to_csv(tmp_path / "company" / "order_lines.csv", index=False)
    report = run_report(["04"], data=tmp_path / "company", out=tmp_path / "report")
    assert [result.status for result in report.results] == ["ok"]
    page = report.results[0].page.read_text(encoding="utf-8")
    assert "needs at least 50 customers" in page
    names = set(pd.read_csv(report.folder / "headlines.csv")["name"])
    assert "Customers who buy again the next year" in names
    assert not names & {"Value of current customers", "Customer equity", "Share of customers still alive"}


def personal_data(records):
    """Telephone numbers, e-mail and street addresses, and whole names, as they may stand on a page."""
    whole = records[["family_name", "given_name"]].dropna()
    whole = whole[~whole["given_name"].isin(["先生", "女士"])]
    family, given = whole["family_name"], whole["given_name"]
    digits = records["phone"].dropna().str.normalize("NFKC").str.replace(r"\D", "", regex=True).str[-11:]
    written = [family + given, family + " " + given, given + " " + family, given + family]
    values = [digits, records["phone"], records["email"], records["address"], *written]
    return {str(value) for column in values for value in column.dropna() if len(str(value)) > 2}


@pytest.fixture(scope="module")
def personal():
    return personal_data(load_company().source_records)


def shown(report, personal):
    result = {result.name: result for result in report.results}["01_identify"]
    texts = [file.read_text(encoding="utf-8") for file in (result.page, result.notebook)]
    return {value for value in personal if any(value in text for text in texts)}


def test_nobody_can_be_recognised_on_the_default_page(run, personal):
    if run[0] != "demo":
        pytest.skip("the page with records of people is the demo's")
    assert len(personal) > 20_000
    assert not shown(run[2], personal)


def test_the_role_shows_the_records(personal, tmp_path):
    report = run_report(["01"], parameters={"role": "instructor", "n_boot": 100}, out=tmp_path / "report")
    assert len(shown(report, personal)) > 10


WESTERN = pd.DataFrame(
    {
        "record_id": [f"r{number}" for number in range(60)],
        "source": ["shop", "web"] * 30,
        "surname": [["Okafor", "Nguyen", "Müller", "Rossi", "Dubois"][number % 5] for number in range(60)],
        "forename": [["Ada", "Linh", "Jürgen", "Chiara", "Noé", "Ines", "Tom"][number % 7] for number in range(60)],
        "dob": [f"19{60 + number % 30}-0{1 + number % 9}-11" for number in range(60)],
    }
)


@pytest.mark.parametrize("columns", [["surname", "forename", "dob"], ["email"]])
def test_records_with_few_and_other_fields_make_a_page(columns, tmp_path):
    records = WESTERN.assign(email=[f"person{number // 2}@example.com" for number in range(60)])
    (tmp_path / "company").mkdir()
    records[["record_id", "source", *columns]].to_csv(tmp_path / "company" / "source_records.csv", index=False)
    report = run_report(["01"], data=tmp_path / "company", parameters={"n_boot": 100}, out=tmp_path / "report")
    (result,) = report.results
    assert result.status == "ok", result.message
    assert " nan " not in result.page.read_text(encoding="utf-8")


# SmartPLS 2: mode A, centroid scheme.
PUBLISHED_PATHS = {
    ("image", "expectation"): 0.50470564,
    ("image", "satisfaction"): 0.17883348,
    ("image", "loyalty"): 0.19535971,
    ("expectation", "quality"): 0.55724786,
    ("expectation", "value"): 0.05078755,
    ("expectation", "satisfaction"): 0.06442534,
    ("quality", "value"): 0.55721686,
    ("quality", "satisfaction"): 0.51254524,
    ("value", "satisfaction"): 0.19181566,
    ("satisfaction", "complaints"): 0.52609731,
    ("satisfaction", "loyalty"): 0.48347472,
    ("complaints", "loyalty"): 0.07123241,
}


def survey_report(folder, answers, tmp_path, *, notebook="07", **settings):
    """The page of a notebook for a company that has nothing but a survey."""
    folder.mkdir(exist_ok=True)
    answers.to_csv(folder / "survey.csv", index=False)
    survey = {"file": "survey.csv", **settings}
    (folder / "company.yml").write_text(yaml.safe_dump({"name": "Survey", "tables": {"survey": survey}}))
    parameters = {"n_boot": 100} | ({"index_model": "ecsi"} if notebook == "07" else {})
    report = run_report([notebook], data=folder, parameters=parameters, out=tmp_path / f"report of {folder.name}")
    (result,) = report.results
    assert result.status == "ok", result.message
    return result, pd.read_csv(report.folder / "headlines.csv").set_index("name")


def shown_paths(result):
    """Paths behind the diagram: (from, to) → estimate in full."""
    (cell,) = [
        cell for cell in json.loads(result.notebook.read_text(encoding="utf-8"))["cells"] if cell["id"] == "paths"
    ]
    (table,) = [output["metadata"]["crm"]["table"] for output in cell["outputs"] if "crm" in output.get("metadata", {})]
    rows = re.findall(r'<tr><td>([^<]+)</td><td>([^<]+)</td><td class="number" data-value="([^"]+)"', table)
    return {(source, target): float(value) for source, target, value in rows}


def test_satisfaction_of_the_mobile_phone_survey_is_as_published(public_data, tmp_path):
    public_data("mobi")
    folder = fetch_company("mobi", tmp_path / "mobi")
    report = run_report(["07"], data=folder, parameters={"index_model": "ecsi", "n_boot": 100}, out=tmp_path / "report")
    (result,) = report.results
    assert result.status == "ok", result.message
    assert shown_paths(result) == pytest.approx(PUBLISHED_PATHS, abs=1e-7)
    headlines = pd.read_csv(report.folder / "headlines.csv").set_index("name")
    assert headlines.loc["Satisfaction index", "value"] == pytest.approx(72.54, abs=0.005)


@pytest.mark.parametrize(("low", "high"), [(0, 10), (1, 5)])
def test_an_index_does_not_depend_on_the_scale_that_was_asked(public_data, tmp_path, low, high):
    public_data("mobi")
    answers = fetch_mobi()
    items = [item for block in MOBI_CONSTRUCTS.values() for item in block]
    answers[items] = low + (answers[items] - 1) * (high - low) / 9
    result, headlines = survey_report(
        tmp_path / "other", answers, tmp_path, scale=[low, high], constructs=MOBI_CONSTRUCTS
    )
    assert shown_paths(result) == pytest.approx(PUBLISHED_PATHS, abs=1e-7)
    assert headlines.loc["Satisfaction index", "value"] == pytest.approx(72.54, abs=0.005)


def test_a_survey_that_does_not_ask_about_satisfaction_makes_a_page_with_the_reason(tmp_path):
    survey = load_company().survey[["response_id", "nps", "wave", "value_1", "value_2"]].head(300)
    result, headlines = survey_report(tmp_path / "nps", survey, tmp_path, constructs={"value": ["value_1", "value_2"]})
    assert "Net Promoter Score" in headlines.index
    assert "Satisfaction index" not in headlines.index
    assert "A satisfaction index needs a construct called satisfaction" in result.page.read_text(encoding="utf-8")


def test_a_reversed_item_that_nobody_declared_is_left_out_and_named(tmp_path):
    company = load_company()
    blocks = {name: list(items) for name, items in company.survey_settings.constructs.items()}
    answers = company.survey[company.survey["wave"] == "2025H2"]
    result, _ = survey_report(tmp_path / "turned", answers, tmp_path, scale=[1, 10], constructs=blocks)
    page = result.page.read_text(encoding="utf-8")
    assert "loyalty_3 of loyalty has the weight" in page
    assert "reversed and not declared?" in page
