"""States, guards and verdicts of a rollout. They judge; only control acts."""
