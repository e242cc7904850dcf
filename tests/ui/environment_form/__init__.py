"""Tests of the environment pages."""
