"""What a build becomes for other people: exports, card, Croissant."""
