"""Train a super-resolution GAN: ``python train.py …`` is ``srgan train …``. Settings: conf/train.yaml."""

from srgan.commands.train import main

if __name__ == "__main__":
    main()
