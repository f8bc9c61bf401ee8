"""How often the intervals of path models and satisfaction indices hold the truth, over simulated surveys.

Each survey is drawn from a population in which the ECSI model holds, and estimated by the path scheme; counted is how
often the 90 % bootstrap intervals of the paths and of the satisfaction index hold their planted values. What is planted
differs by method. Consistent estimates (PLSc) aim at the paths among the constructs themselves. Plain PLS aims at the
paths among weighted sums of the items, which errors of the items make smaller: its planted values are the estimates
from the population's own means and covariances, which are known exactly. The planted index is that of the population's
weights, standard deviations and means. Surveys whose estimate does not exist (improper consistent estimates) are
counted apart, and so are the replicates that are left out. The last surveys are estimated as they should not be, to
show what the counting finds. One child seed a survey, so that the number of processes does not matter.

    python benchmarks/coverage_pls.py                     # 500 surveys of each kind
    python benchmarks/coverage_pls.py --surveys 20        # a quick look
    python benchmarks/coverage_pls.py --only "PLS, 250" "PLSc, 250"
    python benchmarks/coverage_pls.py --write             # also docs/pls-coverage.md
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _surveys import EFFECTS, LOADINGS, Population, rounded, rounded_moments

from crm_utils.errors import ConvergenceError, ParameterError
from crm_utils.intervals import wilson
from crm_utils.pls import PathBootstrap, PathModel
from crm_utils.pls.cases import Moments
from crm_utils.pls.estimates import Options, estimates
from crm_utils.satisfaction.changes import index_changes, index_differences
from crm_utils.satisfaction.index import index_scores

LEVEL = 0.9
ALLOWED = (0.85, 0.95)
SEED = 7
REPLICATES = 1_000
SCALE = (1.0, 10.0)
DOCS = Path(__file__).parents[1] / "docs"

ORDINARY = Population(LOADINGS)
# Expectation is measured as badly as in the published survey, where its rho_A is 0.46.
WEAK = Population(LOADINGS | {"expectation": (0.55, 0.45, 0.45)})
# In whole points from 1 to 10, with many tens.
WHOLE_POINTS = Population(LOADINGS, mean=7.3, spread=1.8)

# Shift of quality, which runs down the paths, in standard deviations of the construct.
WAVES = (0.0, -0.3, 0.1, 0.1)
TWO_WAVES = WAVES[:2]
STRATA = (0.0, -0.8)
STRATA_SHARES, STRATA_SAMPLED = np.array([0.5, 0.5]), np.array([0.8, 0.2])
# Share of the variance of disturbances and errors that stays with the person.
PERSISTENCE = 0.7
# One in four of those whom a wave finds does not answer it.
ANSWERS_WAVE = 0.75
# Items left blank, and how often: by those above and below the mean of image_1, which everybody answers.
LEFT_BLANK, BLANK_SHARES = ("quality_1", "value_2", "satisfaction_2", "loyalty_1"), (0.05, 0.3)


@dataclass(frozen=True)
class Design:
    """How surveys of one kind are drawn and estimated.

    Attributes
    ----------
    respondents : int
        People in a survey.
    population : Population
        Where they come from.
    kind : {"plain", "whole points", "strata", "waves", "panel", "blanks"}
        What is special: answers in whole points; one stratum is asked too seldom; waves ask other people, or the
        same; answers are missing.
    waves : tuple of float
        Shift of quality in each wave.
    consistent : bool
        Whether estimates are consistent.
    intervals : {"percentile", "bca"}
        Kind of interval.
    told : bool
        Whether the estimation is told weights and people, and expects missing values by EM; otherwise it leaves out
        incomplete answers.
    """

    respondents: int
    population: Population = ORDINARY
    kind: str = "plain"
    waves: tuple[float, ...] = ()
    consistent: bool = False
    intervals: str = "percentile"
    told: bool = True


TRIALS = {
    "PLS, 250": Design(250),
    "PLS, 250, BCa": Design(250, intervals="bca"),
    "PLS, 1,000": Design(1_000),
    "PLS, 1,000, BCa": Design(1_000, intervals="bca"),
    "PLSc, 250": Design(250, consistent=True),
    "PLSc, 250, BCa": Design(250, consistent=True, intervals="bca"),
    "PLSc, 1,000": Design(1_000, consistent=True),
    "PLSc, 1,000, BCa": Design(1_000, consistent=True, intervals="bca"),
    "PLSc, 250, weak items": Design(250, WEAK, consistent=True),
    "PLSc, 1,000, weak items": Design(1_000, WEAK, consistent=True),
    "PLS, 250, whole points": Design(250, WHOLE_POINTS, "whole points"),
    "PLS, 500, weights": Design(500, kind="strata"),
    "PLSc, 500, weights": Design(500, kind="strata", consistent=True),
    "PLS, 300 people in two waves": Design(300, kind="panel", waves=TWO_WAVES),
    "PLS, 250, blanks by EM": Design(250, kind="blanks"),
    "PLSc, 250, blanks by EM": Design(250, kind="blanks", consistent=True),
    "four waves of 250": Design(1_000, kind="waves", waves=WAVES),
    "300 people in four waves": Design(300, kind="panel", waves=WAVES),
    "PLS, 80": Design(80),
    "PLSc, 120": Design(120, consistent=True),
}
# What the estimation should have been told.
CONTRASTS = {
    "weights not told": Design(500, kind="strata", told=False),
    "people not told": Design(300, kind="panel", waves=TWO_WAVES, told=False),
    "incomplete answers left out": Design(250, kind="blanks", told=False),
}


KINDS = TRIALS | CONTRASTS


@dataclass(frozen=True)
class Trial:
    """What became of one survey: one row a quantity; why some or all are missing; the share of replicates left out."""

    checks: pd.DataFrame | None
    failure: str = ""
    left_out: float = np.nan


def shifted(population: Population, quality: float) -> np.ndarray:
    return quality * (np.array(list(population.loadings)) == "quality")


def moments_of(design: Design) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of the items by part of the population (wave or stratum), and means and covariances of the whole."""
    population = design.population
    if design.kind == "whole points":
        means, covariances = rounded_moments(population)
        return means[None], means, covariances
    shifts, shares = parts_of(design)
    by_part = np.stack([population.means(shifted(population, shift)) for shift in shifts])
    means = shares @ by_part
    between = (by_part - means).T * shares @ (by_part - means)
    return by_part, means, population.covariances() + between


def parts_of(design: Design) -> tuple[tuple[float, ...], np.ndarray]:
    """Shift of quality in each part of the population, and the share of the part."""
    if design.kind == "strata":
        return STRATA, STRATA_SHARES
    shifts = design.waves or (0.0,)
    return shifts, np.full(len(shifts), 1 / len(shifts))


@cache
def planted(name: str) -> tuple[pd.Series, np.ndarray]:
    """Paths and the satisfaction index (of each wave, where there are some) in the population."""
    design = KINDS[name]
    model, layout = design.population.model, design.population.model.layout()
    by_part, means, covariances = moments_of(design)
    spreads = np.sqrt(np.diag(covariances))
    items = Moments(means[None], spreads[None], (covariances / np.outer(spreads, spreads))[None])
    found = estimates(items, layout, Options("path", design.consistent, True, 1e-12))
    labels = pd.MultiIndex.from_tuples(model.paths)
    places = [tuple(layout.constructs.index(name) for name in path) for path in labels]
    paths = pd.Series([found.paths[0, source, target] for source, target in places], labels)
    if design.consistent and design.kind == "plain":
        # They need no estimate; the estimate of a population in which the model holds has to find them.
        np.testing.assert_allclose(paths, [EFFECTS[path] for path in labels], atol=1e-8)
    block = layout.block(layout.constructs.index("satisfaction"))
    weights = found.weights[0, block] / spreads[block]
    groups = by_part if design.waves else means[None]
    points = 100 * (groups[:, block] - SCALE[0]) @ weights / (weights.sum() * (SCALE[1] - SCALE[0]))
    return paths, points


def draw(design: Design, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, Any], np.ndarray | None]:
    """Answers, what the estimation is told, and the wave of each answer where there are some."""
    population, size = design.population, design.respondents
    told: dict[str, Any] = {}
    if design.kind == "panel":
        answers, people, waves = draw_panel(population, size, design.waves, rng)
        return answers, {"clusters": people} if design.told else {}, waves
    shifts, shares = parts_of(design)
    if design.kind == "strata":
        shares = STRATA_SAMPLED
    part = rng.choice(len(shifts), size, p=shares)
    answers = population.draw(size, rng, np.stack([shifted(population, shift) for shift in shifts])[part])
    if design.kind == "whole points":
        answers = rounded(answers)
    elif design.kind == "strata" and design.told:
        told["weights"] = (STRATA_SHARES / STRATA_SAMPLED)[part]
    elif design.kind == "blanks":
        low = answers["image_1"].to_numpy() < population.centres[list(answers).index("image_1")]
        chance = np.where(low, BLANK_SHARES[1], BLANK_SHARES[0])
        for item in LEFT_BLANK:
            answers[item] = answers[item].mask(rng.random(size) < chance)
        told["missing"] = "em" if design.told else "listwise"
    return answers, told, part if design.waves else None


def draw_panel(
    population: Population, people: int, waves: tuple[float, ...], rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Answers of people who are asked in every wave, with the person and the wave of each answer."""
    constructs, items = len(population.loadings), len(population.owner)
    own = rng.standard_normal((people, constructs + items))
    parts = []
    for shift in waves:
        fresh = rng.standard_normal((people, constructs + items))
        both = np.sqrt(PERSISTENCE) * own + np.sqrt(1 - PERSISTENCE) * fresh
        parts.append(population.answers(both[:, :constructs], both[:, constructs:], shifted(population, shift)))
    kept = rng.random(people * len(waves)) < ANSWERS_WAVE
    person, wave = np.tile(np.arange(people), len(waves)), np.repeat(np.arange(len(waves)), people)
    return pd.concat(parts, ignore_index=True)[kept].reset_index(drop=True), person[kept], wave[kept]


def run_one(name: str, seed: np.random.SeedSequence) -> Trial:
    """Draw a survey and hold the intervals against what is planted."""
    design = KINDS[name]
    drawing, resampling = seed.spawn(2)
    answers, told, waves = draw(design, np.random.default_rng(drawing))
    model: PathModel = design.population.model
    try:
        results = model.fit(answers, consistent=design.consistent, **told)
        drawn = results.bootstrap(REPLICATES, seed=resampling, intervals=design.intervals)
    except ConvergenceError as error:
        return Trial(None, str(error))
    paths, points = planted(name)
    table = drawn.intervals("paths", level=LEVEL)
    checks = table.assign(
        quantity=[" → ".join(path) for path in table.index], truth=paths[table.index].to_numpy()
    ).reset_index(drop=True)
    checks["held"] = (checks["low"] <= checks["truth"]) & (checks["truth"] <= checks["high"])
    rows, failure = [checks], ""
    # The index has percentile intervals, whatever the paths have.
    if design.intervals == "percentile":
        try:
            rows.append(check_indices(index_scores(drawn, scale=SCALE, level=LEVEL, groups=waves), points))
        except ParameterError as error:
            failure = str(error)
    if waves is not None:
        rows.append(check_together(drawn, waves, points))
    return Trial(pd.concat(rows, ignore_index=True), failure, left_out=1 - drawn.usable.mean())


def check_indices(scores: pd.DataFrame, points: np.ndarray) -> pd.DataFrame:
    """Satisfaction of everybody, or of each wave."""
    waves = scores.index.nlevels > 1
    found = scores.xs("satisfaction", level="construct") if waves else scores.loc[["satisfaction"]]
    names = [f"satisfaction index, wave {wave + 1}" for wave in found.index] if waves else ["satisfaction index"]
    held = (found["low"] <= points) & (points <= found["high"])
    return pd.DataFrame(
        {"quantity": names, "estimate": found["index"].to_numpy(), "truth": points, "held": held.to_numpy()}
    )


def check_together(drawn: PathBootstrap, waves: np.ndarray, points: np.ndarray) -> pd.DataFrame:
    """Whether all changes from wave to wave are held at once, and all differences between two waves."""
    changes = index_changes(drawn, waves, scale=SCALE, level=LEVEL)
    rows = [("all changes of the index at once", changes, np.diff(points))]
    if len(points) > 2:
        pairs = index_differences(drawn, waves, scale=SCALE, level=LEVEL)
        apart = points[pairs["group"].astype(int)] - points[pairs["other"].astype(int)]
        rows.append(("all pairs of waves at once", pairs, apart))
    held = {name: ((table["low"] <= truth) & (truth <= table["high"])).all() for name, table, truth in rows}
    return pd.DataFrame({"quantity": list(held), "held": list(held.values())})


def coverage(name: str, trials: list[Trial]) -> pd.DataFrame:
    """One row a quantity: how often its interval held the truth."""
    rows = pd.concat([trial.checks for trial in trials if trial.checks is not None])
    table = rows.groupby("quantity", sort=False).agg(
        truth=("truth", "median"), median=("estimate", "median"), held=("held", "sum"), surveys=("held", "size"),
        mean=("estimate", "mean"), spread=("estimate", "std"),
    )  # fmt: skip
    low, high = wilson(table["held"], table["surveys"], level=0.95)
    left_out = np.mean([trial.left_out for trial in trials if trial.checks is not None])
    return table.assign(low=low, high=high, trial=name, left_out=left_out, drawn=len(trials)).reset_index()


def overview(table: pd.DataFrame) -> str:
    """One row a kind of survey."""
    head = ["surveys", "estimated", "replicates left out", "paths, mean", "paths, lowest to highest"]
    head += ["largest bias of a path", "index", "changes, pairs at once"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    for name, rows in table.groupby("trial", sort=False):
        share = rows["held"] / rows["surveys"]
        is_path = rows["quantity"].str.contains("→")
        bias = ((rows["mean"] - rows["truth"]) / rows["spread"])[is_path]
        index = share[rows["quantity"].str.startswith("satisfaction index")]
        together = share[rows["quantity"].str.startswith("all ")]
        cells = [
            name,
            f"{rows['surveys'].iloc[0]} of {rows['drawn'].iloc[0]}",
            f"{rows['left_out'].iloc[0]:.1%}",
            f"{share[is_path].mean():.1%}",
            f"{share[is_path].min():.1%}–{share[is_path].max():.1%}",
            f"{bias[bias.abs().idxmax()]:+.2f}",
            "–".join(f"{each:.1%}" for each in sorted({index.min(), index.max()}) if len(index)),
            ", ".join(f"{each:.1%}" for each in together),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(table: pd.DataFrame) -> str:
    lines = ["| surveys | quantity | truth | median estimate | surveys | held | share (95 % interval) |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for row in table.itertuples():
        share = f"{row.held / row.surveys:.1%} ({row.low:.1%}–{row.high:.1%})"
        numbers = ["" if np.isnan(each) else f"{each:.4g}" for each in (row.truth, row.median)]
        cells = [row.trial, row.quantity, *numbers, row.surveys, row.held, share]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def verdict(table: pd.DataFrame, failures: dict[str, list[str]], surveys: int) -> str:
    """Say from the numbers what is inside the limits, and which estimates do not exist."""
    counted = table[~table["trial"].isin(CONTRASTS)]
    share = counted["held"] / counted["surveys"]
    outside = counted[~share.between(*ALLOWED)]
    said = (
        f"{len(counted) - len(outside)} of {len(counted)} quantities are held {ALLOWED[0]:.0%} to {ALLOWED[1]:.0%} of "
        "the time"
    )
    if len(outside):
        said += "; not so: " + "; ".join(
            f"{row.trial}: {row.quantity} ({row.held / row.surveys:.1%})" for row in outside.itertuples()
        )
    lines = [said + ". " + by_chance(counted)]
    for name, messages in failures.items():
        if messages:
            lines.append(
                f"{name}: {len(messages)} of {surveys} surveys lack the estimate or the index; one: {messages[0]}"
            )
    if len(lines) == 1:
        lines.append("Every survey has its estimate and its index.")
    return "\n\n".join(lines)


def by_chance(table: pd.DataFrame) -> str:
    """The share over all quantities, and how many would be outside the limits if every one had it."""
    from scipy.stats import binom

    sizes = table["surveys"].to_numpy()
    share = table["held"].sum() / sizes.sum()
    inside = binom.cdf(np.floor(sizes * ALLOWED[1]), sizes, share)
    inside -= binom.cdf(np.ceil(sizes * ALLOWED[0]) - 1, sizes, share)
    return (
        f"Over all it is {share:.1%}; were it so of each quantity, {(1 - inside).sum():.1f} would be outside by chance."
    )


def write_docs(table: pd.DataFrame, said: str, surveys: int) -> None:
    fewer, more = BLANK_SHARES
    text = f"""# Path models and satisfaction indices: do the intervals hold the truth?

{overview(table)}

{said}

{surveys} simulated surveys of each kind from a population in which the ECSI model holds (seven constructs, 24 items):
how often the {LEVEL:.0%} bootstrap intervals ({REPLICATES:,} replicates) hold the planted value. A bias is the mean
error of a path in standard deviations of its estimates. Made by `python benchmarks/coverage_pls.py --write`.

**What is planted.** PLSc estimates the paths among the constructs, and these are planted (with weights, those in the
whole population). Plain PLS estimates the paths among weighted sums of the items, which errors of the items make
smaller; its planted values are the estimates from the population's own means and covariances, which are known exactly.
The planted index is that of the population's weights, standard deviations and means, by the unstandardised rule.

**Kinds of surveys.** The number is that of the respondents. Intervals are between percentiles, or BCa (the index has
percentile intervals in any case). *Weak items*: expectation has loadings of 0.45 to 0.55. *Whole points*: answers are
rounded to 1–10, with many tens. *Weights*: one half of the population, less satisfied, is asked a quarter as often as
the other. *Blanks*: four items are left blank by {fewer:.0%} or {more:.0%}, depending on another answer, and expected
by EM. *People in waves*: {PERSISTENCE:.0%} of the variance stays with the person, who misses one wave in four; people
are drawn, with all their answers. *Four waves*: other people every time; quality is worse in the second. "At once" are
all changes of the satisfaction index from wave to wave, and all differences between two waves.

**Outside the limits** are two paths. Of 1,000 other surveys of these kinds (`--seed 8 --surveys 1000`), 89.7% hold the
one from expectation to satisfaction of 300 people in two waves: that it was so low was chance. The one from expectation
to quality in PLSc with 120 respondents is held by 86.1%, a little too seldom: these are few respondents for consistent
estimates. One replicate in seven is improper and left out, and some surveys have no estimate at all.

**The last three kinds are estimated as they should not be**, to show what such a count finds; they are not in the
number above. Without weights the index is that of those asked. Where answers of one person pass for those of several
people, the intervals of the paths are too narrow, and that of the change too wide. Leaving out incomplete answers
leaves the more satisfied.

## Every quantity

{markdown(table)}
"""
    (DOCS / "pls-coverage.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the trials and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--surveys", type=int, default=500, help="surveys of each kind")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="write the tables to docs")
    arguments = parser.parse_args()
    # Two processes with threads of their own would be in each other's way.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    tables, failures = [], {}
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for name in arguments.only:
            start = time.perf_counter()
            # One root a kind, whichever kinds are run.
            seeds = np.random.SeedSequence([arguments.seed, list(KINDS).index(name)]).spawn(arguments.surveys)
            trials = list(pool.map(partial(run_one, name), seeds, chunksize=4))
            failures[name] = [trial.failure for trial in trials if trial.failure]
            tables.append(coverage(name, trials))
            print(f"{name}: {time.perf_counter() - start:.0f} s, {len(failures[name])} failed", flush=True)
    table = pd.concat(tables, ignore_index=True)
    said = verdict(table, failures, arguments.surveys)
    print(overview(table), markdown(table), said, sep="\n\n")
    if arguments.write:
        write_docs(table, said, arguments.surveys)


if __name__ == "__main__":
    main()
