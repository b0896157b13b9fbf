"""Figures and tables of the report for values that are not known and names of any kind."""

import numpy as np
import pytest

from ephemera.figures.style import figure
from ephemera.survey import report, report_figures
from ephemera.survey.columns import EFFICIENCY, INJECTION
from ephemera.survey.parquet_tables import table_of_rows, write_table

EVENT = {
    "id": "x", "curve_id": "a", "source": "a", "survey": "S", "filter": "g", "sign": 1, "mjd_start": 3.0,
    "mjd_peak": 4.0, "mjd_end": 5.0, "snr": None, "peak_dmag": None, "n": 3, "quality_flag": False,
}  # fmt: skip


def test_a_light_curve_without_mean_and_signal_to_noise_is_drawn():
    columns = {name: np.arange(10.0) for name in ("mjd", "flux", "flux_err")}
    columns |= {"qflag": np.zeros(10, bool), "detected": np.zeros(10, bool)}
    curve = {"curve_id": "a", "cadence": None, "mean": None, "flux_unit": "uJy"}
    with figure(2, height=2.2) as drawn:
        report_figures.light_curve(drawn, columns, curve, [EVENT])
        _, close = drawn.axes
        assert close.get_title(loc="left") == "brightening"
    assert "brightening" in report.detection_table([EVENT])


@pytest.mark.parametrize("units", [["noise"], ["mag", "noise"]])
def test_efficiencies_of_filters_with_any_name_have_files_of_their_own(tmp_path, units):
    row = {
        "shape": "box", "sign": 1, "width_low": 1.0, "width_high": 2.0, "amplitude_low": 1.0,
        "amplitude_high": 2.0, "mag": 18.0, "n": 4, "k": 2, "efficiency": 0.5, "low": 0.3, "high": 0.7,
    }  # fmt: skip
    filters = ["g", "a/b", "a b", "x" * 300, "../../up"]
    rows = [{**row, "survey": "S", "filter": name} for name in filters]
    write_table(table_of_rows(EFFICIENCY, rows), "efficiency", tmp_path / "efficiency.parquet")
    injections = [{"id": str(k), "amplitude_unit": unit, "recovered": True} for k, unit in enumerate(units)]
    write_table(table_of_rows(INJECTION, injections), "injection", tmp_path / "injection.parquet")
    (tmp_path / "figures").mkdir()
    made = [name for name, _ in report.draw_efficiencies(tmp_path / "figures", tmp_path)]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(made)
    assert len(set(made)) == 5
    assert "efficiency_S_g_box_brightenings.png" in made
