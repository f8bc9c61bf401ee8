"""Public data sets, downloaded once, held to a hash, and made into company folders.

Nothing here is shipped with the workbook. The download cache is the environment variable ``CRM_UTILS_CACHE``, or the
user's cache folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from crm_utils.company.company_yml import FILE_NAME, nearest
from crm_utils.errors import CrmError
from crm_utils.paths import HOME

_GITHUB = "https://raw.githubusercontent.com/"
_LIFETIMES = _GITHUB + "CamDavidsonPilon/lifetimes/4f2833f4518621343bb6983eb3e540c11f66ec6a/lifetimes/datasets/"


@dataclass(frozen=True)
class PublicFile:
    """A file on the web, pinned.

    Parameters
    ----------
    file : str
        Name in the cache.
    address : str
        Where it is, at a fixed revision.
    sha256 : str
        What it must hash to.
    about : str
        What it holds and where it comes from.
    """

    file: str
    address: str
    sha256: str
    about: str


PUBLIC_FILES = {
    "cdnow_sample": PublicFile(
        "cdnow_sample.txt",
        _LIFETIMES + "CDNOW_sample.txt",
        "6fae10155c0b0ba363c2c386e30f77990d22328220efd862a5edd1443420d94a",
        "6,919 purchases of 2,357 customers of an on-line CD shop, 1997-01 to 1998-06 (Fader & Hardie 2001)",
    ),
    "cdnow_master": PublicFile(
        "cdnow_master.txt",
        _LIFETIMES + "CDNOW_master.txt",
        "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef",
        "all 69,659 purchases of 23,570 customers of the same shop",
    ),
    "mobi": PublicFile(
        "mobi.csv",
        _GITHUB + "GoogleCloudPlatform/plspm-python/addf58434532dc63320589c4cc2f341009d588b0/tests/data/mobi.csv",
        "3b570b477b75af1b0593d8538cd0566e89c01c5bef6a0857cfdb6264d7a96894",
        "250 answers to the ECSI mobile-phone questionnaire, 24 items from 1 to 10 (Tenenhaus et al. 2005)",
    ),
    "rossi": PublicFile(
        "rossi.csv",
        _GITHUB + "CamDavidsonPilon/lifelines/ad023a013edaff89926ec118b16d4a0d644db9b5/lifelines/datasets/rossi.csv",
        "0214400170e07f3015a285edca2014cac0dae8aac125fcbaad642490e05f892c",
        "432 released prisoners, week of re-arrest (Rossi, Berk & Lenihan 1980): the textbook check of Cox models",
    ),
    "telco_churn": PublicFile(
        "telco_churn.csv",
        _GITHUB + "IBM/telco-customer-churn-on-icp4d/d5371f5d83a446ad5673cbcca3b814b926491f8a/data/"
        "Telco-Customer-Churn.csv",
        "16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
        "7,043 telephone customers, 20 attributes, churned or not",
    ),
}

MOBI_CONSTRUCTS = {
    "image": [f"IMAG{i}" for i in range(1, 6)],
    "expectation": [f"CUEX{i}" for i in range(1, 4)],
    "quality": [f"PERQ{i}" for i in range(1, 8)],
    "value": ["PERV1", "PERV2"],
    "satisfaction": ["CUSA1", "CUSA2", "CUSA3"],
    "complaints": ["CUSCO"],
    "loyalty": ["CUSL1", "CUSL2", "CUSL3"],
}


def _path(name: str) -> Path:
    import pooch

    public = PUBLIC_FILES[name]
    cache = Path(os.environ.get("CRM_UTILS_CACHE") or pooch.os_cache("crm_utils"))
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        return Path(pooch.retrieve(public.address, f"sha256:{public.sha256}", fname=public.file, path=cache))
    except (OSError, ValueError) as error:
        raise CrmError(
            f"{name} could not be had: {error}. Download {public.address} by other means, put it as "
            f"{public.file!r} into a folder, and set CRM_UTILS_CACHE to that folder."
        ) from error
    finally:
        logger.setLevel(level)


def _cdnow(name: str, columns: list[str], header_lines: int) -> pd.DataFrame:
    text = {"master_id": str, "date": str}
    table = pd.read_csv(_path(name), sep=r"\s+", header=None, names=columns, skiprows=header_lines, dtype=text)
    return pd.DataFrame(
        {
            "order_id": [f"O{number:05d}" for number in range(1, len(table) + 1)],
            "customer_id": table["master_id"],
            "ordered_at": pd.to_datetime(table["date"], format="%Y%m%d"),
            "quantity": table["quantity"],
            "amount": table["amount"],
        }
    )


def fetch_cdnow_sample() -> pd.DataFrame:
    """Fetch the CDNOW one-tenth sample: a cohort's purchases over 78 weeks.

    Returns
    -------
    pandas.DataFrame
        6,919 rows of order_id (ours: one order a row), customer_id, ordered_at, quantity (CDs), amount (USD).

    Raises
    ------
    CrmError
        If the file cannot be downloaded or does not match its hash.

    References
    ----------
    .. [1] Fader, P. S. & Hardie, B. G. S. (2001). Forecasting repeat sales at CDNOW: a case study. Interfaces
       31(3), S94-S107.
    """
    return _cdnow("cdnow_sample", ["master_id", "sample_id", "date", "quantity", "amount"], 0)


def fetch_cdnow_master() -> pd.DataFrame:
    """Fetch the whole CDNOW cohort.

    Returns
    -------
    pandas.DataFrame
        69,659 rows with the columns of `fetch_cdnow_sample`.

    Raises
    ------
    CrmError
        If the file cannot be downloaded or does not match its hash.
    """
    return _cdnow("cdnow_master", ["master_id", "date", "quantity", "amount"], 1)


def fetch_mobi() -> pd.DataFrame:
    """Fetch the ECSI mobile-phone survey.

    Returns
    -------
    pandas.DataFrame
        250 rows of response_id and 24 items from 1 to 10.

    Raises
    ------
    CrmError
        If the file cannot be downloaded or does not match its hash.

    References
    ----------
    .. [1] Tenenhaus, M., Vinzi, V. E., Chatelin, Y.-M. & Lauro, C. (2005). PLS path modeling. Computational
       Statistics & Data Analysis 48(1), 159-205.
    """
    table = pd.read_csv(_path("mobi"))
    return table.rename(columns={table.columns[0]: "response_id"})


def fetch_rossi() -> pd.DataFrame:
    """Fetch the recidivism data on which Cox regressions are checked.

    Returns
    -------
    pandas.DataFrame
        432 rows of week, arrest and seven covariates.

    Raises
    ------
    CrmError
        If the file cannot be downloaded or does not match its hash.

    References
    ----------
    .. [1] Rossi, P. H., Berk, R. A. & Lenihan, K. J. (1980). Money, Work, and Crime. Academic Press.
    """
    return pd.read_csv(_path("rossi"))


def fetch_telco_churn() -> pd.DataFrame:
    """Fetch the telephone company's cross-section of customers.

    Returns
    -------
    pandas.DataFrame
        7,043 rows with the file's own column names; blanks in TotalCharges are kept as text.

    Raises
    ------
    CrmError
        If the file cannot be downloaded or does not match its hash.
    """
    return pd.read_csv(_path("telco_churn"), keep_default_na=False)


@dataclass(frozen=True)
class _PublicCompany:
    fetch: Callable[[], pd.DataFrame]
    table: str
    settings: dict
    table_settings: dict


def _public_companies() -> dict[str, _PublicCompany]:
    shop = {"name": "CDNOW", "currency": "USD"}
    telephone = {
        "columns": {
            "customer_id": "customerID",
            "tenure_months": "tenure",
            "churned": "Churn",
            "monthly_fee": "MonthlyCharges",
            "plan": "Contract",
        }
    }
    mobi = {"scale": [1, 10], "constructs": MOBI_CONSTRUCTS}
    return {
        "cdnow_sample": _PublicCompany(fetch_cdnow_sample, "order_lines", shop | {"as_of": "1998-07-01"}, {}),
        "cdnow_master": _PublicCompany(fetch_cdnow_master, "order_lines", shop | {"as_of": "1998-07-01"}, {}),
        "mobi": _PublicCompany(fetch_mobi, "survey", {"name": "Mobile-phone survey"}, mobi),
        "telco_churn": _PublicCompany(
            fetch_telco_churn, "memberships", {"name": "Telephone company", "currency": "USD"}, telephone
        ),
    }


def fetch_company(name: str, out: str | Path | None = None) -> Path:
    """Download a public data set and leave a company folder that the notebooks can run on.

    Parameters
    ----------
    name : {"cdnow_sample", "cdnow_master", "mobi", "telco_churn"}
        Which data set.
    out : str or pathlib.Path, optional
        Folder to write; default ``data/public/<name>``. Files of the same names are replaced.

    Returns
    -------
    pathlib.Path
        The folder, with the table as CSV and ``company.yml``.

    Raises
    ------
    CrmError
        If the name is not known, or the file cannot be downloaded or does not match its hash.
    """
    companies = _public_companies()
    if name not in companies:
        aside = "" if name not in PUBLIC_FILES else f" as a company (read it with fetch_{name}())"
        raise CrmError(f"There is no public data set {name!r}{aside}; {nearest(name, tuple(companies))}")
    public = companies[name]
    folder = Path(out) if out else HOME / "data" / "public" / name
    folder.mkdir(parents=True, exist_ok=True)
    file = f"{public.table}.csv"
    frame = public.fetch()
    frame.to_csv(folder / file, index=False, lineterminator="\n")
    settings = public.settings | {"tables": {public.table: {"file": file} | public.table_settings}}
    head = f"# {PUBLIC_FILES[name].about}\n# {PUBLIC_FILES[name].address}\n"
    text = head + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return folder
