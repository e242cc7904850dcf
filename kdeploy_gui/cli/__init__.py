"""The command line: prints events and answers; the exit status is the outcome."""
