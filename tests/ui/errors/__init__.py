"""Tests of the error inbox."""
