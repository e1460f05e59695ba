#!/usr/bin/env bash
# The package as another compiler than its own sees it.
set -euo pipefail
if ! type -P clang++-16 >/dev/null; then
    echo "SKIPPED: no clang++-16 here to build programs around tandem"
    exit 0
fi
if [[ $BUILD_FOLDER == *-?san ]]; then
    echo "SKIPPED: a compiler's sanitizers do not go with code that another instrumented"
    exit 0
fi
exec tests/embed/embed_test.sh clang++-16
