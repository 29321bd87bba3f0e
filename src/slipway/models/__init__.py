"""Bundles and what predicts: encoder, flavours, losses, references, signing. Light to import."""
