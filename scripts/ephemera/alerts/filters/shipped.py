"""The filters that come with the project, by name."""

from __future__ import annotations

from collections.abc import Mapping

from ephemera.alerts.filters.bookkeeping import LongLived, NegativeOnly, NewBand, SinglePoint
from ephemera.alerts.filters.brightening import MovingObject, NightlyBrightening, Young
from ephemera.alerts.filters.contract import Filter
from ephemera.alerts.filters.everything import Everything
from ephemera.alerts.filters.features import Anomaly, FeatureExtract
from ephemera.alerts.filters.jump import Jump, NotStar, Oddball
from ephemera.alerts.filters.nuclear import NuclearTransient, VariableStar
from ephemera.alerts.filters.quality import QualityBasic, QualityStrict
from ephemera.alerts.filters.watch import WatchDynamic, WatchStatic

SHIPPED: Mapping[str, type[Filter]] = {
    kind.name: kind
    for kind in (
        Everything, QualityBasic, QualityStrict, NotStar, Jump, Oddball, NuclearTransient, VariableStar,
        NightlyBrightening, Young, MovingObject, WatchStatic, WatchDynamic, LongLived, SinglePoint,
        NegativeOnly, NewBand, FeatureExtract, Anomaly,
    )
}  # fmt: skip
