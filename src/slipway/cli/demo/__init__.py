"""``slipway demo``: the whole loop on real data, through the commands and HTTP routes that users have."""
