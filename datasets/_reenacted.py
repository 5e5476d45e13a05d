"""Manipulations in which a source lends its motion and not its face, so that it is nobody who is seen."""

REENACTED = ("Face2Face", "NeuralTextures")
"""Of FaceForensics++ (Thies et al., 2016, 2019): expressions of the source on the target's face."""
