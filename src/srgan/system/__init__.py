"""The machine: files that are written whole or not at all, devices and their memory, the commit of the code."""
