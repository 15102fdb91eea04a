"""A drawing is well-formed, whatever its words, and has a dot for each point."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.plot import Curve, draw


def test_each_point_of_each_curve_is_drawn() -> None:
    curves = [Curve("a < b & c", "n", "ms", [(1, 2), (1_000, 30)]), Curve("flat", "n", "ms", [(10, 5), (100, 5)])]
    drawing = ElementTree.fromstring(draw(curves))  # noqa: S314 - ours
    assert len(drawing.findall(".//{*}circle")) == 4
    assert "a < b & c" in [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
