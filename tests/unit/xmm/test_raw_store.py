from __future__ import annotations

import json

import pytest

from ephemera.xmm import raw_store
from ephemera.xmm.products import REQUIRED
from ephemera.xmm.raw_store import RECORD_NAME, RawStore
from servers.xmm_products import M1, M1_SECOND, OBSID, OTHER_OBSID, PN, event_list, zipped

PN_LISTS, M1_LISTS, _, SOURCE_LIST = REQUIRED


@pytest.fixture
def folder(tmp_path):
    return tmp_path / OBSID


def arrive(store, product, *names):
    staging = store.staging(product)
    arrived = []
    for seed, name in enumerate(names):
        (staging / name).write_bytes(zipped(event_list(seed=seed)))
        arrived.append((staging / name, "http://archive/x"))
    return store.keep(product, arrived)


def test_what_was_kept_is_intact_for_the_next_run(folder):
    kept = arrive(RawStore(folder, OBSID), M1_LISTS, M1_SECOND, M1)
    assert [file.name for file in kept] == [M1, M1_SECOND]
    again = RawStore(folder, OBSID)
    assert again.intact(M1_LISTS) == kept
    assert again.intact(PN_LISTS) is None
    assert sorted(path.name for path in folder.iterdir()) == sorted([M1, M1_SECOND, RECORD_NAME])


def test_absent_products_are_remembered(folder):
    RawStore(folder, OBSID).absent([SOURCE_LIST])
    assert RawStore(folder, OBSID).intact(SOURCE_LIST) == ()
    assert RawStore(folder, OBSID).intact(PN_LISTS) is None


@pytest.mark.parametrize("damage", ["removed", "cut", "changed"])
def test_one_file_that_is_not_as_recorded_makes_the_product_not_intact(folder, damage):
    arrive(RawStore(folder, OBSID), M1_LISTS, M1, M1_SECOND)
    path = folder / M1_SECOND
    content = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        content[-1] ^= 1
        path.write_bytes(content)
    assert RawStore(folder, OBSID).intact(M1_LISTS) is None


def test_a_run_killed_between_two_renames_leaves_nothing_that_passes_for_whole(folder, monkeypatch):
    real, done = raw_store.commit, []

    def killed_at_the_second(partial, path):
        if done:
            raise KeyboardInterrupt
        done.append(path)
        real(partial, path)

    monkeypatch.setattr(raw_store, "commit", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        arrive(RawStore(folder, OBSID), M1_LISTS, M1, M1_SECOND)
    store = RawStore(folder, OBSID)
    assert store.recorded(M1_LISTS)
    assert store.intact(M1_LISTS) is None


def test_staging_keeps_what_a_killed_process_received_and_leaves_no_trace(folder):
    store = RawStore(folder, OBSID)
    (store.staging(PN_LISTS) / "body").write_bytes(b"x")
    assert [path.name for path in RawStore(folder, OBSID).staging(PN_LISTS).iterdir()] == ["body"]
    store.clean(PN_LISTS)
    assert list(folder.iterdir()) == []


def test_files_put_there_by_hand_are_taken_when_they_are_good(folder):
    folder.mkdir()
    (folder / PN).write_bytes(zipped(event_list()))
    (folder / M1).write_bytes(b"<html>")
    (folder / M1_SECOND).write_bytes(zipped(event_list(obsid=OTHER_OBSID)))
    store = RawStore(folder, OBSID)
    [file] = store.by_hand(PN_LISTS)
    assert (file.name, file.url) == (PN, None)
    assert store.by_hand(M1_LISTS) == ()
    assert RawStore(folder, OBSID).intact(PN_LISTS) == (file,)


def test_a_folder_that_is_not_there_holds_nothing(folder):
    assert RawStore(folder, OBSID).by_hand(PN_LISTS) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        json.dumps({"obsid": OTHER_OBSID, "products": {}}),
        json.dumps({"obsid": OBSID, "products": []}),
        json.dumps({"obsid": OBSID, "products": {"PN PIEVLI": [{}]}}),
        json.dumps(
            {
                "obsid": OBSID,
                "products": {"PN PIEVLI": [{"name": "../../x", "size": 0, "sha256": "", "url": None}]},
            }
        ),
    ],
)
def test_a_record_that_cannot_be_believed_is_no_record(folder, text):
    folder.mkdir()
    (folder / RECORD_NAME).write_text(text)
    assert RawStore(folder, OBSID).intact(PN_LISTS) is None


def test_the_record_is_the_same_text_whatever_the_order(tmp_path):
    texts = []
    for k, order in enumerate([(PN_LISTS, SOURCE_LIST), (SOURCE_LIST, PN_LISTS)]):
        store = RawStore(tmp_path / str(k), OBSID)
        for product in order:
            store.absent([product])
        texts.append((tmp_path / str(k) / RECORD_NAME).read_text())
    assert texts[0] == texts[1]
