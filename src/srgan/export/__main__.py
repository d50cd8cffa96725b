"""``python -m srgan.export`` is ``srgan export``."""

from srgan.commands.export import main

if __name__ == "__main__":
    main()
