"""The engine of our own, on data and over sockets."""
