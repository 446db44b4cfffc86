"""Laws of counts: moments and distributions."""
