"""Dialogue → Example → batch. One renderer per family makes training examples and chat prompts alike."""
