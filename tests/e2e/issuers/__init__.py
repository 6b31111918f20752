"""Issuers of tokens in other languages, and an app for their connections."""
