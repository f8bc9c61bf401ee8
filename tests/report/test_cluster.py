"""Runs on a Dask cluster of this machine, where the extra [cluster] is installed."""

import sys

import pytest

from crm_utils.errors import ParameterError
from crm_utils.report import run_sweep


def test_without_the_extra_the_message_says_what_to_install(make_notebooks, company_folder, tmp_path, monkeypatch):
    maker = make_notebooks()
    maker.write("01_one")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ParameterError, match=r"needs the extra \[cluster\]"):
        run_sweep(
            sweep={"seed": "1,2"},
            notebook_folder=maker.folder,
            data=company_folder,
            out=tmp_path / "out",
            scheduler="tcp://127.0.0.1:1",
        )
    assert not (tmp_path / "out").exists()


def test_a_cluster_makes_the_same_pages_as_this_machine(make_notebooks, company_folder, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra [cluster]")
    maker = make_notebooks()
    maker.write("01_one", ("code", "from crm_utils import headline\nif seed == 2:\n    1 / 0\nheadline('Seed', seed)"))
    options = {"sweep": {"seed": "1,2,3"}, "notebook_folder": maker.folder, "data": company_folder}
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster:
        run = run_sweep(out=tmp_path / "cluster", scheduler=cluster.scheduler_address, **options)
    assert [result.status for result in run.results] == ["ok", "failed", "ok"]
    assert run.results[1].error == "ZeroDivisionError"
    here = run_sweep(out=tmp_path / "here", **options)
    for path in here.folder.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            assert (run.folder / path.relative_to(here.folder)).read_bytes() == path.read_bytes(), path


def test_a_scheduler_that_does_not_answer_is_bad_input(make_notebooks, company_folder, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="needs the extra [cluster]")
    from crm_utils.report import cluster

    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1)
    maker = make_notebooks()
    maker.write("01_one")
    with pytest.raises(ParameterError, match="no Dask scheduler answers"):
        run_sweep(
            sweep={"seed": "1,2"},
            notebook_folder=maker.folder,
            data=company_folder,
            out=tmp_path / "out",
            scheduler="tcp://127.0.0.1:9",
        )
