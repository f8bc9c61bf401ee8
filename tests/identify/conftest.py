"""One linkage of the demo's records, shared by the tests that read it."""

import pytest

from crm_utils.company import load_company
from crm_utils.identify.linkage import link_records


@pytest.fixture(scope="session")
def source_records():
    return load_company().source_records


@pytest.fixture(scope="session")
def truth(source_records):
    return source_records[["record_id", "true_customer_id"]]


@pytest.fixture(scope="session")
def linked(source_records):
    return link_records(source_records.drop(columns="true_customer_id"))
