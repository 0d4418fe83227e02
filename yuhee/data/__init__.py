"""From files to batches: corpora, splits, encoding, the DataModule."""
