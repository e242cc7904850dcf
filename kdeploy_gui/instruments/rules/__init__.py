"""What evidence means, instrument by instrument. Pure."""
