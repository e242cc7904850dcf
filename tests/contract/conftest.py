"""Fixtures of the contract tests."""

from tests.contract.peers import peer

__all__ = ["peer"]
