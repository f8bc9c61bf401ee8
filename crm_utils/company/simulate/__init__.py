"""The fictional company of the demo, Yunshan Tea (云杉茶), made from parameters that are known."""

from crm_utils.company.simulate.orchestrate import (
    Truth,
    simulate_company,
    simulate_source_records,
    simulate_tables,
)
from crm_utils.company.simulate.write import stream_company, write_company

__all__ = ["Truth", "simulate_company", "simulate_source_records", "simulate_tables", "stream_company", "write_company"]
