import json

import pytest

from crm_utils.errors import ParameterError
from crm_utils.report.notebooks import choose_notebooks, read_notebook


@pytest.fixture(scope="module")
def workbook(make_notebooks):
    maker = make_notebooks()
    maker.write("00_start", title="00 · Getting started")
    maker.write("03_value", ("text", "## Value"), ("code", "1"), parameters="bins: int = 5  # bins", needs=["survey"])
    maker.write("draft")
    return maker.folder


def test_reads_title_parameters_and_needs(workbook):
    notebook = read_notebook(workbook / "03_value.ipynb")
    assert notebook.name == notebook.title == "03_value"
    assert [parameter.name for parameter in notebook.parameters] == ["data", "as_of", "seed", "bins"]
    assert notebook.missing(["order_lines"]) == ("survey",)
    assert notebook.missing(["survey", "order_lines"]) == ()
    assert notebook.code_cells == 2


@pytest.mark.parametrize("given", ["03", "3", "value", "03_value", "03_value.ipynb"])
def test_a_notebook_has_many_names(workbook, given):
    assert [notebook.name for notebook in choose_notebooks([given], folder=workbook)] == ["03_value"]


def test_without_names_all_numbered_notebooks_in_order(workbook):
    assert [notebook.name for notebook in choose_notebooks(folder=workbook)] == ["00_start", "03_value"]
    assert [notebook.name for notebook in choose_notebooks(["value", "0", "03"], folder=workbook)] == [
        "00_start",
        "03_value",
    ]


def test_a_file_is_taken_by_its_path(workbook):
    path = workbook / "draft.ipynb"
    assert [notebook.path for notebook in choose_notebooks([path])] == [path.resolve()]


def test_unknown_names_are_told_all_at_once_with_the_nearest(workbook):
    with pytest.raises(ParameterError) as caught:
        choose_notebooks(["valu", "77", "3"], folder=workbook)
    assert "no notebook 'valu'. Did you mean 'value'?" in str(caught.value)
    assert "no notebook '77'. There are: 00_start, 03_value." in str(caught.value)


def test_bad_files_are_refused(tmp_path, make_notebooks):
    (tmp_path / "01_text.ipynb").write_text("not json", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"01_text.*is not a Jupyter notebook"):
        choose_notebooks(folder=tmp_path)
    with pytest.raises(ParameterError, match="no notebook named NN_topic"):
        choose_notebooks(folder=tmp_path / "nowhere")
    path = make_notebooks().write("index")
    with pytest.raises(ParameterError, match="cannot be called 'index'"):
        choose_notebooks([path])


@pytest.mark.parametrize("tagged", [0, 2])
def test_exactly_one_parameters_cell(tmp_path, tagged):
    cells = [{"cell_type": "code", "source": ["a: int = 1\n"], "metadata": {"tags": ["parameters"]}}] * tagged
    path = tmp_path / "01_x.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    with pytest.raises(ParameterError, match=f"exactly one code cell tagged 'parameters', has {tagged}"):
        read_notebook(path)
