"""Control plane: intake, joins, decisions, retraining."""
