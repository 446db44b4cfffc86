"""Files of inputs: what identifies them, what they refer to, and what is remembered of them."""
