"""Tests of the deployment wizard."""
