"""Gibbs processes, by perfect simulation."""
