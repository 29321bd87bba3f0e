"""The bundle: encoder, predictor, signing. Imported by the gateway, so no training library here."""
