import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from ephemera.transfer import BadAnswer, NotThere, Refused, Web, WebError
from ephemera.transfer.status import retry_after
from ephemera.transfer.turnstile import Turnstile
from servers.survey_archives import Fault, SurveyArchives


@pytest.fixture
def archives():
    with SurveyArchives() as server:
        server.products["x"] = b"0123456789" * 1000
        yield server


class Pauses(list):
    """Remembers pauses instead of making them."""

    def __call__(self, seconds):
        self.append(seconds)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def web(tmp_path, pauses):
    return Web(tmp_path, connect_timeout=2, read_timeout=0.5, per_second=1e6, pause=pauses)


def get(web, archives, **options):
    return web.get(f"{archives.mast_url}.1/Download/file", {"uri": "mast:TESS/product/x"}, **options)


AGAIN = [
    Fault.BUSY,
    Fault.SERVER_ERROR,
    Fault.GATEWAY,
    Fault.GATEWAY_TIMEOUT,
    Fault.TRUNCATED,
    Fault.BAD_GZIP,
    Fault.SILENT,
    Fault.RESET,
]


@pytest.mark.parametrize("fault", AGAIN)
def test_what_may_get_better_is_asked_again(web, archives, fault):
    archives.fail("product", fault)
    assert len(get(web, archives).body) == 10_000
    assert len(archives.asked) == 2


def test_pauses_double_with_jitter_and_end_after_six_repeats(web, archives, pauses):
    archives.fail("product", *[Fault.BUSY] * 7)
    with pytest.raises(WebError, match="status 503, after 7 attempts"):
        get(web, archives)
    long = [p for p in pauses if p > 0.01]
    assert len(long) == 6
    assert all(0.5 * 2**k <= p < 1.5 * 2**k for k, p in enumerate(long))


def test_jitter_is_seeded(archives, tmp_path):
    taken = []
    for number in range(2):
        archives.fail("product", Fault.BUSY, Fault.BUSY)
        pauses = Pauses()
        get(Web(tmp_path / str(number), per_second=1e6, pause=pauses), archives)
        taken.append([p for p in pauses if p > 0.01])
    assert taken[0] == taken[1]


def test_the_servers_wish_is_followed_up_to_300_s(web, archives, pauses):
    archives.fail("product", Fault.TOO_MANY, Fault.TOO_MANY_DATE)
    get(web, archives)
    assert [p for p in pauses if p > 0.01] == [1.0, 300.0]


def test_retry_after_as_seconds_and_as_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("17") == 17
    assert retry_after("9999") == 300
    assert retry_after(format_datetime(now + timedelta(seconds=40), usegmt=True), now) == 40
    assert retry_after(format_datetime(now - timedelta(seconds=40), usegmt=True), now) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.BAD_REQUEST, WebError),
        (Fault.GONE, NotThere),
        (Fault.UNAUTHORISED, Refused),
        (Fault.FORBIDDEN, Refused),
    ],
)
def test_answers_that_stay_are_asked_once(web, archives, fault, error):
    archives.fail("product", fault)
    with pytest.raises(error):
        get(web, archives)
    assert len(archives.asked) == 1


def test_a_wrong_body_is_quoted_in_the_log_and_asked_again(web, archives, caplog):
    def check(answer):
        if not answer.body.startswith(b"0123"):
            message = "no digits"
            raise BadAnswer(message)

    archives.fail("product", Fault.PAGE)
    assert get(web, archives, check=check).body.startswith(b"0123")
    assert "Service unavailable" in caplog.text


def test_secrets_are_in_no_message(web, archives, caplog):
    caplog.set_level("DEBUG", logger="ephemera")
    archives.fail("product", *[Fault.BUSY] * 7)
    with pytest.raises(WebError) as error:
        get(web, archives, credentials=("someone", "sesame"))
    assert archives.asked[0].authorization is not None
    text = caplog.text + str(error.value)
    assert "sesame" not in text
    assert "uri" not in text


def test_a_download_appears_whole_or_not_at_all(web, archives, tmp_path):
    url = f"{archives.mast_url}.1/Download/file?uri=x"
    archives.fail("product", Fault.TRUNCATED)
    web.download(url, tmp_path / "got")
    assert (tmp_path / "got").stat().st_size == 10_000
    archives.fail("product", *[Fault.TRUNCATED] * 7)
    with pytest.raises(WebError):
        web.download(url, tmp_path / "other")
    assert not [p for p in tmp_path.iterdir() if "other" in p.name]


def test_connections_and_rate_are_limited_over_all_threads(archives, tmp_path):
    start = time.monotonic()

    def ask():
        get(Web(tmp_path, per_second=50, connections=2), archives)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert archives.most_at_once <= 2
    assert time.monotonic() - start >= 9 / 50 * 0.9


def test_a_slot_is_free_again_after_an_error(tmp_path):
    turnstile = Turnstile(tmp_path, "host", connections=1, per_second=1e6)
    for _ in range(3):
        with pytest.raises(RuntimeError), turnstile.turn():
            raise RuntimeError
    assert json.dumps(sorted(p.name for p in tmp_path.rglob("slot-*"))) == '["slot-0"]'


@pytest.mark.parametrize("change", [{"connect_timeout": 0.0}, {"read_timeout": -1.0}, {"retries": -1}])
def test_limits_have_to_make_sense(tmp_path, change):
    with pytest.raises(ValueError, match="time limits must be positive"):
        Web(tmp_path, **change)
