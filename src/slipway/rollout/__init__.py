"""States of a rollout and the guards that judge it. Nothing here acts: ``slipway.control`` does."""
