"""Arithmetic on pictures and boxes, without weights."""
