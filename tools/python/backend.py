"""The build backend: scikit-build-core, without sdists, whose last word where something is missing is one sentence."""
import os
import tempfile

from scikit_build_core import build as core

get_requires_for_build_wheel = core.get_requires_for_build_wheel
get_requires_for_build_editable = core.get_requires_for_build_editable
prepare_metadata_for_build_wheel = core.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = core.prepare_metadata_for_build_editable


def _built(build, *arguments):
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as missing:
        os.environ["TANDEM_MISSING"] = missing.name  # CMakeLists.txt writes there
        try:
            return build(*arguments)
        except BaseException:
            sentence = missing.read()
            if not sentence:
                raise
        raise SystemExit(sentence)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _built(core.build_wheel, wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _built(core.build_editable, wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("tandem: expected a wheel to build, got a request for an sdist, which would lack the C++ sources "
                     "that lie outside tools/python; build a wheel from a checkout: pip wheel ./tools/python")
