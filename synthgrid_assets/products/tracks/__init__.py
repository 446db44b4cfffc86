"""Devices that move: their itineraries, what a receiver makes of them, and the product."""
