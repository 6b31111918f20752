"""Generated from `protos/anycable_rpc/_pb/rpc.proto` by `make proto`; imported by `wire.py` alone."""
