"""How limits are told beside an answer, in the forms of OpenAI's headers."""

from __future__ import annotations

import pytest

from service.rpc.rates import duration, told
from service.runner.limits import Rate


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (999, "999ms"),
        (1000, "1s"),
        (8640, "8.64s"),
        (59_999, "59.999s"),
        (60_000, "1m0s"),
        (360_000, "6m0s"),
        (361_500, "6m1.5s"),
        (3_600_000, "1h0m0s"),
        (90_061_001, "25h1m1.001s"),
    ],
)
def test_a_time_is_written_as_openai_writes_it(milliseconds: int, text: str) -> None:
    assert duration(milliseconds) == text


def test_what_is_unlimited_is_not_told() -> None:
    assert told({}) == ()
    assert told({"tokens": Rate(100, 7, 1500)}) == (
        ("x-ratelimit-limit-tokens", "100"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("x-ratelimit-reset-tokens", "1.5s"),
    )
