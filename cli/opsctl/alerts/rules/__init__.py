"""Which alert is mended how: rules as people write them, read, matched and made into orders."""
