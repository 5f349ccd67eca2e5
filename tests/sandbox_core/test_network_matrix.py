import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.facts import catalogue
from sandbox.network.matrix import CALM_JITTER, VANTAGE, NetworkError, Settings, places

PLACES = st.sampled_from(places())


def test_calm_takes_the_measured_round_trip_and_says_so() -> None:
    link = Settings("calm").link("aws/ap-northeast-1", "azure/japaneast")
    assert (link.rtt_ms, link.assumed) == (4.094, False)
    assert link.jitter_ms == pytest.approx(CALM_JITTER * 4.094)
    assert "skyplane" in link.source


def test_calm_computes_by_distance_what_nobody_measured_and_marks_it() -> None:
    link = Settings("calm").link("alibaba-cn/cn-hangzhou", "aws-cn/cn-north-1")
    assert link.assumed
    assert 10 < link.rtt_ms < 40  # 1,120 km
    assert (link.loss, link.resets) == (0, 0)


def test_the_vantage_is_a_place_or_a_city() -> None:
    here = Settings("calm", vantage="aws/ap-northeast-1").link(VANTAGE, "aws/us-east-1")
    assert here.rtt_ms == 168.4
    near, far = (Settings("calm", vantage=v).link(VANTAGE, "alibaba-cn/cn-shanghai") for v in ("Shanghai", "Frankfurt"))
    assert near.rtt_ms < 5 < 100 < far.rtt_ms


def test_harsh_is_the_same_everywhere_but_within_a_place() -> None:
    harsh = Settings("harsh")
    assert harsh.link(VANTAGE, "aws") == harsh.link("aws-cn/cn-north-1", "azure-cn/chinanorth3")
    link = harsh.link(VANTAGE, "alibaba-cn/cn-beijing")
    assert (link.rtt_ms, link.loss) == (600.0, 0.05)
    assert link.resets > 0
    assert harsh.link("aws-cn/cn-north-1", "aws-cn/cn-north-1").rtt_ms == 0


@given(PLACES, PLACES, st.sampled_from(["", "calm", "harsh"]))
def test_a_link_is_the_same_both_ways_and_never_negative(a: str, b: str, profile: str) -> None:
    settings = Settings(profile)
    assert settings.link(a, b) == settings.link(b, a)
    assert settings.link(a, b).rtt_ms >= 0
    if not profile:
        assert settings.link(a, b).rtt_ms == 0


def test_rows_outrank_the_profile_and_the_last_one_wins() -> None:
    settings = Settings.parse({"profile": "harsh", "links": [{"a": "vantage", "b": "aws*", "rtt_ms": 20}]})
    settings = settings.with_link({"a": "aws-cn/cn-north-1", "b": "vantage", "loss": 0})
    assert settings.link(VANTAGE, "aws").rtt_ms == 20
    last = settings.link(VANTAGE, "aws-cn/cn-north-1")
    assert (last.rtt_ms, last.loss) == (600.0, 0)  # what a row leaves out is the profile's
    assert settings.link(VANTAGE, "azure").rtt_ms == 600.0
    cut = settings.with_link({"a": "*", "b": "azure-cn/*", "cut": True})
    assert cut.link("aws-cn/cn-north-1", "azure-cn/chinanorth3").cut


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"profle": "calm"}, "no field 'profle'; did you mean 'profile'"),
        ({"profile": "clam"}, "no network profile 'clam'; did you mean 'calm'"),
        ({"vantage": "Shangai"}, "no place 'Shangai'; did you mean 'Shanghai'"),
        ({"links": [{"a": "vantage", "b": "asw"}]}, "no place is 'asw'; did you mean 'aws'"),
        ({"links": [{"a": "vantage"}]}, "needs b"),
        ({"links": [{"a": "vantage", "b": "aws", "rtt": 3}]}, "no field 'rtt'; did you mean 'rtt_ms'"),
        ({"links": [{"a": "vantage", "b": "aws", "rtt_ms": -1}]}, "rtt_ms"),
        ({"links": [{"a": "vantage", "b": "aws", "loss": 1.0}]}, "loss"),
        ({"links": [{"a": "vantage", "b": "aws", "loss": True}]}, "loss"),
        ({"links": {"a": "vantage"}}, "list"),
        (["calm"], "object"),
    ],
)
def test_what_is_no_network_is_refused_by_name(data: object, words: str) -> None:
    with pytest.raises(NetworkError, match=words):
        Settings.parse(data)  # type: ignore[arg-type]


def test_every_region_of_the_facts_is_a_place() -> None:
    assert {r.id for r in catalogue.regions()} < set(places())
