"""Where weights come from: a recipe and clips, or a published file."""
