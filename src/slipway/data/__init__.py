"""Sources, snapshots, contracts and splits."""
