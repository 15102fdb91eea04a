"""What the operator can set about the bridge."""

from __future__ import annotations

import pytest

from rest_bridge.settings import Settings, settings_from


def test_nothing_set_means_the_defaults() -> None:
    assert settings_from({}) == Settings()


def test_a_variable_changes_its_setting() -> None:
    changed = settings_from(
        {
            "NODEXA_BRIDGE_MAX_BODY_BYTES": "1024",
            "NODEXA_BRIDGE_HEARTBEAT_SECONDS": "0.5",
            "NODEXA_BRIDGE_ACCESS_LOG": "true",
        }
    )
    assert changed == Settings(max_body_bytes=1024, heartbeat_seconds=0.5, access_log=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_BODY_BYTES", "8 MB"), ("MAX_BODY_BYTES", "0"), ("HEARTBEAT_SECONDS", "soon"), ("ACCESS_LOG", "2")],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"NODEXA_BRIDGE_{name}"):
        settings_from({f"NODEXA_BRIDGE_{name}": value})
