"""Forking is an optimisation: whatever it does, a notebook must not be able to tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crm_utils.report import backends, forge, run_report
from crm_utils.report.environment import kernel_environment
from crm_utils.report.forge import modules_to_import

forks = pytest.mark.skipif(not forge.can_fork(), reason="kernels are forked on Linux only")
# A cell that leaves traces everywhere it can, and one that looks for them.
SPOIL = """\
import builtins, os, pathlib, random, sys
import numpy as np, pandas as pd, matplotlib as mpl
builtins.leak = np.leak = pd.leak = mpl.leak = True
mpl.rcParams["figure.facecolor"] = "red"
pd.set_option("display.max_rows", 3)
os.environ["LEAK"] = "1"
sys.path.append("/leak")
"""
LOOK = """\
import builtins, os, sys
import numpy as np, pandas as pd, matplotlib as mpl
print([hasattr(place, "leak") for place in (builtins, np, pd, mpl)], "LEAK" in os.environ, "/leak" in sys.path)
print(mpl.rcParams["figure.facecolor"], pd.get_option("display.max_rows"), mpl.get_backend())
print(sys.argv[0].rsplit("/")[-1], __name__, os.getpgid(0) == os.getpid(), sorted(globals())[:3], In[-1][:14])
print(mpl.matplotlib_fname().rsplit("/")[-1], os.environ["OMP_NUM_THREADS"], os.environ.get("MPLBACKEND"))
import matplotlib.pyplot as plt
plt.plot([1, 2]);
"""


@pytest.fixture(scope="module")
def folder(make_notebooks):
    maker = make_notebooks()
    maker.write("01_spoil", ("code", SPOIL))
    maker.write("02_look", ("code", LOOK))
    maker.write("03_spoil", ("code", SPOIL))
    maker.write("04_look", ("code", LOOK))
    maker.write("05_chance", ("code", "import numpy as np, random\nprint(np.random.rand(), random.random())"))
    maker.write("06_chance", ("code", "import numpy as np, random\nprint(np.random.rand(), random.random())"))
    return maker.folder


@forks
def test_a_forked_kernel_is_like_one_from_nothing_and_knows_nothing_of_others(
    folder, company_folder, tmp_path, monkeypatch
):
    options = {"notebook_folder": folder, "data": company_folder, "jobs": 2}
    spawned = []
    monkeypatch.setattr("crm_utils.report.pool._SpawnedWorker", lambda: spawned.append(1) or 1 / 0)
    forked = run_report(out=tmp_path / "forked", **options)
    assert spawned == []
    monkeypatch.undo()
    monkeypatch.setattr(backends, "can_fork", lambda: False)
    fresh = run_report(["02", "04"], out=tmp_path / "fresh", **options)
    for name in ("02_look", "04_look"):
        for ending in ("html", "ipynb"):
            file = f"{name}.{ending}"
            assert (forked.folder / file).read_bytes() == (fresh.folder / file).read_bytes(), file
    looked = (forked.folder / "04_look.ipynb").read_text(encoding="utf-8")
    assert "[False, False, False, False] False False" in looked
    assert "image/png" in looked
    chances = {(forked.folder / f"0{number}_chance.html").read_text().split("<pre class")[-1] for number in (5, 6)}
    assert len(chances) == 2


@forks
def test_a_forge_that_gives_up_is_made_good_by_workers_from_nothing(
    make_notebooks, company_folder, tmp_path, monkeypatch
):
    maker = make_notebooks()
    maker.write("01_one", ("code", "1 + 1"))
    monkeypatch.setattr(
        forge, "_forge_environment", lambda folder: {**os.environ, "PYTHONPATH": "", "PYTHONHOME": "/no"}
    )
    run = run_report(notebook_folder=maker.folder, data=company_folder, out=tmp_path / "run")
    assert run.ok


@forks
def test_the_forge_has_one_thread_after_all_imports(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from crm_utils.report import forge\n"
        "names = [*forge._ALWAYS, *forge.modules_to_import(map(Path, sys.argv[1:]))]\n"
        "forge._import_all(names)\n"
        "print(len(os.listdir('/proc/self/task')), 'pandas' in sys.modules, 'papermill' in sys.modules)"
    )
    notebooks = [str(path) for path in Path("notebooks").glob("*.ipynb")]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *notebooks],
        capture_output=True,
        text=True,
        env=forge._forge_environment(tmp_path),
    )
    assert done.stdout.split() == ["1", "True", "True"], done.stderr


def test_what_notebooks_and_their_chapters_import_is_found_and_nothing_else(make_notebooks):
    maker = make_notebooks()
    path = maker.write(
        "01_x",
        ("code", "import pandas as pd, socket\nfrom crm_utils import value\nfrom scipy import stats"),
        ("code", "%magic is no Python"),
    )
    found = modules_to_import([path])
    assert {"pandas", "scipy.stats", "crm_utils.value", "matplotlib.pyplot"} <= set(found)
    assert not [name for name in found if name.startswith(("socket", "crm_utils.report", "pyspark", "polars"))]


def test_the_users_settings_do_not_reach_a_kernel_but_their_thread_limit_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("MATPLOTLIBRC", "mine")
    environment = kernel_environment(tmp_path)
    assert "PYTHONSTARTUP" not in environment
    assert environment["MATPLOTLIBRC"] == str(tmp_path / "matplotlibrc")
    assert (environment["OMP_NUM_THREADS"], environment["OPENBLAS_NUM_THREADS"]) == ("3", "1")


def test_the_grammar_of_web_addresses_waits_until_it_is_asked():
    code = (
        "import sys, crm_utils.report.quick_nbformat\n"
        "print('nbformat' in sys.modules, 'rfc3987_syntax' in sys.modules)\n"
        "from jsonschema import Draft202012Validator as Validator\n"
        "print([Validator.FORMAT_CHECKER.conforms(text, 'iri') for text in ('http://例え.jp/路', 'no address')])\n"
        "print('rfc3987_syntax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:3] == ["True False", "[True, False]", "True"]
