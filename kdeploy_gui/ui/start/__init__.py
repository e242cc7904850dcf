"""The start page: how to begin, and what of this computer needs attention."""
