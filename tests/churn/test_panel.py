"""Members month by month: what is known when, recovery of the planted hazard, and unusable tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from crm_utils.churn import member_panel, panel_hazard
from crm_utils.company import load_company, load_truth
from crm_utils.company.simulate.members import MEMBERS, churn_covariates
from crm_utils.errors import ConvergenceError, DataFloorError, ParameterError
from crm_utils.plotting import alt_text

STEP = {"price_step": (MEMBERS.price_step_month, MEMBERS.price_step_months)}
PLANTED = {
    "(constant)": MEMBERS.hazard_intercept,
    "satisfaction": MEMBERS.hazard_satisfaction,
    "visits_trend": MEMBERS.hazard_visit_trend,
    "complaints": MEMBERS.hazard_complaints,
    "late_payments": MEMBERS.hazard_late_payments,
    "log_tenure": MEMBERS.hazard_log_tenure,
    "price_step": MEMBERS.hazard_price_step,
}


@pytest.fixture
def memberships():
    """One who left in April, one who came back after a pause, one who joins later."""
    return pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "bob", "cai"],
            "started_at": pd.to_datetime(["2025-01-01", "2025-01-15", "2025-04-01", "2025-04-20"]),
            "ended_at": pd.to_datetime(["2025-04-30", "2025-02-10", None, None]),
            "plan": ["gold", "silver", "gold", "silver"],
        }
    )


@pytest.fixture
def months():
    return pd.DataFrame(
        {
            "customer_id": ["ann"] * 4 + ["bob"] * 4 + ["cai"] * 2,
            "month": pd.to_datetime([f"2025-{m:02}-01" for m in (1, 2, 3, 4, 1, 2, 4, 5, 4, 5)]),
            "visits": [3, 1, 0, 9, 5, 5, 2, 2, 1, 1],
            "complaints": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        }
    )


@pytest.fixture(scope="module")
def demo():
    """The demo's months with the covariates of the very month, and the satisfaction that is true."""
    company = load_company()
    panel = member_panel(company.memberships, company.member_months, as_of=company.as_of, lag=0, steps=STEP)
    return panel.merge(load_truth().tables["members"][["customer_id", "satisfaction"]], on="customer_id")


class TestPanel:
    def test_by_hand(self, memberships, months):
        panel = member_panel(memberships, months, as_of="2025-06-10", covariates=["complaints"], keep=["plan"])
        assert panel["customer_id"].tolist() == ["ann"] * 3 + ["bob"] * 2 + ["cai"]
        assert panel["month"].dt.month.tolist() == [2, 3, 4, 2, 5, 5]
        assert panel["tenure_months"].tolist() == [2, 3, 4, 2, 2, 2]
        # Those of the month before.
        assert panel["complaints"].tolist() == [0, 1, 2, 4, 6, 8]
        expected = [0, np.log(2 / 4), np.log(1 / 3), 0, 0, 0]
        assert panel["visits_trend"].tolist() == pytest.approx(expected)
        assert panel["left"].tolist() == [0, 0, 1, 1, 0, 0]
        assert panel["plan"].tolist() == ["gold"] * 3 + ["silver", "gold", "silver"]
        # The first month of each of four spells has no month before; June is not over.
        assert panel.attrs["left_out"] == 4

    def test_nothing_of_the_month_or_later_is_known(self, memberships, months):
        panel = member_panel(memberships, months, as_of="2025-04-01", covariates=["complaints"])
        changed = months.assign(
            visits=months["visits"].mask(months["month"] >= "2025-03-01", 99),
            complaints=months["complaints"].mask(months["month"] >= "2025-03-01", 99),
        )
        pd.testing.assert_frame_equal(
            member_panel(memberships, changed, as_of="2025-04-01", covariates=["complaints"]), panel
        )
        assert panel["month"].max() == pd.Timestamp("2025-03-01")
        assert panel["left"].tolist() == [0, 0, 1]

    def test_the_pause_between_spells_is_not_looked_into(self, memberships, months):
        extra = pd.DataFrame(
            {"customer_id": ["bob"], "month": pd.to_datetime(["2025-03-01"]), "visits": [50], "complaints": [50]}
        )
        with_pause = pd.concat([months, extra])
        pd.testing.assert_frame_equal(
            member_panel(memberships, with_pause, as_of="2025-06-10", covariates=["complaints"]),
            member_panel(memberships, months, as_of="2025-06-10", covariates=["complaints"]),
        )

    def test_is_the_planted_panel_of_the_demo(self, demo):
        company = load_company()
        planted = churn_covariates(company.memberships, company.member_months)
        planted = planted.sort_values(["customer_id", "month"], ignore_index=True).rename(
            columns={"visit_trend": "visits_trend"}
        )
        for name in ("visits_trend", "complaints", "late_payments", "log_tenure", "price_step", "left"):
            np.testing.assert_allclose(demo[name], planted[name], atol=1e-12)

    def test_a_step_is_for_those_who_were_there(self, memberships, months):
        steps = {"rise": ("2025-03-01", 2)}
        panel = member_panel(memberships, months, as_of="2025-06-10", covariates=[], steps=steps, lag=0)
        assert panel.loc[panel["rise"] == 1, ["customer_id", "tenure_months"]].to_numpy().tolist() == [
            ["ann", 3],
            ["ann", 4],
        ]

    def test_unusable(self, memberships, months):
        with pytest.raises(ParameterError, match="3 problems") as caught:
            member_panel(memberships, months, as_of="2025-06-10", covariates=["complaint"], lag=-1, steps={"x": 3})
        assert "lacks the column complaint" in str(caught.value)
        with pytest.raises(ParameterError, match="1 second rows for a customer and month"):
            member_panel(
                memberships, pd.concat([months, months.tail(1)]), as_of="2025-06-10", covariates=["complaints"]
            )
        with pytest.raises(ParameterError, match="visits must not be negative"):
            member_panel(memberships, months.assign(visits=-1), as_of="2025-06-10", covariates=[])
        with pytest.raises(ParameterError, match="complaints would be there twice"):
            member_panel(memberships, months, as_of="2025-06-10", covariates=["complaints", "complaints"])
        strangers = months.assign(customer_id=[f"x{number}" for number in range(len(months))])
        with pytest.raises(DataFloorError, match="none has them"):
            member_panel(memberships, strangers, as_of="2025-06-10", covariates=["complaints"])

    def test_inputs_and_order(self, memberships, months):
        before = months.copy(), memberships.copy()
        panel = member_panel(memberships, months, as_of="2025-06-10", covariates=["complaints"])
        again = member_panel(memberships[::-1], months[::-1], as_of="2025-06-10", covariates=["complaints"])
        pd.testing.assert_frame_equal(again, panel)
        pd.testing.assert_frame_equal(months, before[0])
        pd.testing.assert_frame_equal(memberships, before[1])


class TestHazard:
    def test_recovers_the_planted_hazard(self, demo):
        names = list(PLANTED)[1:]
        model = panel_hazard(demo, names)
        table = model.summary_frame("monthly hazard").set_index("covariate")
        for name, truth in PLANTED.items():
            assert table.loc[name, "coefficient_low"] < truth < table.loc[name, "coefficient_high"], name
        assert model.not_in_cox == ("log_tenure",)
        assert model.events == demo["left"].sum()
        # Ratios of hazards lie a little nearer to 1 than those of odds.
        cox = model.summary_frame("Cox").set_index("covariate")["coefficient"]
        share = cox / table.loc[cox.index, "coefficient"]
        assert share.between(0.85, 1).all()

    def test_without_satisfaction_complaints_and_tenure_stand_in_for_it(self, demo):
        names = list(PLANTED)[1:]
        full, short = (
            panel_hazard(demo, covariates).summary_frame("monthly hazard").set_index("covariate")["coefficient"]
            for covariates in (names, [name for name in names if name != "satisfaction"])
        )
        assert short["complaints"] > full["complaints"] + 0.1
        assert short["log_tenure"] < full["log_tenure"] - 0.04
        assert short["visits_trend"] == pytest.approx(full["visits_trend"], abs=0.05)

    def test_cloglog_and_cox_estimate_the_same_ratios(self, demo):
        tenure = pd.get_dummies(demo["tenure_months"].clip(upper=12), prefix="t", drop_first=True, dtype=float)
        frame = pd.concat([demo[demo["tenure_months"] <= 12], tenure], axis=1, join="inner")
        dummies = [name for name in frame if name.startswith("t_")]
        model = panel_hazard(frame, ["satisfaction", "complaints", *dummies], link="cloglog")
        assert set(model.not_in_cox) == set(dummies)
        monthly, cox = (model.summary_frame(kind).set_index("covariate") for kind in ("monthly hazard", "Cox"))
        for name in ("satisfaction", "complaints"):
            assert cox.loc[name, "coefficient"] == pytest.approx(monthly.loc[name, "coefficient"], rel=0.03)
            assert cox.loc[name, "std_error"] == pytest.approx(monthly.loc[name, "std_error"], rel=0.05)

    @pytest.mark.parametrize("link", ["logit", "cloglog"])
    def test_predicted_hazards(self, demo, link):
        model = panel_hazard(demo, ["satisfaction", "complaints"], link=link)
        hazard = model.predict(demo)
        assert hazard.sum() == pytest.approx(demo["left"].sum(), rel=0.02)
        truth = load_truth().tables["members"].set_index("customer_id")["mean_hazard"]
        assert np.corrcoef(hazard.groupby(demo["customer_id"]).mean(), truth)[0, 1] > 0.4

    def test_units_do_not_matter_and_holes_are_counted(self, demo):
        small = demo[demo["customer_id"] < "C0001500"]
        model = panel_hazard(small, ["visits_trend", "satisfaction"])
        other = panel_hazard(
            small.assign(satisfaction=lambda frame: 5 + frame["satisfaction"] / 10), ["visits_trend", "satisfaction"]
        )
        ratio = other.coefficients["coefficient"] / model.coefficients["coefficient"]
        assert ratio[other.coefficients["covariate"] == "satisfaction"].tolist() == pytest.approx([10, 10])
        holes = small.assign(satisfaction=small["satisfaction"].mask(small["tenure_months"] == 3))
        assert panel_hazard(holes, ["satisfaction"]).left_out == (small["tenure_months"] == 3).sum()

    def test_doubled_customers_rows_tell_no_more(self, demo):
        small = demo[demo["customer_id"] < "C0001500"]
        single, doubled = (panel_hazard(frame, ["satisfaction"]) for frame in (small, pd.concat([small, small])))
        errors = [model.summary_frame("monthly hazard")["std_error"].iloc[1] for model in (single, doubled)]
        assert errors[1] == pytest.approx(errors[0], rel=0.01)

    def test_without_an_estimate_of_cox_the_monthly_hazard_stays(self):
        """Age now is age at the start and tenure: at one tenure the two are the same, over all tenures they are not."""
        rng = np.random.default_rng(3)
        panel = pd.DataFrame({"customer_id": np.arange(2400) // 6, "tenure_months": np.arange(2400) % 6 + 1})
        panel["age_at_start"] = rng.integers(20, 60, 400)[panel["customer_id"]]
        panel["age"] = panel["age_at_start"] + panel["tenure_months"] / 12
        panel["left"] = rng.random(2400) < 0.1
        found = panel_hazard(panel, ["age_at_start", "age"])
        assert found.cox is None
        assert found.cox_reason.startswith("cox_model: no estimate exists for age_at_start, age")
        assert found.coefficients["model"].unique().tolist() == ["monthly hazard"]
        assert found.coefficients["covariate"].tolist() == ["(constant)", "age_at_start", "age"]
        one = panel_hazard(panel, ["age"])
        assert (one.cox_reason, one.cox is None) == ("", False)

    def test_unusable(self, demo):
        with pytest.raises(ParameterError, match="3 problems"):
            panel_hazard(demo, ["satisfactoin"], link="probit", level=0)
        with pytest.raises(ParameterError, match="the same in every row"):
            panel_hazard(demo.assign(one=1.0), ["satisfaction", "one"])
        with pytest.raises(ParameterError, match="left must be True or False"):
            panel_hazard(demo.assign(left=2), ["satisfaction"])
        with pytest.raises(DataFloorError, match="there are 0"):
            panel_hazard(demo.assign(left=0), ["satisfaction"])
        with pytest.raises(ConvergenceError, match="no estimate exists for sign"):
            panel_hazard(demo.assign(sign=demo["left"]), ["sign"])
        with pytest.raises(ParameterError, match="model must be one of"):
            panel_hazard(demo.head(4000), ["satisfaction"]).summary_frame("cox")

    def test_figure_shows_the_table(self, demo):
        model = panel_hazard(demo.head(6000), ["satisfaction", "complaints"])
        ax = plt.figure().add_subplot()
        assert model.plot_hazard_ratios(ax=ax) is ax
        assert ax.lines[0].get_xdata().tolist() == model.summary_frame("monthly hazard")["ratio"].tolist()[1:]
        assert "complaints" in alt_text(ax.figure)
        assert "odds" in ax.get_xlabel()
        plt.close(ax.figure)
