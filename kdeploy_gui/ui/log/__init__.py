"""The log of one environment in one run: stored output and events as one text, read where it is looked at."""
