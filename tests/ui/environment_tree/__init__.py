"""Tests of the environment tree."""
