"""Stored predictions become rows, lines and ranks, without torch."""
