#!/usr/bin/env bash
# STYLE: every header compiles alone, and so does every public one of the package.
exec tools/build.sh "$BUILD_FOLDER" headers_alone public_headers_alone
