"""``slipway demo``: the whole loop on real data, through the same commands and HTTP routes that users have."""
