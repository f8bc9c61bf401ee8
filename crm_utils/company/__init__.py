"""Tables in: the contract, loading, the one summary per customer, the demo company and public data sets."""

from crm_utils.company.load import Company, CompanyCheck, check_company, load_company
from crm_utils.company.overview import provenance
from crm_utils.company.simulate import simulate_company
from crm_utils.company.summary import purchase_summary
from crm_utils.company.truth import load_truth

__all__ = [
    "Company",
    "CompanyCheck",
    "check_company",
    "load_company",
    "load_truth",
    "provenance",
    "purchase_summary",
    "simulate_company",
]
