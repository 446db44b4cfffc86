"""How far a pattern lies from a reference pattern."""
