"""Population stability: the index by hand, its noise, snapshots one by one."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from crm_utils.churn.features import several_snapshots
from crm_utils.churn.stability import plot_stability, snapshot_stability, stability_index
from crm_utils.company import load_company
from crm_utils.errors import DataFloorError, ParameterError
from crm_utils.plotting import MUTED, alt_text


@pytest.fixture(scope="module")
def table():
    return several_snapshots(load_company(), first="2024-07-01", last="2025-07-01", every_months=6)


class TestIndex:
    def test_by_hand(self):
        before, after = np.repeat(["a", "b", "c"], [50, 30, 20]), np.repeat(["a", "b", "d"], [80, 60, 60])
        p, q = np.array([50, 30, 20, 0.5]) / 100.5, np.array([80, 60, 0.5, 60]) / 200.5
        found = stability_index(before, after)
        assert found["psi"] == pytest.approx(((q - p) * np.log(q / p)).sum())
        assert (found["bins"], found["verdict"]) == (4, "shifted")

    def test_numbers_by_quantiles_and_missing_as_a_bin(self):
        before = np.arange(100.0)
        moved = np.r_[np.arange(50.0), np.full(50, np.nan)]
        found = stability_index(before, moved, bins=2)
        p, q = np.array([50, 50, 0.5]) / 100.5, np.array([50, 0.5, 50]) / 100.5
        assert found["psi"] == pytest.approx(((q - p) * np.log(q / p)).sum())

    def test_nothing_changed_is_nothing(self):
        values = np.random.default_rng(1).normal(size=500)
        found = stability_index(values, values)
        assert (found["psi"], found["verdict"]) == (0, "within chance")
        assert stability_index(np.ones(60), np.ones(70))["verdict"] == "within chance"

    def test_chance_is_passed_once_in_twenty(self):
        passed = 0
        for seed in range(400):
            rng = np.random.default_rng(seed)
            found = stability_index(rng.choice(list("abcde"), 600), rng.choice(list("abcde"), 300))
            passed += found["psi"] > found["by_chance"]
        assert 7 <= passed <= 36

    @pytest.mark.parametrize(("shift", "verdict"), [(0.2, "stable"), (0.4, "look into it"), (1.0, "shifted")])
    def test_limits(self, shift, verdict):
        """For normal values shifted by d the index is near d²."""
        rng = np.random.default_rng(3)
        found = stability_index(rng.normal(size=50_000), rng.normal(shift, 1, 50_000))
        assert found["psi"] == pytest.approx(shift**2, rel=0.15)
        assert found["verdict"] == verdict

    def test_unusable(self):
        with pytest.raises(DataFloorError, match="at least 50"):
            stability_index([1.0] * 10, [1.0] * 60)
        with pytest.raises(ParameterError, match="numbers and the other text"):
            stability_index([1.0] * 60, ["a"] * 60)
        with pytest.raises(ParameterError, match="bins"):
            stability_index([1.0] * 60, [1.0] * 60, bins=1)


class TestSnapshots:
    def test_is_the_index_of_each_feature(self, table):
        found = snapshot_stability(table, features=["plan", "visits_last_3_months"])
        assert found["snapshot"].dt.strftime("%Y-%m").tolist() == ["2025-01"] * 2 + ["2025-07"] * 2
        first, later = (table.rows.loc[table.rows["snapshot"] == day, "plan"] for day in ("2024-07-01", "2025-07-01"))
        row = found[(found["feature"] == "plan") & (found["snapshot"] == "2025-07-01")].iloc[0]
        assert row["psi"] == pytest.approx(stability_index(first, later)["psi"])

    def test_references_and_score(self, table):
        score = table.rows["tenure_months"] / 100
        found = snapshot_stability(table, reference="2025-01-01", features=["tenure_months"], score=score)
        assert sorted(found["feature"]) == ["score", "tenure_months"]
        assert found["psi"].iloc[0] == pytest.approx(found["psi"].iloc[1])
        trained = table.part((table.rows["snapshot"] < "2025-06-01").to_numpy())
        last = table.part((table.rows["snapshot"] > "2025-06-01").to_numpy())
        found = snapshot_stability(last, reference=trained)
        assert len(found) == len(table.features)
        assert found["psi"].is_monotonic_decreasing

    def test_unusable(self, table):
        with pytest.raises(ParameterError, match="3 problems") as caught:
            snapshot_stability(table, reference="2025-02-01", features=["plam"], score=[1.0])
        assert "did you mean 'plan'" in str(caught.value)
        with pytest.raises(DataFloorError, match="at least two"):
            snapshot_stability(table, reference="2025-07-01")


class TestFigure:
    @pytest.fixture
    def moved(self):
        return pd.DataFrame(
            {
                "snapshot": pd.to_datetime(["2025-01-01", *["2025-07-01"] * 4]),
                "feature": ["plan", "visits", "spend_trend", "age", "plan"],
                "psi": [0.9, 0.3, 0.12, 0.11, 0.05],
                "by_chance": [0.02, 0.04, 0.05, 0.2, 0.01],
            }
        )

    def test_shows_the_table(self, moved):
        ax = plt.figure().add_subplot()
        assert plot_stability(moved.iloc[::-1], ax=ax) is ax
        assert [bar.get_width() for bar in ax.patches] == [0.3, 0.12, 0.11, 0.05]
        assert [text.get_text() for text in ax.get_yticklabels()] == ["visits", "spend trend", "age", "plan"]
        assert ax.lines[0].get_xdata().tolist() == [0.04, 0.05, 0.2, 0.01]
        assert [line.get_xdata()[0] for line in ax.lines[1:]] == [0.1, 0.25]
        # What does not pass chance is grey.
        colors = [to_hex(bar.get_facecolor()) for bar in ax.patches]
        assert colors[2] == MUTED.lower()
        assert MUTED.lower() not in colors[:2] + colors[3:]
        assert "1 of 4 features shifted, 1 more to look into; visits 0.30" in alt_text(ax.figure)
        ax.figure.draw_without_rendering()
        plt.close(ax.figure)

    def test_snapshot_most_and_labels(self, moved):
        ax = plot_stability(moved, snapshot="2025-01-01", labels={"plan": "Tarif $x$"})
        assert [text.get_text() for text in ax.get_yticklabels()] == ["Tarif $x$"]
        assert "2025-01-01" in ax.get_title() + ax.get_title(loc="left")
        few = plot_stability(moved, most=2)
        assert len(few.patches) == 2
        # The rest is counted all the same.
        assert "of 4 features" in alt_text(few.figure)
        plt.close(ax.figure)
        plt.close(few.figure)

    def test_names_of_limits_do_not_overlap(self, moved):
        for psi in (0.05, 0.5, 9.0):
            ax = plot_stability(moved.assign(psi=psi))
            ax.figure.draw_without_rendering()
            look, shifted = (text.get_window_extent() for text in ax.texts[-2:])
            assert look.x1 < shifted.x0
            plt.close(ax.figure)

    def test_takes_what_snapshot_stability_gives(self, table):
        found = snapshot_stability(table, features=["plan", "visits_last_3_months"])
        ax = plot_stability(found)
        assert [bar.get_width() for bar in ax.patches] == found["psi"].tail(2).tolist()
        plt.close(ax.figure)

    def test_unusable(self, moved):
        with pytest.raises(ParameterError, match="2 problems"):
            plot_stability(moved.drop(columns="by_chance"), most=0)
        with pytest.raises(ParameterError, match="no snapshot 2025-03-01; there are 2025-01-01, 2025-07-01"):
            plot_stability(moved, snapshot="2025-03-01")
