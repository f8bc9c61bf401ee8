"""Set-up files agree with each other, and importing the package is light."""

import re
import subprocess
import sys
import tomllib

import pytest
import yaml

from crm_utils.paths import HOME

# conda-forge's names where they differ from the package index's.
CONDA_NAMES = {
    "duckdb": "python-duckdb",
    "jupyter-client": "jupyter_client",
    "matplotlib": "matplotlib-base",
    "nbconvert": "nbconvert-core",
    "seaborn": "seaborn-base",
}
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_asks_for_what_pyproject_asks_for():
    environment = yaml.safe_load((HOME / "environment.yml").read_text(encoding="utf-8"))
    asked = {item for item in environment["dependencies"] if isinstance(item, str)}
    (from_index,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    needed = set()
    for requirement in PROJECT["dependencies"]:
        name, floor = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        needed.add(CONDA_NAMES.get(name, name) + floor)
    assert "-e ." in from_index
    assert asked | set(from_index) - {"-e ."} == needed | {f"python{PROJECT['requires-python']}", "pip"}


def test_the_lock_pins_every_dependency_with_hashes_and_without_addresses():
    lock = (HOME / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert not re.search(r"^\s*--(?!hash)", lock, flags=re.MULTILINE)
    extras = PROJECT["optional-dependencies"].values()
    for requirement in [*PROJECT["dependencies"], *(item for extra in extras for item in extra)]:
        name = re.match(r"[\w-]+", requirement).group()
        assert re.search(rf"^{re.escape(name)}==\S+.* \\\n    --hash=sha256:", lock, flags=re.MULTILINE), name


def test_importing_the_package_is_light():
    listing = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import crm_utils"], check=True, capture_output=True, text=True
    ).stderr
    (own,) = re.findall(r"\|\s+(\d+) \| crm_utils$", listing, flags=re.MULTILINE)
    assert int(own) < 100_000
    assert not re.search(r"\| +(pandas|numpy|matplotlib|papermill)$", listing, flags=re.MULTILINE)


def test_every_public_name_can_be_imported():
    import crm_utils

    for name in crm_utils.__all__:
        assert getattr(crm_utils, name).__name__.removeprefix("crm_utils.") == name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = crm_utils.nonsense


def test_the_data_dictionary_is_the_contract():
    from crm_utils.company.contract import data_dictionary

    assert data_dictionary() in (HOME / "data" / "README.md").read_text(encoding="utf-8")
