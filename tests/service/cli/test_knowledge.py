"""Files are given to an assistant, listed and taken away through the real command line and a real core."""

from __future__ import annotations

from pathlib import Path

from tests.documents import pdf
from tests.service.cli.conftest import Site


def test_files_are_given_listed_and_taken_away(site: Site, tmp_path: Path) -> None:
    site.ok("assistants", "create", "--name", "clerk", "--model", "fake")
    handbook, picture, long = (tmp_path / name for name in ("handbook.pdf", "picture.png", "long.txt"))
    handbook.write_bytes(pdf("Thirty days of vacation."))
    picture.write_bytes(b"\x89PNG\0")
    long.write_bytes(b"word " * 300_000)

    added = site.ok("knowledge", "add", "clerk", str(handbook), str(long))
    assert "gave clerk the tool file_search" in added.out
    assert {"handbook.pdf  completed", "long.txt  completed"} <= {*added.out.splitlines()}
    assert "file_search" in site.ok("assistants", "show", "clerk").out

    failed = site.run("knowledge", "add", "clerk", str(picture))
    assert failed.code == 1
    assert "picture.png  failed: Only PDF, DOCX, HTML and text" in failed.out
    assert "Made the vector store" not in failed.out
    assert len(site.ok("knowledge", "list", "clerk", "--json").json["files"]) == 3
    assert "handbook.pdf" in site.ok("knowledge", "list", "clerk").out

    assert site.ok("knowledge", "remove", "clerk", "handbook.pdf").out.startswith("Deleted handbook.pdf (file_")
    assert "handbook.pdf" not in site.ok("knowledge", "list", "clerk").out
    assert "It has no file" in site.run("knowledge", "remove", "clerk", "handbook.pdf").err
