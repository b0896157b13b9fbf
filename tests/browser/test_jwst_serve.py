"""The local page from end to end: upload a ZIP, watch, open, download, remove; and what it refuses."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile

import pytest
import requests
from selenium.webdriver.common.by import By

from ephemera.jwst.simulate import SCENARIOS, simulate


@pytest.fixture
def server(repository, tmp_path):
    """A running server; gives its address and the folder of its temporary files."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(repository / "scripts")}
    command = [sys.executable, "-c", "import sys; from ephemera.command import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*command, "jwst", "serve", "--port", str(port), "--max-upload-gb", "0.002"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("Open http://127.0.0.1:")
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                requests.get(address, timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield address, temporary
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
    assert not list(temporary.glob("ephemera-web-*")), "everything is removed at the end"


@pytest.fixture
def archive(tmp_path):
    """A small dataset as users have it: a ZIP with spectra and a picture."""
    simulate(tmp_path / "source", SCENARIOS["small"])
    path = tmp_path / "dataset.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in (tmp_path / "source").iterdir():
            packed.write(file, file.name)
        packed.writestr("preview.png", b"picture")
    return path


def put(address, content, name="a.zip", options=None, headers=None):
    query = {"name": name, "options": json.dumps(options or {})}
    return requests.put(
        f"{address}/jobs",
        params=query,
        data=content,
        headers={"X-Ephemera": "1"} if headers is None else headers,
        timeout=30,
    )


def wait(action, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = action()
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError("nothing happened")


def test_from_upload_to_download(server, archive, browser):
    address, temporary = server
    driver = browser.driver
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    driver.get(address)
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.find_element(By.ID, "file").send_keys(str(archive))
    driver.find_element(By.ID, "name").send_keys("My target / one")
    driver.find_element(By.ID, "bands").send_keys("Variable, 2.3, 2.7")
    driver.find_element(By.ID, "start").click()
    wait(lambda: driver.find_element(By.ID, "bar").get_attribute("value") not in ("0", None))
    wait(
        lambda: (
            driver.find_element(By.ID, "results").is_displayed()
            or driver.find_element(By.ID, "error").is_displayed()
        )
    )
    assert driver.find_element(By.ID, "error").text == ""
    links = [a.get_attribute("href") for a in driver.find_elements(By.CSS_SELECTOR, "#links a")]
    assert [re.sub(r".*/", "", link) for link in links] == [
        "combined.html",
        "surface.html",
        "heatmap.html",
        "download",
    ]
    driver.find_elements(By.CSS_SELECTOR, "#links a")[3].click()
    found = wait(lambda: list(browser.downloads.glob("*.zip")))
    with zipfile.ZipFile(wait(lambda: found[0] if zipfile.is_zipfile(found[0]) else None)) as packed:
        assert "My-target-one/cube.h5" in packed.namelist()
    browser.requests()
    driver.get(links[0])
    wait(lambda: browser.run("return document.body.dataset.ready === 'yes'"))
    assert "Variable" in browser.run("return document.getElementById('bands').textContent")
    assert [url for url in browser.requests() if not url.startswith(address)] == []
    key = links[0].split("/")[-2]
    assert requests.delete(f"{address}/jobs/{key}", timeout=30).status_code == 403
    assert (
        requests.delete(f"{address}/jobs/{key}", headers={"X-Ephemera": "1"}, timeout=30).status_code == 204
    )
    assert requests.get(links[0], timeout=30).status_code == 404
    assert not list(temporary.glob(f"ephemera-web-*/{key}"))


def test_what_is_refused(server, archive, tmp_path):
    address, temporary = server
    content = archive.read_bytes()
    assert put(address, content, headers={}).status_code == 403
    assert requests.get(address, headers={"Host": "evil.example"}, timeout=30).status_code == 400
    assert put(address, b"x" * 3_000_000).status_code == 413
    answer = put(address, b"hello")
    assert (answer.status_code, "neither a ZIP" in answer.json()["error"]) == (422, True)
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(hostile, "w") as packed:
        packed.writestr("../../a.fits", "x")
    answer = put(address, hostile.read_bytes())
    assert (answer.status_code, "folder above" in answer.json()["error"]) == (422, True)
    for options, word in (({"bands": "nonsense"}, "name, start, end"), ({"colorscale": "Jet"}, "Viridis")):
        answer = put(address, content, options=options)
        assert (answer.status_code, word in answer.json()["error"]) == (422, True)
    assert not [p for root in temporary.glob("ephemera-web-*") for p in root.iterdir()], (
        "refused uploads leave nothing"
    )
    for path in (
        "/jobs/none",
        "/jobs/none/download",
        "/jobs/none/combined.html",
        "/jobs/../x",
        "/jobs/none/..%2f..%2fetc.html",
    ):
        assert requests.get(address + path, timeout=30).status_code == 404


def test_a_file_without_spectra_fails_with_its_reason(server):
    address, _ = server
    header = b"".join(
        line.ljust(80)
        for line in (
            b"SIMPLE  =                    T",
            b"BITPIX  =                    8",
            b"NAXIS   =                    0",
            b"END",
        )
    ).ljust(2880)
    key = put(address, header, "nothing.fits").json()["id"]

    def ended():
        status = requests.get(f"{address}/jobs/{key}", timeout=30).json()
        return status if status["state"] in ("done", "failed") else None

    status = wait(ended)
    assert status["state"] == "failed"
    assert "no EXTRACT1D extension" in status["message"]


def test_a_running_job_can_be_cancelled(server, archive):
    address, temporary = server
    key = put(address, archive.read_bytes()).json()["id"]
    wait(lambda: requests.get(f"{address}/jobs/{key}", timeout=30).json()["state"] == "running")
    assert (
        requests.delete(f"{address}/jobs/{key}", headers={"X-Ephemera": "1"}, timeout=60).status_code == 204
    )
    assert not list(temporary.glob(f"ephemera-web-*/{key}"))
