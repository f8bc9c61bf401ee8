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
    from collections.abc import Iterator

    from crm_utils.report.results import ReportRun

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


def _split(pairs: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"-p {pair}: write a parameter as name=value.")
        if name.strip() in values:
            raise ParameterError(f"-p {name.strip()}: given twice.")
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
    "--spec", type=click.Path(path_type=Path), metavar="FILE", help="Notebooks and parameters from a YAML file."
)
@click.option("--data", metavar="FOLDER", help="Company folder. Default: the demo company.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Default: reports/runs/<time>.")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Notebooks at the same time. Default: all cores.")
@click.option("--timeout", type=float, metavar="S", help="Seconds that one notebook may take. Default: 1800.")
def report(
    notebooks: tuple[str, ...],
    pairs: tuple[str, ...],
    spec: Path | None,
    data: str | None,
    out: Path | None,
    jobs: int | None,
    timeout: float | None,
) -> None:
    """Run notebooks (such as 03, value or 03_value; default all) and write a report.

    Exit code 0: complete; 1: a notebook is not complete; 2: bad input, nothing was run; 130: interrupted.
    """
    from crm_utils.report.progress import progress_for_terminal
    from crm_utils.report.results import RunInterrupted
    from crm_utils.report.run import run_report
    from crm_utils.report.spec import Spec, read_spec

    given = _split(pairs)
    asked = read_spec(spec) if spec else Spec()
    if data is None:
        data = given.get("data", asked.data)
    with _terminated_like_interrupted():
        try:
            run = run_report(
                notebooks or asked.notebooks,
                data=data,
                parameters={**asked.parameters, **given},
                per_notebook=_without_overridden(asked.per_notebook, given),
                out=out,
                jobs=jobs or asked.jobs,
                timeout=asked.timeout if timeout is None else timeout,
                progress=progress_for_terminal(),
            )
        except RunInterrupted as interruption:
            run = interruption.run
    _say_how_it_went(run)
    sys.exit(run.exit_code)


def _without_overridden(per_notebook: dict[str, dict], given: dict[str, str]) -> dict[str, dict]:
    """Let the command line win over all of the spec file, its per-notebook values included."""
    return {
        notebook: {name: value for name, value in values.items() if name not in given}
        for notebook, values in per_notebook.items()
    }


def _say_how_it_went(run: ReportRun) -> None:
    from crm_utils.report.context import shorten

    for result in run.results:
        if result.ok or result.status == "not run":
            continue
        place = f" in code cell {result.cell}" if result.cell else ""
        message = shorten(" ".join(f"{result.error}: {result.message}".split()), 300)
        click.echo(f"{result.name}: {result.status}{place}: {message}", err=True)
    if run.interrupted:
        click.echo("Interrupted; what was complete is written.", err=True)
    click.echo(run.index)


@main.command("list")
def list_notebooks() -> None:
    """List the notebooks, what they need, and their parameters."""
    from crm_utils.report.notebooks import choose_notebooks

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
    if found.unused_files:
        click.echo(f"Files that belong to no table: {', '.join(found.unused_files)}")
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
