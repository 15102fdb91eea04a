"""How a caller's limits stand, as metadata beside an answer: the names and forms that OpenAI's headers have."""

from __future__ import annotations

from service.runner.limits import Standing

Told = tuple[tuple[str, str], ...]


def told(standing: Standing) -> Told:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; nothing of what is unlimited."""
    return tuple(
        (f"x-ratelimit-{what}-{name}", value)
        for name, rate in standing.items()
        for what, value in (
            ("limit", str(rate.limit)),
            ("remaining", str(rate.remaining)),
            ("reset", duration(rate.reset)),
        )
    )


def duration(milliseconds: int) -> str:
    """A time as OpenAI writes it: `6m0s`, `1.5s`, `20ms`, `0s`."""
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds
