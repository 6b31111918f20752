"""`python -m anycable_rpc`."""

from .cli.main import main

main()
