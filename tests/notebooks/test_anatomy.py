"""Every notebook has the same parts in the same order, and holds nothing that belongs elsewhere."""

import ast
import re

import nbformat
import pytest

from crm_utils.company.contract import TABLES

COMMON = {"data": "demo", "as_of": "", "seed": 7}
CLOSING = ["What we did", "Limits", "References", "Provenance"]
LONGEST_CELL = 20
LONGEST_FUNCTION = 5


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def tags(cell):
    return cell.metadata.get("tags", [])


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def headings(notebook):
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [line[3:].strip() for text in texts for line in text.splitlines() if line.startswith("## ")]


def test_there_are_notebooks(notebook_paths):
    assert notebook_paths


def test_committed_without_outputs_and_with_ids(notebook):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if re.fullmatch(r"[0-9a-f]{8}", name)], "give cells ids that say what they are"


def test_title_question_and_introduction(notebook, path):
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem)
    title, question = notebook.cells[0].source.splitlines()[0], notebook.cells[0].source.splitlines()[2]
    assert re.fullmatch(rf"# {path.stem[:2]} · .+ \([^()]*[\u4e00-\u9fff]+\)", title)
    assert re.fullmatch(r"\*.+\?\*", question)
    introduction = notebook.cells[1].source
    assert introduction.startswith("## What you will learn")
    assert "**Before you start:**" in introduction
    assert re.search(r"\d+ minutes", introduction)


def test_parameters_are_annotated_literals_with_a_meaning(notebook):
    (cell,) = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    assert notebook.cells.index(cell) == 2
    values = {}
    for statement, line in zip(ast.parse(cell.source).body, cell.source.splitlines(), strict=True):
        assert isinstance(statement, ast.AnnAssign), line
        values[statement.target.id] = ast.literal_eval(statement.value)
        assert re.search(r"  # \S", line), f"say what it means: {line}"
    assert list(values)[:3] == list(COMMON)
    assert {name: values[name] for name in COMMON} == COMMON


def test_parameters_are_checked_then_everything_is_imported(notebook):
    _, check, imports, *others = code_cells(notebook)
    assert notebook.cells.index(imports) == 4
    assert "check_parameters(" in check.source
    assert "load_company(data, as_of=as_of)" in check.source
    *imported, style = ast.parse(imports.source).body
    assert all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in imported)
    assert ast.unparse(style) == "use_style()"
    for cell in others:
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_cells_are_short_and_functions_live_in_the_package(notebook):
    for place, cell in enumerate(code_cells(notebook)):
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        # The formatter gives every imported name a line of its own: the third cell is a list, not a step.
        assert len(lines) <= LONGEST_CELL or place == 2, cell.source
        assert cell.source.count("show_figure(") <= 1, cell.source
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION, node.name


def test_prose_is_a_template_with_values(notebook):
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                assert isinstance(node.args[0], ast.Constant), ast.unparse(node)


@pytest.mark.parametrize("forbidden", ["filterwarnings", "autoreload", "!pip", "plt.show", "rcParams", "os.chdir"])
def test_nothing_that_belongs_elsewhere(notebook, forbidden):
    assert not [cell.source for cell in code_cells(notebook) if forbidden in cell.source]


def test_the_closing_parts_in_order(notebook):
    found = headings(notebook)
    assert found[-len(CLOSING) :] == CLOSING
    assert found[-len(CLOSING) - 1] == "Exercises"


def test_three_to_six_exercises_each_with_a_solution(notebook):
    exercises = [
        number
        for number, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and re.match(r"\*\*\d · ", cell.source)
    ]
    assert 3 <= len(exercises) <= 6
    for number in exercises:
        assert "exercise" in tags(notebook.cells[number])
        assert "solution" in tags(notebook.cells[number + 1])
    assert sum("solution" in tags(cell) for cell in notebook.cells) == len(exercises)


def test_needs_and_tags_name_tables_of_the_contract(notebook):
    crm = notebook.metadata["crm"]
    named = {tag.removeprefix("needs:") for cell in notebook.cells for tag in tags(cell) if tag.startswith("needs:")}
    assert {*crm["needs"], *crm["uses"], *named} <= set(TABLES)
    known = {"parameters", "exercise", "solution", "demo", "interactive"}
    assert all(tag in known or tag.startswith("needs:") for cell in notebook.cells for tag in tags(cell))


def test_text_comes_between_code(notebook):
    run = longest = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        longest = max(longest, run)
    assert longest <= 4
