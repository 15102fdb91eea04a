"""`nodexa …` for people: a gRPC client, apart from `serve`, `core` and `bridge`, which start processes."""


def main() -> None:
    """The entry point of the command `nodexa`."""
    from service.cli.app import nodexa

    nodexa(prog_name="nodexa")
