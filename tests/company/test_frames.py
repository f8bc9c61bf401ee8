"""Tables handed over in memory, and typed files: taken as they are, told apart by their hash."""

import pandas as pd
import polars as pl
import pytest

from crm_utils.company.company import Company
from crm_utils.company.load import check_company, load_company
from crm_utils.errors import ContractError, CrmError

LINE = "order_id,customer_id,ordered_at,amount"


@pytest.fixture
def frame():
    return pd.DataFrame(
        {"order_id": ["1"], "customer_id": ["a"], "ordered_at": ["2025-01-01"], "quantity": [2], "unit_price": [3]}
    )


def test_a_polars_frame(frame):
    lines = pl.DataFrame(frame.to_dict("list"))
    assert Company.from_frames({"order_lines": lines}).order_lines["amount"].tolist() == [6.0]


def test_a_list_is_no_frame():
    with pytest.raises(ContractError, match="a list is no data frame"):
        Company.from_frames({"order_lines": [1]})


def test_the_hash_knows_columns_lists_and_settings(folder, frame, tmp_path):
    swapped = frame.rename(columns={"quantity": "unit_price", "unit_price": "quantity"})
    frames = (frame, swapped, frame.assign(tags=[["x"]]), frame.assign(tags=[["y"]]))
    hashes = {Company.from_frames({"order_lines": frame}).data_hash for frame in frames}
    text = f"{LINE.removesuffix('amount')}net,gross\n1,a,2025-01-01,1,2\n"
    for column in ("net", "gross"):
        yml = f"tables: {{order_lines: {{columns: {{amount: {column}}}}}}}"
        hashes.add(load_company(folder(tmp_path / column, company__yml=yml, order_lines__csv=text)).data_hash)
    assert len(hashes) == 6


def test_ids_stored_as_bytes(folder, frame, tmp_path):
    folder(tmp_path)
    frame.assign(customer_id=["王芳".encode()]).to_parquet(tmp_path / "order_lines.parquet")
    assert load_company(tmp_path).order_lines["customer_id"].tolist() == ["王芳"]
    frame.assign(customer_id=[b"\xff\xfe"]).to_parquet(tmp_path / "order_lines.parquet")
    assert "bytes that are no text in UTF-8" in str(check_company(tmp_path).problems[0])


def test_an_absent_table_is_an_absent_attribute(frame):
    company = Company.from_frames({"order_lines": frame})
    assert not hasattr(company, "survey")
    with pytest.raises(CrmError, match="has no table 'survey'"):
        _ = company.survey
