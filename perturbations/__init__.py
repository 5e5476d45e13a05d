"""Perturbations, one file each: whatever happens to a video between camera and detector."""
