"""Enlarge photos: ``python predict.py …`` is ``srgan predict …``. Settings: conf/predict.yaml."""

from srgan.commands.predict import main

if __name__ == "__main__":
    main()
