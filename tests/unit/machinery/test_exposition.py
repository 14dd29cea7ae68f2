"""What we write, read by Prometheus's own Python parser."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from longboat.aio.histogram import Histogram, exponential
from longboat.machinery.exposition import Family, Sample, number, spread, text

names = st.sampled_from(["pod", "namespace", "le_", "a1"])
words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
samples = st.builds(
    Sample, st.one_of(st.integers(-(1 << 60), 1 << 60), st.floats()), st.dictionaries(names, words),
    st.one_of(st.just(0.0), st.floats(1e9, 2e9)),
)  # fmt: skip


@given(st.lists(samples, min_size=1, max_size=4), words)
def test_it_is_read_as_it_was_meant(given: list[Sample], help: str) -> None:
    (found,) = text_string_to_metric_families(text([Family("some_bytes", "gauge", help, given)]))
    assert (found.name, found.type) == ("some_bytes", "gauge")
    assert found.documentation == help.strip(" ") or help.strip() != help
    assert len(found.samples) == len(given)
    for read, meant in zip(found.samples, given, strict=True):
        assert read.labels == meant.labels
        assert float(read.value) == float(meant.value) or (math.isnan(read.value) and math.isnan(meant.value))
        assert (read.timestamp or 0.0) == round(meant.at * 1000) / 1000


def test_no_digit_is_lost() -> None:
    """Twelve days of processor time, to the nanosecond, and the bytes of a disk."""
    assert number(1_036_800.123456789) == "1036800.123456789"
    assert number(16_000_900_661_248) == "16000900661248" == number(16_000_900_661_248.0)
    assert [number(each) for each in (0, 0.1, 1e300, math.inf, -math.inf, math.nan)] == [
        *("0", "0.1", "1e+300", "+Inf", "-Inf", "NaN"),
    ]


@given(st.lists(st.floats(0, 20), max_size=20), words)
def test_a_histogram_is_read_as_it_was_observed(values: list[float], label: str) -> None:
    found = Histogram(exponential(0.5, 2, 4))
    for value in values:
        found.observe(value)
    samples = list(spread(found, {"name": label}))
    (read,) = text_string_to_metric_families(text([Family("wait_seconds", "histogram", "How long.", samples)]))
    assert (read.name, read.type) == ("wait_seconds", "histogram")
    counted = {s.labels["le"]: s.value for s in read.samples if s.name == "wait_seconds_bucket"}
    bounds = {"0.5": 0.5, "1": 1, "2": 2, "4": 4, "+Inf": math.inf}
    assert counted == {text: sum(value <= bound for value in values) for text, bound in bounds.items()}
    rest = {s.name: s.value for s in read.samples if "le" not in s.labels}
    assert rest == {"wait_seconds_sum": sum(values), "wait_seconds_count": len(values)}
    assert all(s.labels["name"] == label for s in read.samples)


def test_a_family_without_samples_is_left_out() -> None:
    assert text([Family("a_total", "counter", "A.", []), Family("b", "gauge", "B.", [Sample(1)])]) == (
        "# HELP b B.\n# TYPE b gauge\nb 1\n"
    )
