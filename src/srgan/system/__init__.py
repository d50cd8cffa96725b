"""The machine: files written whole or not at all, devices and their memory, git, command lines."""
