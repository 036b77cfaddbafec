"""Image files become arrays: decoding under caps, and the preprocessing that was declared."""
