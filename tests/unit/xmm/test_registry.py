"""Source ids persist: through reruns, new data, merges, splits and absence; none is used twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.tables import write
from ephemera.xmm.catalogue_columns import REGISTRY
from ephemera.xmm.registry import Component, identify, keep, main, read_registry

R = 20.0


def component(detids, ra=10.0, dec=0.0):
    return Component(frozenset(detids.split()), ra, dec)


def identities(components, registered=(), version="1"):
    found, registry = identify(components, registered, radius_arcsec=R, version=version, prefix="EPH")
    return [one.srcid for one in found], [one.status for one in found], registry


def test_a_rerun_without_new_data_changes_nothing():
    components = [component("a b", 10.0), component("c", 11.0), component("d", 359.99999)]
    first, status, registry = identities(components)
    assert first == [1, 2, 3]
    assert status == ["new"] * 3
    again, known, after = identities(components, registry, version="2")
    assert (again, known, after) == (first, ["known"] * 3, registry)
    assert {row["first_version"] for row in after} == {"1"}


def test_new_detections_join_by_members_before_position():
    _, _, registry = identities([component("a b", 10.0), component("c", 11.0)])
    moved = [component("x", 30.0), component("a b y", 10.01)]
    ids, status, _ = identities(moved, registry)
    assert ids == [3, 1]
    assert status == ["new", "known"]


def test_a_source_whose_detections_have_new_names_is_found_by_its_place():
    _, _, registry = identities([component("a", 359.99999), component("b", 11.0)])
    ids, status, after = identities([component("z", 0.00001)], registry)
    assert (ids, status) == ([1], ["known"])
    assert [row["status"] for row in after] == ["active", "absent"]
    assert identities([component("z", 0.00001 + 21 / 3600)], registry)[0] == [3]


def test_the_pole_is_a_place_like_any_other():
    _, _, registry = identities([component("a", 0.0, 90.0 - 5 / 3600)])
    assert identities([component("z", 180.0, 90.0 - 5 / 3600)], registry)[0] == [1]


def test_the_oldest_id_wins_a_merge_and_the_other_is_never_used_again():
    _, _, registry = identities([component("a", 10.0), component("b c d", 10.01)])
    ids, status, merged = identities([component("a b c d", 10.007)], registry)
    assert (ids, status) == ([1], ["merged"])
    assert merged[1]["status"] == "merged"
    assert merged[1]["merged_into"] == 1
    apart, how, after = identities([component("a", 10.0), component("b c d", 10.01)], merged)
    assert (apart, how) == ([3, 1], ["split", "known"])
    assert after[2]["split_from"] == 1
    assert len({row["srcid"] for row in after}) == 3


def test_after_a_split_the_part_with_most_old_members_keeps_the_id():
    _, _, registry = identities([component("a b c")])
    ids, status, after = identities([component("a", 10.0), component("b c x", 10.01)], registry)
    assert (ids, status) == ([2, 1], ["split", "known"])
    assert after[1]["split_from"] == 1


def test_an_absent_source_is_active_again_when_it_comes_back():
    _, _, registry = identities([component("a"), component("b", 20.0)])
    _, _, without = identities([component("a")], registry)
    assert [row["status"] for row in without] == ["active", "absent"]
    ids, _, back = identities([component("a"), component("b", 20.0)], without)
    assert ids == [1, 2]
    assert [row["status"] for row in back] == ["active", "active"]


def test_identical_positions_have_distinct_names_also_over_catalogues():
    components = [component("b"), component("a")]
    found, registry = identify(components, [], radius_arcsec=R, version="1", prefix="EPH")
    # Suffixes follow the order of the detections, not that of the components.
    assert [one.name[-1] for one in found] == ["b", "a"]
    ids, _, after = identities([*components, component("c")], registry)
    assert ids == [1, 2, 3]
    assert len({row["name"] for row in after}) == 3


@given(
    st.lists(st.sets(st.integers(0, 15), min_size=1, max_size=4), max_size=5),
    st.lists(st.sets(st.integers(0, 15), min_size=1, max_size=4), max_size=5),
)
def test_ids_are_distinct_stable_and_never_lost(first, second):
    def apart(sets, offset):
        seen: set[int] = set()
        parts = []
        for k, members in enumerate(sets):
            mine = members - seen
            seen |= mine
            if mine:
                text = " ".join(f"d{m}" for m in sorted(mine))
                parts.append(component(text, 10.0 + k + offset))
        return parts

    _, _, registry = identities(apart(first, 0.0))
    new = apart(second, 0.3)
    ids, _, after = identities(new, registry, version="2")
    assert len(set(ids)) == len(ids)
    assert {row["srcid"] for row in registry} <= {row["srcid"] for row in after}
    assert identities(new, after, version="3")[::2] == (ids, after)


def save(rows, path):
    write(rows, REGISTRY, path)


def test_a_registry_is_kept_and_never_loses_an_id(tmp_path, capsys):
    _, _, registry = identities([component("a"), component("b", 20.0)])
    save(registry, tmp_path / "result.csv")
    assert keep(tmp_path / "result.csv", tmp_path / "kept.csv") == 2
    assert read_registry(tmp_path / "kept.csv") == registry
    _, _, other = identities([component("a")])
    save(other, tmp_path / "other.csv")
    assert main([str(tmp_path / "other.csv"), str(tmp_path / "kept.csv")]) == 1
    assert "lacks source 2" in capsys.readouterr().err
    assert read_registry(tmp_path / "kept.csv") == registry


def test_a_registry_with_a_source_twice_is_refused(tmp_path):
    _, _, registry = identities([component("a")])
    save([*registry, *registry], tmp_path / "twice.csv")
    with pytest.raises(ValueError, match="source 1 is there twice"):
        read_registry(tmp_path / "twice.csv")
    assert read_registry(None) == []
