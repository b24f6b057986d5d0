"""The public benchmark: KAGL, its protocol and published numbers (lesson 24).

``kagl`` measures a model; ``model_card`` writes its card.
"""
