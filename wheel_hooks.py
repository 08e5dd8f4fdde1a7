"""Build step: the ``.pth`` file goes to the top of site-packages, where Python looks for such files at its start."""

import os

from setuptools.command.build_py import build_py

PTH = "tornadolike_alias.pth"


class BuildPy(build_py):
    """Builds the package as usual and puts the ``.pth`` file beside it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(os.path.join("tornadolike", PTH), self._destination(), preserve_mode=False)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), self._destination()]

    def _destination(self) -> str:
        return os.path.join(self.build_lib, PTH)
