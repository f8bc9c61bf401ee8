"""Single notebooks of companies that have other tables: a survey alone, memberships alone, few records or lines."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from crm_utils.company import load_company
from crm_utils.company.public import MOBI_CONSTRUCTS, fetch_company, fetch_mobi
from crm_utils.report import run_report

pytestmark = pytest.mark.usefixtures("one_forge")


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


def test_loyalty_of_the_mobile_phone_survey_is_the_part_whose_items_exist(public_data, tmp_path, texts):
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


def test_loyalty_of_a_survey_alone_under_other_names(tmp_path, texts):
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


def test_churn_of_a_telephone_company_runs_without_code_and_is_no_better_than_the_truth(tmp_path, texts):
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
    lines = load_company().order_lines[["order_id", "customer_id", "ordered_at", "amount"]].dropna()
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


def test_the_role_shows_the_records(personal, shown, tmp_path):
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
