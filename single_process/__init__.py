"""Core and bridge in one process: the one place that knows both."""
