from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from crm_utils.company import load_company
from crm_utils.company.simulate import simulate_tables, stream_company, write, write_company
from crm_utils.company.simulate.calendar import BLOCK_SIZE
from crm_utils.company.simulate.write import csv_text
from crm_utils.errors import CrmError, ParameterError
from crm_utils.paths import workbook_folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    write_company(folder / "demo", truth_folder=folder / "truth")
    return folder


@pytest.mark.parametrize("name", ["demo", "truth"])
def test_the_frozen_demo_is_what_the_code_makes(written, name):
    frozen, made = workbook_folder(f"data/{name}"), written / name
    assert {path.name for path in frozen.iterdir()} == {path.name for path in made.iterdir()}
    different = [path.name for path in made.iterdir() if path.read_bytes() != (frozen / path.name).read_bytes()]
    assert different == []


def test_the_frozen_demo_stays_small(written):
    assert sum(path.stat().st_size for path in (written / "demo").iterdir()) < 10_000_000


def test_files_are_utf_8_with_plain_line_ends(written):
    for path in [*(written / "demo").iterdir(), *(written / "truth").iterdir()]:
        data = path.read_bytes()
        data.decode("utf-8")
        assert b"\r" not in data
        assert data.endswith(b"\n")
        assert not data.startswith(b"\xef\xbb\xbf")


def test_what_is_written_loads_as_what_was_simulated(written):
    tables, _ = simulate_tables()
    company = load_company(written / "demo")
    assert set(company.tables) == set(tables)
    assert set(company.set_aside["table"]) == {"order_lines"}
    lines = tables["order_lines"]
    tables["order_lines"] = lines[lines["customer_id"].notna() & (lines["quantity"] != 0)].reset_index(drop=True)
    for name in ("customers", "order_lines", "source_records"):
        pd.testing.assert_frame_equal(company.table(name), tables[name], check_dtype=False)
    assert company.name == "Yunshan Tea"
    assert company.survey_settings.reversed


def test_truth_holds_parameters_and_people(written):
    parameters = json.loads((written / "truth" / "parameters.json").read_text(encoding="utf-8"))
    assert parameters["company"]["seed"] == 7
    people = pd.read_csv(written / "truth" / "customers.csv")
    assert len(people) == 5_000
    assert people["discount_hunter"].dtype == bool


def test_csv_text_writes_dates_flags_and_blanks_plainly():
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2025-01-31", None]),
            "time": pd.to_datetime(["2025-01-31 09:05", None]),
            "second": pd.to_datetime(["2025-01-31 09:05:07", "2025-01-31 00:00:00"]),
            "flag": pd.array([True, None], dtype="boolean"),
            "text": ["a,b", None],
            "count": pd.array([3, None], dtype="Int64"),
        }
    )
    assert csv_text(frame).split("\n") == [
        "day,time,second,flag,text,count",
        '2025-01-31,2025-01-31 09:05,2025-01-31 09:05:07,true,"a,b",3',
        ",,2025-01-31 00:00:00,,,",
        "",
    ]


def test_a_stream_holds_the_same_company(tmp_path):
    seen = []
    out = stream_company(BLOCK_SIZE + 50, tmp_path / "big", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(BLOCK_SIZE, BLOCK_SIZE + 50), (BLOCK_SIZE + 50, BLOCK_SIZE + 50)]
    company = load_company(out)
    tables, truth = simulate_tables(BLOCK_SIZE + 50)
    assert set(company.tables) == set(tables)
    for name, frame in tables.items():
        place = out / name if (out / name).is_dir() else out / f"{name}.parquet"
        pd.testing.assert_frame_equal(pd.read_parquet(place), frame, check_dtype=False, check_column_type=False)
    assert len(company.table("customers")) == BLOCK_SIZE + 50
    pairs = pd.read_parquet(out / "truth" / "pairs.parquet")
    pd.testing.assert_frame_equal(pairs, truth.tables["pairs"], check_dtype=False)
    people = pd.read_parquet(out / "truth" / "customers.parquet")
    pd.testing.assert_frame_equal(people, truth.tables["customers"], check_dtype=False, check_column_type=False)
    assert company.survey_settings.constructs
    assert [path.name for path in tmp_path.iterdir()] == ["big"]


def test_a_nearly_empty_last_block_has_the_column_types_of_the_first(tmp_path):
    out = stream_company(BLOCK_SIZE + 1, tmp_path / "big")
    for folder in (path for path in out.iterdir() if path.is_dir() and path.name != "truth"):
        first, last = (parquet.read_schema(path) for path in sorted(folder.glob("*.parquet")))
        assert first.equals(last), folder.name
    assert load_company(out).order_lines["ordered_at"].notna().all()


def test_a_stream_keeps_one_block_in_memory(tmp_path, monkeypatch):
    # The same block several times: the peak must not grow with the number of blocks.
    block = next(write.simulate_blocks(BLOCK_SIZE, 7))

    def copies(customers, seed):
        for _ in range(customers // BLOCK_SIZE):
            tables = {name: frame.copy(deep=True) for name, frame in block.tables.items()}
            yield type(block)(tables, {name: frame.copy(deep=True) for name, frame in block.truth.items()})

    monkeypatch.setattr(write, "simulate_blocks", copies)
    peaks = []
    for number in (2, 6):
        tracemalloc.start()
        stream_company(number * BLOCK_SIZE, tmp_path / str(number))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CrmError, match="not an empty folder"):
        stream_company(10, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_stream_that_fails_leaves_nothing(tmp_path):
    def stop(done, total):
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stream_company(10, tmp_path / "out", progress=stop)
    assert list(Path(tmp_path).iterdir()) == []


def test_a_stream_of_nobody_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="customers is 0"):
        stream_company(0, tmp_path / "out")
