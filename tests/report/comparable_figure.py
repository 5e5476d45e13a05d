"""A published figure that nothing keeps from being compared."""

from __future__ import annotations

from harness.report.published_figures import Figure

COMPARABLE = Figure(
    value=0.7,
    metric="auc",
    detector="xception",
    trained_on="ffpp_c23",
    tested_on="celeb_df_v2",
    granularity="video",
    compression="c23",
    perturbation="clean",
    selection="source-val",
    preprocessing="gapbench",
    kind="table",
    note="",
    source="Somebody 2024",
)
