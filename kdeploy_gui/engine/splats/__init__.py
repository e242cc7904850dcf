"""Kernel splats in a console's or kernel log's bytes: recognised, classified, graded. Pure."""
