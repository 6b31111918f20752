"""The command line."""


def main() -> None:
    """Run the command line; the console script and `python -m anycable_rpc` call this."""
    from .program import program  # not above: programs that use `start` need no click

    program()
