"""What README, glossary and data dictionary say is so."""

import re

import nbformat
import pytest
import yaml

from crm_utils.company.settings import read_settings
from crm_utils.paths import HOME

GLOSSARY_ROW = re.compile(r"^\| (?P<english>[^|]+) \| (?P<chinese>[^|]+) \| (?P<where>\d\d) \|", flags=re.MULTILINE)


def read(name):
    return (HOME / name).read_text(encoding="utf-8")


def notebook_text(number):
    (path,) = (HOME / "notebooks").glob(f"{number}_*.ipynb")
    return " ".join(cell.source for cell in nbformat.read(path, as_version=4).cells)


def test_readme_lists_the_notebooks_that_there_are():
    listed = re.findall(r"\]\(notebooks/(\w+\.ipynb)\)", read("README.md"))
    assert listed == sorted(path.name for path in (HOME / "notebooks").glob("*.ipynb"))


def test_readme_names_files_that_there_are():
    text = read("README.md")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert not [link for link in links if not (HOME / link).exists()]
    folders = re.findall(r"^(\w+)/ ", text, flags=re.MULTILINE)
    assert folders
    assert not [folder for folder in folders if not (HOME / folder).is_dir()]


@pytest.mark.parametrize("document", ["README.md", "data/README.md"])
def test_the_company_yml_that_is_shown_is_accepted(document, tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", read(document), flags=re.DOTALL)
    tables = yaml.safe_load(block)["tables"]
    for settings in tables.values():
        path = tmp_path / settings["file"].replace("*", "part")
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "company.yml").write_text(block, encoding="utf-8")
    assert set(read_settings(tmp_path).tables) == set(tables)


def test_every_term_of_the_glossary_is_given_in_its_notebook():
    rows = list(GLOSSARY_ROW.finditer(read("docs/glossary.md")))
    assert len(rows) > 20
    for row in rows:
        text = notebook_text(row["where"])
        for term in row["chinese"].split("、"):
            assert term in text, f"{term} is not in notebook {row['where']}"


def test_every_chinese_term_of_the_notebooks_is_in_the_glossary():
    glossary = read("docs/glossary.md")
    for path in (HOME / "notebooks").glob("*.ipynb"):
        text = notebook_text(path.stem[:2])
        for terms in re.findall(r"\*\* \(([^()]*[\u4e00-\u9fff][^()]*)\)", text):
            for term in re.split(r"、|, ", terms):
                assert term in glossary, f"{term} of {path.stem} is not in the glossary"
