#!/usr/bin/env bash
# STYLE: every header compiles alone.
exec tools/build.sh "$BUILD_FOLDER" headers_alone
