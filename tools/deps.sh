# shellcheck shell=bash
# Sourced in the checkout: what install.sh put into .deps/ for lack of root runs from there and is found there.
if [[ -d .deps ]]; then
    export PATH=$PATH:$PWD/.deps/usr/bin
    if [[ -e .deps/usr/bin/g++ ]]; then
        export CXX=$PWD/.deps/usr/bin/g++ CXXFLAGS="--sysroot=$PWD/.deps"
    fi
    for libraries in "$PWD"/.deps/usr/lib/*-linux-gnu; do
        export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries LDFLAGS="-Wl,-rpath,$libraries"
    done
fi
