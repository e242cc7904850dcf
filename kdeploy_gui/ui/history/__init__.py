"""The history: runs that were, in pages from the file, with a summary of the chosen one."""
