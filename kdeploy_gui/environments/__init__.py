"""Adapters that reach machines."""
