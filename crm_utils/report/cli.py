"""The command ``crm``. Imports are made by the commands, so that ``crm --help`` answers at once."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_utils.errors import CrmError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from crm_utils.report.notebooks import Notebook
    from crm_utils.report.results import ReportRun
    from crm_utils.report.sweep_writer import SweepRun

_BAD_INPUT = 2


class _Group(click.Group):
    """Turns the package's own errors into a message and exit code 2; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CrmError as error:
            click.echo(f"crm: {error}", err=True)
            ctx.exit(_BAD_INPUT)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crm_utils")
def main() -> None:
    """Run the CRM workbook on your own customers and turn it into a report."""


def _split(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"{option} {pair}: write a parameter as name=value.")
        if name.strip() in values:
            raise ParameterError(f"{option} {name.strip()}: given twice.")
        values[name.strip()] = value
    return values


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a scheduler's SIGTERM end a run as orderly as Ctrl-C does."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@main.command()
@click.argument("notebooks", nargs=-1, metavar="[NN]...")
@click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter; repeatable.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="NAME=A,B,C",
    help="Run for each value, and compare; repeatable, then crossed. Values with commas: NAME='[\"a, b\", c]'.",
)
@click.option("--spec", metavar="FILE", help="A YAML file that says all this, or the name of one in reports/specs.")
@click.option("--data", metavar="FOLDER", help="Company folder. Default: the demo company.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: reports/runs/<time>.")
@click.option("--resume", metavar="RUN", help="Take up a run: keep the pages that still hold, run the others.")
@click.option("--formats", metavar="pdf", help="Print pages as PDF too, with the system's Chromium.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Notebooks at the same time. Default: all cores.")
@click.option("--timeout", type=float, metavar="S", help="Seconds that one notebook may take. Default: 1800.")
@click.option("--cell-timeout", type=float, metavar="S", help="Seconds that one cell may take.")
@click.option("--backend", metavar="NAME", help="local (default), or dask: the workers of a cluster.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, such as tcp://127.0.0.1:8786.")
def report(
    notebooks: tuple[str, ...],
    pairs: tuple[str, ...],
    sweeps: tuple[str, ...],
    spec: str | None,
    data: str | None,
    out: Path | None,
    resume: str | None,
    formats: str | None,
    jobs: int | None,
    timeout: float | None,
    cell_timeout: float | None,
    backend: str | None,
    scheduler: str | None,
) -> None:
    """Run notebooks (such as 03, value or 03_value; default all) and write a report.

    Exit code 0: complete; 1: a notebook is not complete; 2: bad input, nothing was run; 130: interrupted.
    """
    from crm_utils.report.progress import progress_for_terminal
    from crm_utils.report.results import RunInterrupted
    from crm_utils.report.resume import resume_run
    from crm_utils.report.run import run_report
    from crm_utils.report.spec import Spec, find_spec, read_spec
    from crm_utils.report.sweep import run_sweep

    asked = read_spec(find_spec(spec)) if spec else Spec()
    how = {
        "jobs": jobs or asked.jobs,
        "timeout": asked.timeout if timeout is None else timeout,
        "cell_timeout": asked.cell_timeout if cell_timeout is None else cell_timeout,
        "formats": asked.formats if formats is None else [name.strip() for name in formats.split(",")],
        "backend": backend,
        "scheduler": scheduler,
        "progress": progress_for_terminal(),
    }
    _say_when_nothing_prints(how["formats"])
    if resume:
        if notebooks or pairs or sweeps or spec or data or out:
            raise ParameterError(
                "--resume takes notebooks, parameters and data from the run; only limits, jobs, formats and backend "
                "can be given with it."
            )

        def do():
            return resume_run(resume, say=lambda line: click.echo(line, err=True), **how)

    else:
        given, swept = _split(pairs, "-p"), _split(sweeps, "--sweep")
        own = given | swept
        what = {
            "data": data if data is not None else given.get("data", None if "data" in swept else asked.data),
            "parameters": {name: value for name, value in {**asked.parameters, **given}.items() if name not in swept},
            "per_notebook": _without_overridden(asked.per_notebook, own),
            "out": out,
        }
        sweep = {name: values for name, values in asked.sweep.items() if name not in given} | swept

        def do():
            if sweep:
                return run_sweep(notebooks or asked.notebooks, sweep=sweep, **what, **how)
            return run_report(notebooks or asked.notebooks, **what, **how)

    with _terminated_like_interrupted():
        try:
            run = do()
        except RunInterrupted as interruption:
            run = interruption.run
    _say_how_it_went(run)
    sys.exit(run.exit_code)


def _say_when_nothing_prints(formats: Sequence[str] | None) -> None:
    from crm_utils.report.pdf import find_browser

    if "pdf" in (formats or ()) and not find_browser():
        click.echo("No Chromium or Chrome on this system: pages are written as HTML only.", err=True)


def _without_overridden(per_notebook: dict[str, dict], given: Collection[str]) -> dict[str, dict]:
    """Let the command line win over all of the spec file, its per-notebook values included."""
    return {
        notebook: {name: value for name, value in values.items() if name not in given}
        for notebook, values in per_notebook.items()
    }


def _say_how_it_went(run: ReportRun | SweepRun) -> None:
    from crm_utils.report.context import shorten

    kept = sum(result.kept for result in run.results)
    if kept:
        click.echo(f"Kept {kept} of {len(run.results)} notebooks from the run before.", err=True)
    for result in run.results:
        if result.pdf_problem:
            click.echo(f"{result.label}: not printed. {result.pdf_problem}", err=True)
        if result.ok or result.status == "not run":
            continue
        place = f" in code cell {result.cell}" if result.cell else ""
        message = shorten(" ".join(f"{result.error}: {result.message}".split()), 300)
        click.echo(f"{result.label}: {result.status}{place}: {message}", err=True)
    if run.interrupted:
        click.echo("Interrupted; what was complete is written.", err=True)
    click.echo(run.index)


@main.command()
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@click.option("--format", "form", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
def compare(before: str, after: str, form: str) -> None:
    """List what changed between two runs: headlines, parameters, data, versions, and how notebooks ended.

    Exit code, as of diff: 0 nothing differs, 1 something does, 2 a folder is not of a run.
    """
    from crm_utils.report.compare import compare_runs, comparison_csv, comparison_json, comparison_text

    comparison = compare_runs(before, after)
    write = {"text": comparison_text, "csv": comparison_csv, "json": comparison_json}[form]
    click.echo(write(comparison))
    sys.exit(0 if comparison.same else 1)


@main.command("list")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_notebooks(form: str) -> None:
    """List the notebooks, what they need, and their parameters."""
    from crm_utils.report.notebooks import choose_notebooks

    if form == "json":
        click.echo(_as_json(choose_notebooks()))
        return
    for notebook in choose_notebooks():
        click.echo(click.style(notebook.title, bold=True) + f"   [{notebook.name}]")
        if notebook.needs:
            click.echo(f"  needs {', '.join(notebook.needs)}")
        if notebook.uses:
            click.echo(f"  shows more with {', '.join(notebook.uses)}")
        width = max((len(_declaration(parameter)) for parameter in notebook.parameters), default=0)
        for parameter in notebook.parameters:
            click.echo(f"  {_declaration(parameter):{width}}  {parameter.help}".rstrip())
        click.echo()


def _as_json(notebooks: Sequence[Notebook]) -> str:
    import json
    from dataclasses import asdict

    rows = [
        {
            "name": notebook.name,
            "title": notebook.title,
            "needs": notebook.needs,
            "uses": notebook.uses,
            "parameters": [asdict(parameter) for parameter in notebook.parameters],
        }
        for notebook in notebooks
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def _declaration(parameter) -> str:
    return f"{parameter.name}: {parameter.type} = {parameter.default!r}"


@main.command()
@click.argument("folder", metavar="FOLDER")
def check(folder: str) -> None:
    """Check a company's tables, and tell which notebooks they allow."""
    from crm_utils.company import check_company
    from crm_utils.report.notebooks import choose_notebooks

    found = check_company(folder)
    found.raise_problems()
    company = found.company
    click.echo(f"{company.name}: the tables keep the contract.")
    for table, rows in found.tables.items():
        click.echo(f"  {table}: {rows:,d} rows")
    click.echo("\nRows set aside:" if len(found.set_aside) else "\nNo row was set aside.")
    for row in found.set_aside.itertuples():
        click.echo(f"  {row.table}: {row.rows:,d} rows ({row.share:.2%}), {row.reason}")
    for row in found.returns.itertuples():
        click.echo(f"Returns: {row.lines:,d} order lines, {row.amount:,.2f} {company.currency}".rstrip())
    click.echo("\n" + "\n".join(found.lines()))
    click.echo("\nNotebooks:")
    for notebook in choose_notebooks():
        missing = notebook.missing(company.tables)
        click.echo(f"  {notebook.name}: " + (f"needs {', '.join(missing)}" if missing else "can run"))


@main.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: data/public/<name>.")
def fetch(name: str, out: Path | None) -> None:
    """Fetch a public data set and make it a company folder."""
    from crm_utils.company.public import fetch_company

    folder = fetch_company(name, out)
    click.echo(folder)


@main.command()
@click.option("--customers", type=click.IntRange(min=1), default=5_000, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, metavar="S")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="New or empty folder.")
@click.option("--format", "file_format", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
def simulate(customers: int, seed: int, out: Path, file_format: str) -> None:
    """Simulate the fictional company at any size, with the truth about it.

    Parquet is written block by block and fits any memory; CSV is made in memory at once.
    """
    from crm_utils.company.simulate import stream_company, write_company

    if file_format == "csv":
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ParameterError(f"--out {out}: is not an empty folder. Name a new one.")
        write_company(out, truth_folder=out / "truth", customers=customers, seed=seed)
    else:
        from tqdm import tqdm

        with tqdm(total=customers, unit="customer", disable=not sys.stderr.isatty(), leave=False) as bar:
            stream_company(customers, out, seed=seed, progress=lambda done, _all: bar.update(done - bar.n))
    click.echo(out)
