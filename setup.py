"""Where the packages lie: those below src/, and the settings in conf/, which a wheel holds as srgan/conf."""

from setuptools import find_packages, setup

setup(package_dir={"": "src", "srgan.conf": "conf"}, packages=[*find_packages("src"), "srgan.conf"])
