"""Nodexa's own measure: a mock model server, a load, a table."""
