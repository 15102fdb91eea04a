"""What the bridge says of itself: its OpenAPI document, and the same as a page. Both are made from its own tables."""
