"""Features from files: the same as from tables in memory, whatever files and tables there are, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import yaml

from crm_utils.churn.features import snapshot_features
from crm_utils.churn.large import snapshot_features_of_files
from crm_utils.company import load_company
from crm_utils.company.settings import read_settings
from crm_utils.company.simulate.write import stream_company
from crm_utils.errors import ContractError, DataFloorError, LeakageError, ParameterError

DAY = "2025-07-01"
MONTHS = {"gap_months": 1, "outcome_months": 2}
SURVEY = {"scale": [1, 10], "constructs": {"CSAT": ["s1", "s2"], "value": ["v1"]}, "reversed": ["s2"]}


def days(*moments):
    return pd.to_datetime(list(moments), format="ISO8601")


def assert_same(folder, *, company=None, as_of=None, **options):
    """Every part of the result is that of the tables in memory; sums may differ in the last digit."""
    company = load_company(folder, as_of=as_of) if company is None else company
    expected = snapshot_features(company, **options)
    found = snapshot_features_of_files(folder, as_of=as_of, **options)
    by_id = expected.outcome_kind == "stopped buying"

    def ordered(rows):
        return rows.sort_index() if by_id else rows

    pd.testing.assert_frame_equal(found.features, ordered(expected.features), rtol=1e-12)
    pd.testing.assert_frame_equal(found.known_at, ordered(expected.known_at))
    pd.testing.assert_series_equal(found.newest, expected.newest)
    pd.testing.assert_series_equal(found.outcome, ordered(expected.outcome))
    pd.testing.assert_series_equal(found.value_at_risk, ordered(expected.value_at_risk), rtol=1e-12)
    for name in ("snapshot", "gap_until", "outcome_until", "population", "left_in_gap", "outcome_kind", "notes"):
        assert getattr(found, name) == getattr(expected, name), name
    return found


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    folder = stream_company(600, tmp_path_factory.mktemp("streamed") / "company")
    return folder, load_company(folder)


@pytest.fixture
def tables():
    """Five members, two of whom leave; returns, lines of strangers and of nobody, open and settled complaints."""
    rng = np.random.default_rng(5)
    members = [f"m{number}" for number in range(5)]
    lines = 120
    start = pd.Timestamp("2024-01-01")
    months = pd.MultiIndex.from_product([members, pd.date_range("2025-01-01", "2025-06-01", freq="MS")])
    asked = days("2025-03-01", "2025-05-01", "2025-05-01", "2025-07-20", "2025-02-01")
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": [*members, "z1"],
                "birth_year": [1980, 1990, None, 1960, 2000, 1950],
                "region": ["East", " West ", None, "", "East", "North"],
                "joined_at": days(*["2024-01-01"] * 4, "2025-08-01", "2024-01-01"),
                "points": ["1", "2", "", "4", "5", "many"],
            }
        ),
        "memberships": pd.DataFrame(
            {
                "customer_id": [*members, "m0"],
                "started_at": days("2024-01-31", "2024-05-01", "2024-06-15", "2025-03-01", "2023-01-01",
                                              "2023-01-01"),
                "ended_at": days(None, "2025-08-15", "2025-07-10", None, None, "2023-12-31"),
                "monthly_fee": [10.0, 20.0, 30.0, 40.0, np.nan, 5.0],
                "plan": ["gold", "silver", None, "gold", "gold", "gold"],
                "desk": [1, 2, 1, 1, 2, 1],
            }
        ),
        "member_months": pd.DataFrame(
            {
                "customer_id": months.get_level_values(0),
                "month": months.get_level_values(1),
                "visits": rng.integers(0, 9, len(months)).astype(float),
                "level": rng.integers(0, 5, len(months)),
                "mood": [str(number % 3) for number in range(len(months))],
                "note": ["7", "good"] * (len(months) // 2),
            }
        ).assign(visits=lambda table: table["visits"].where(table.index % 7 > 0)),
        "products": pd.DataFrame({"product_id": ["p1", "p2", "p3"], "category": ["tea", "pots", None]}),
        "order_lines": pd.DataFrame(
            {
                "order_id": [f"o{number // 2}" for number in range(lines)],
                "customer_id": rng.choice([*members, "z1", None], lines),
                "ordered_at": start + pd.to_timedelta(rng.integers(0, 700 * 24, lines), unit="h"),
                "quantity": rng.choice([-1, 0, 1, 2, 3], lines, p=[0.1, 0.1, 0.4, 0.2, 0.2]),
                "unit_price": rng.uniform(1, 50, lines).round(2),
                "discount": rng.choice([0, 0.1, np.nan], lines),
                "product_id": rng.choice(["p1", "p2", "p3", "p9"], lines),
            }
        ),
        "interactions": pd.DataFrame(
            {
                "interaction_id": [f"i{number}" for number in range(6)],
                "customer_id": ["m0", "m0", "m1", None, "z1", "m3"],
                "started_at": days("2025-02-01 10:00", "2025-06-20", "2025-06-29", "2025-06-01",
                                              "2025-06-02", "2023-05-05"),
                "channel": "phone",
                "is_complaint": [True, True, None, True, True, True],
                "resolved_at": days("2025-02-03", "2025-07-05", None, None, "2025-06-09", "2023-05-06"),
                "rating": [2, 5, 4, 3, 3, 1],
            }
        ),
        "survey": pd.DataFrame(
            {
                "response_id": list("abcde"),
                "customer_id": ["m0", "m0", "m0", "m0", "m1"],
                "answered_at": asked,
                "s1": [3, 9, 5, 1, None],
                "s2": [4, 2, None, 10, None],
                "v1": [1, 1, 1, 1, 1],
            }
        ),
    }  # fmt: skip


def some(tables, *names):
    """Memberships, order lines with products, for where memberships have no dates, and the tables named."""
    return {name: tables[name] for name in tables if name in ("memberships", "order_lines", "products", *names)}


def write(folder, tables, kind="parquet", *, as_of="2025-12-01", columns=None):
    folder.mkdir()
    settings = {"as_of": as_of, "tables": {}}
    for name, table in tables.items():
        table = table.rename(columns=(columns or {}).get(name, {}))
        if kind == "parquet":
            table.to_parquet(folder / f"{name}.parquet", index=False)
        elif kind == "xlsx":
            table.to_excel(folder / f"{name}.xlsx", index=False)
        else:
            table.to_csv(folder / f"{name}.csv", index=False)
        settings["tables"][name] = {"columns": (columns or {}).get(name, {}), "file": f"{name}.{kind}"}
        if name == "survey":
            settings["tables"][name] |= SURVEY
    (folder / "company.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "options",
    [
        {"snapshot": DAY, **MONTHS},
        {"snapshot": "2024-03-15", "history_days": 100, "steps": {"rise": ("2024-04-01", 3)}, "fixed": ()},
        {"snapshot": "2026-01-01", "customer_fields": ("city",)},
    ],
)
def test_a_streamed_company_gives_the_same_as_in_memory(streamed, options):
    folder, company = streamed
    found = assert_same(folder, company=company, **options)
    assert {"visits_trend", "spend", "categories", "contacts", "satisfaction", "age"} <= set(found.features)


def test_the_demo_company_as_csv_gives_the_same_as_in_memory():
    assert len(assert_same("demo", snapshot=DAY, **MONTHS).features) > 500


@pytest.mark.parametrize("kind", ["parquet", "csv", "xlsx"])
def test_small_tables_of_every_kind_of_file(tmp_path, tables, kind):
    folder = write(tmp_path / "company", tables, kind)
    options = {"snapshot": DAY, **MONTHS, "fixed": ("plan", "desk"), "customer_fields": ("region", "points")}
    found = assert_same(folder, **options, steps={"rise": ("2025-08-01", 2)})
    assert found.outcome.to_dict() == {"m0": 0.0, "m1": 1.0, "m3": 0.0, "m4": 0.0}
    assert found.left_in_gap == 1
    assert found.features["satisfaction"].notna().to_dict() == {"m0": True, "m1": False, "m3": False, "m4": False}
    assert found.features.loc["m0", ["contacts", "complaints_made", "unresolved_complaints"]].tolist() == [2, 2, 1]
    assert "mood_trend" in found.features
    assert "note_trend" not in found.features


@pytest.mark.parametrize(
    "absent",
    [
        ("member_months", "survey"),
        ("order_lines", "products"),
        ("interactions", "customers"),
        ("memberships",),
        ("memberships", "member_months", "interactions", "survey", "customers", "products"),
    ],
)
def test_where_tables_are_absent(tmp_path, tables, absent):
    folder = write(tmp_path / "company", {name: table for name, table in tables.items() if name not in absent})
    assert_same(folder, snapshot=DAY, history_days=200)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("memberships", ["monthly_fee"]),
        ("memberships", ["ended_at", "started_at"]),
        ("interactions", ["resolved_at"]),
        ("interactions", ["rating", "is_complaint"]),
        ("order_lines", ["discount", "product_id"]),
        ("customers", ["joined_at", "birth_year"]),
        ("survey", ["answered_at"]),
    ],
)
def test_where_columns_are_absent(tmp_path, tables, table, columns):
    tables[table] = tables[table].drop(columns=columns)
    if "started_at" in columns:
        tables[table] = tables[table].assign(tenure_months=3.0, churned=False).iloc[:5]
    assert_same(write(tmp_path / "company", some(tables, table)), snapshot=DAY, history_days=100)


def test_no_feature_of_open_complaints_where_the_company_notes_no_end(tmp_path, tables):
    tables["interactions"]["resolved_at"] = tables["interactions"]["resolved_at"].where(lambda days: days.index == 4)
    found = assert_same(write(tmp_path / "company", some(tables, "interactions")), snapshot=DAY)
    assert "unresolved_complaints" not in found.features


def test_other_names_of_columns_numbers_for_ids_and_a_day_that_nobody_states(tmp_path, tables):
    for table in tables.values():
        if "customer_id" in table:
            table["customer_id"] = pd.to_numeric(table["customer_id"].str.replace("z", "9").str.strip("m"))
    names = {"order_lines": {"customer_id": "buyer", "ordered_at": "when"}, "member_months": {"visits": "came"}}
    folder = write(tmp_path / "company", tables, as_of=None, columns=names)
    settings = yaml.safe_load((folder / "company.yml").read_text(encoding="utf-8"))
    assert read_settings(folder).as_of is None
    for name, given in settings["tables"].items():
        given["columns"] = names.get(name, {})
    (folder / "company.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    found = assert_same(folder, snapshot=DAY)
    assert found.features.index.tolist() == ["0", "1", "3", "4"]
    assert found.features["spend"].gt(0).any()


def test_several_files_a_table_and_lines_that_begin_within_the_history(tmp_path, tables):
    recent = tables["order_lines"]["ordered_at"] >= "2024-12-01"
    folder = write(tmp_path / "company", tables | {"order_lines": tables["order_lines"][recent]})
    (folder / "order_lines.parquet").unlink()
    (folder / "lines").mkdir()
    lines = tables["order_lines"][recent]
    lines.iloc[::2].to_parquet(folder / "lines/1.parquet", index=False)
    lines.iloc[1::2].drop(columns="discount").to_parquet(folder / "lines/2.parquet", index=False)
    settings = yaml.safe_load((folder / "company.yml").read_text(encoding="utf-8"))
    settings["tables"]["order_lines"]["file"] = "lines/*.parquet"
    (folder / "company.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    found = assert_same(folder, snapshot=DAY)
    assert any("the purchases begin within the history (2024-12" in note for note in found.notes)


def test_features_of_the_caller_and_a_day_of_analysis(tmp_path, tables):
    folder = write(tmp_path / "company", some(tables))
    extra = pd.DataFrame({"customer_id": ["m0", "m1"], "known_at": pd.Timestamp("2025-05-01"), "score": [1.0, 2.0]})
    assert assert_same(folder, snapshot=DAY, extra=extra, as_of="2025-07-01").outcome.isna().all()
    with pytest.raises(LeakageError, match="score"):
        snapshot_features_of_files(folder, snapshot="2025-04-01", extra=extra)


def test_the_result_is_written_as_parquet(tmp_path, tables):
    folder = write(tmp_path / "company", tables)
    found = snapshot_features_of_files(folder, snapshot=DAY, out=tmp_path / "features.parquet", memory_limit="500MB")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "features.parquet"), found.table.rows)


def broken(table, column, row, value):
    def change(tables):
        frame = tables[table].astype({column: object})
        frame.loc[row, column] = value
        tables[table] = frame

    return change


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (broken("order_lines", "ordered_at", 3, None), ["order_lines.ordered_at", "1 row: must not be", "csv row 4"]),
        (
            broken("order_lines", "ordered_at", 3, "5/6/2025"),
            ["order_lines.ordered_at", "row 4: '5/6/2025'", "not a readable date", "%d/%m/%Y"],
        ),
        (broken("order_lines", "discount", slice(None), 1.5), ["order_lines.discount", "must be at most 1", "row 1"]),
        (broken("member_months", "visits", 5, "many"), ["member_months.visits", "'many'", "not a number"]),
        (broken("member_months", "customer_id", 5, None), ["member_months.customer_id", "must not be blank"]),
        (
            broken("member_months", "month", 5, "2025-05-01"),
            ["member_months.customer_id", "customer_id + month must occur once", "m0"],
        ),
        (broken("interactions", "is_complaint", 0, "perhaps"), ["interactions.is_complaint", "yes/no", "row 1"]),
        (
            broken("interactions", "resolved_at", 0, "2025-01-01"),
            ["interactions.resolved_at", "resolved_at is before started_at", "correct"],
        ),
        (broken("memberships", "started_at", 1, None), ["memberships.started_at", "must not be blank", "row 2"]),
        (broken("customers", "customer_id", 1, "m0"), ["customers.customer_id", "2 rows: customer_id must occur once"]),
        (broken("customers", "birth_year", 1, "1980.5"), ["customers.birth_year", "not a whole number", "row 2"]),
        (broken("survey", "s1", 1, 11), ["survey.s1", "must be at most 10", "row 2"]),
    ],
)
def test_rows_that_break_the_contract_are_named(tmp_path, tables, change, parts):
    change(tables)
    kept = {name: tables[name] for name in ("memberships", parts[0].split(".")[0])}
    with pytest.raises(ContractError) as raised:
        snapshot_features_of_files(write(tmp_path / "company", kept, "csv"), snapshot=DAY)
    for part in [*parts, "Remedy: "]:
        assert part in str(raised.value)


def test_a_needed_column_a_broken_file_and_overlapping_spells_are_named(tmp_path, tables):
    lines = tables["order_lines"].rename(columns={"ordered_at": "order_at"})
    with pytest.raises(ContractError, match=r"order_lines.ordered_at .*required column is missing(.|\n)*'order_at'"):
        snapshot_features_of_files(write(tmp_path / "a", tables | {"order_lines": lines}), snapshot=DAY)
    folder = write(tmp_path / "b", tables)
    (folder / "order_lines.parquet").write_bytes(b"no parquet")
    with pytest.raises(ContractError, match=r"order_lines \(order_lines.parquet\): the files cannot be read"):
        snapshot_features_of_files(folder, snapshot=DAY)
    spells = tables["memberships"].assign(customer_id="m0")
    with pytest.raises(ParameterError, match="spells begin while another of the same customer runs"):
        snapshot_features_of_files(write(tmp_path / "c", tables | {"memberships": spells}), snapshot=DAY)


def test_unusable_options_are_named(tmp_path, tables):
    folder = write(tmp_path / "company", some(tables, "customers"))
    with pytest.raises(ParameterError) as raised:
        snapshot_features_of_files(folder, snapshot="soon", gap_months=1, out=tmp_path / "features.csv")
    for part in ("3 problems", "snapshot", "gap_months and outcome_months", "ends with .parquet"):
        assert part in str(raised.value)
    with pytest.raises(ParameterError, match="memory_limit must be a size"):
        snapshot_features_of_files(folder, snapshot=DAY, memory_limit="much")
    with pytest.raises(ParameterError, match="not be after the day of the analysis"):
        snapshot_features_of_files(folder, snapshot="2026-01-01")
    with pytest.raises(ParameterError, match="did you mean 'region'"):
        snapshot_features_of_files(folder, snapshot=DAY, customer_fields=("regoin",))
    with pytest.raises(LeakageError, match="ended_at"):
        snapshot_features_of_files(folder, snapshot=DAY, fixed=("ended_at",))
    with pytest.raises(DataFloorError, match="the first started on 2023-01-01"):
        snapshot_features_of_files(folder, snapshot="2023-01-01")
