"""One picture in memory, at the depth of its file; from NumPy arrays and Pillow images, and back to them."""
