"""How good a model is: replies and likelihoods of held-out dialogues, beside baselines, with intervals."""
