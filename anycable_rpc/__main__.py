"""`python -m anycable_rpc`."""

from .cli import main

main()
