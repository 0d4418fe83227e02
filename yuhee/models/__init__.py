"""LightningModules, one per family, and the pure functions they share."""
