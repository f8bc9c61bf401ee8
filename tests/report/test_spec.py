import pytest

from crm_utils.errors import ParameterError
from crm_utils.report.spec import find_spec, read_spec


def write(folder, text):
    path = folder / "run.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_everything_and_resolves_data_beside_the_file(tmp_path):
    spec = read_spec(
        write(
            tmp_path,
            "notebooks: [03, value]\nparameters: {bins: 4}\nper-notebook: {03: {seed: 1}}\ndata: ../shop\n"
            "timeout: 5\ncell-timeout: 2.5\njobs: 2\nsweep: {bins: [4, 5]}\nformats: [html, pdf]\n",
        )
    )
    assert spec.notebooks == ("03", "value")
    assert spec.parameters == {"bins": 4}
    assert spec.per_notebook == {"03": {"seed": 1}}
    assert spec.data == str(tmp_path.parent / "shop")
    assert (spec.timeout, spec.cell_timeout, spec.jobs) == (5, 2.5, 2)
    assert spec.sweep == {"bins": [4, 5]}
    assert spec.formats == ("html", "pdf")


def test_an_empty_file_asks_for_nothing_and_demo_stays_demo(tmp_path):
    assert read_spec(write(tmp_path, "")).notebooks is None
    assert read_spec(write(tmp_path, "data: demo")).data == "demo"


def test_all_problems_with_the_nearest_key(tmp_path):
    with pytest.raises(ParameterError) as caught:
        read_spec(
            write(
                tmp_path,
                "paramters: {}\nnotebooks: 3\ntimeout: -1\njobs: two\nparameters: [1]\nsweep: {bins: 4}\n"
                "formats: pdf\ncell-timeout: x\n",
            )
        )
    message = str(caught.value)
    assert "no key 'paramters' in a spec file. Did you mean 'parameters'?" in message
    for part in (
        "notebooks must",
        "timeout must",
        "jobs must",
        "parameters must",
        "sweep must",
        "formats must",
        "cell-timeout must",
    ):
        assert part in message


def test_unreadable_files(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read as a spec file"):
        read_spec(tmp_path / "none.yml")
    with pytest.raises(ParameterError, match="cannot be read as a spec file"):
        read_spec(write(tmp_path, "a: [1"))
    with pytest.raises(ParameterError, match="is a mapping"):
        read_spec(write(tmp_path, "- 1"))


def test_a_spec_is_found_by_path_or_by_name_in_the_workbook(tmp_path, monkeypatch):
    specs = tmp_path / "reports" / "specs"
    specs.mkdir(parents=True)
    (specs / "nightly.yml").touch()
    monkeypatch.setattr("crm_utils.paths.HOME", tmp_path)
    file = write(tmp_path, "")
    assert find_spec(str(file)) == file
    assert find_spec("nightly") == find_spec("nightly.yml") == specs / "nightly.yml"
    with pytest.raises(ParameterError, match="Did you mean 'nightly'"):
        find_spec("nightyl")
