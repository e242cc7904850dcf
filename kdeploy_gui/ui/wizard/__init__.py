"""The deployment wizard: a page with six steps over one draft."""
