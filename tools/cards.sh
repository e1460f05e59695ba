# Sourced by the launcher and by tools/build.sh: whether a build is for cards, and why not.

has_nvcc() { [[ -x ${CUDA_HOME:-/usr/local/cuda}/bin/nvcc ]] || type -P nvcc >/dev/null; }

# The driver's library as the program would load it (third_party/cuda.cmake names the same two folders): the loader says
# what it finds, runs none of it, and passes over what is empty or for another machine. The toolkit's stub is no driver.
has_driver() {
    local folders=/usr/lib/wsl/lib:/usr/local/nvidia/lib64 line
    while IFS= read -r line; do
        [[ $line =~ libcuda\.so\.1\ =\>\ (/.*)\ \(0x ]] || continue
        [[ $(readlink -f "${BASH_REMATCH[1]}") != */stubs/* ]]
        return
    done < <(LD_TRACE_LOADED_OBJECTS=1 LD_PRELOAD=libcuda.so.1 \
        LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders "$(type -P true)" 2>/dev/null)
    return 1
}

# on or off: as TANDEM_CUDA says, else on where nvcc is and a driver that runs what it compiles.
cuda_choice() {
    case ${TANDEM_CUDA:-auto} in
        on | off) echo "$TANDEM_CUDA" ;;
        auto) if has_nvcc && has_driver; then echo on; else echo off; fi ;;
        *) echo "tandem: TANDEM_CUDA is on or off, not $TANDEM_CUDA" >&2; return 1 ;;
    esac
}
