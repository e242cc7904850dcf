"""Golden pictures: parts of the window with fixed content, as they are meant to look."""
