"""Masking of personal data: what a corpus of private talk says about people, replaced by stand-ins."""
