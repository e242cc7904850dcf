"""Environments of the lab file: adding, editing and importing them, with a live test, and trusting their keys."""
