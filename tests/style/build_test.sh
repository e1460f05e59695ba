#!/usr/bin/env bash
# tools/build.sh in a checkout whose tools tell how they were called: which builds are for cards, and what is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
checkout=$folder/checkout
mkdir -p "$checkout"/{tools,third_party} "$folder"/{bin,cuda/bin,driver}
cp tools/build.sh tools/cards.sh tools/deps.sh "$checkout/tools"
printf '#!/usr/bin/env bash\n' >"$checkout/third_party/install.sh"
cat >"$folder/bin/cmake" <<'END'
#!/usr/bin/env bash
echo "cmake $*" >>"$CALLS"
while [[ $1 != -B ]]; do shift; done
touch "$2/build.ninja"
echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >"$2/CMakeCache.txt"
END
printf '#!/usr/bin/env bash\necho "ninja" >>"$CALLS"\n' >"$folder/bin/ninja"
printf '#!/usr/bin/env bash\nprintf "8.9\\n8.9\\n7.5\\n"\n' >"$folder/nvidia-smi"
chmod +x "$checkout/third_party/install.sh" "$folder"/bin/* "$folder/nvidia-smi"
unset TANDEM_CUDA TANDEM_CUDA_ARCHITECTURES
export PATH=$folder/bin:/usr/bin:/bin CUDA_HOME=$folder/cuda LD_LIBRARY_PATH=$folder/driver CALLS=$folder/calls
library=$(ldd "$(type -P true)" | sed -nE 's/.*libc\.so\.6 => (\S+) .*/\1/p')
cd "$folder"

fail() {
    printf '%s\n' "$1" "calls:" "$(<calls)" "said:" "$(<said)"
    exit 1
}
# Builds; the configuration has to be for cards or not, the sentence has to be said, or nothing about cards.
expect() {  # NAME on|off|kept SENTENCE [VARIABLE=VALUE…] [-DOPTION…]
    local name=$1 cuda=$2 sentence=$3 status=0 variables=() options=()
    shift 3
    for argument; do
        if [[ $argument == -D* ]]; then options+=("$argument"); else variables+=("$argument"); fi
    done
    : >calls
    env "${variables[@]}" "$checkout/tools/build.sh" build tandem "${options[@]}" 2>said || status=$?
    ((status == 0)) || fail "$name: status $status"
    if [[ $cuda == kept ]]; then
        [[ $(<calls) == ninja ]] || fail "$name: configured anew"
    else
        grep -q -- "-DTANDEM_CUDA=$cuda" calls || fail "$name: not configured with $cuda"
        [[ $(<"$checkout/build/.cuda") == "$cuda" ]] || fail "$name: .cuda says $(<"$checkout/build/.cuda")"
    fi
    if [[ -n $sentence ]]; then
        grep -q -- "$sentence" said || fail "$name: does not say '$sentence'"
    else
        ! grep -Eq 'driver|cards' said || fail "$name: says something about cards"
    fi
}
fresh() { rm -rf "$checkout/build"; }

expect "neither nvcc nor driver" off ""
expect "the same again" kept ""
cp "$library" driver/libcuda.so.1
expect "a driver without nvcc" kept ""
rm driver/libcuda.so.1
cp "$(type -P true)" cuda/bin/nvcc
fresh
expect "nvcc without a driver" off "no driver (libcuda.so.1)"
expect "said once" kept ""
: >driver/libcuda.so.1
expect "an empty file is no driver" kept ""
mkdir -p cuda/lib64/stubs
cp "$library" cuda/lib64/stubs/libcuda.so
ln -sf "$folder/cuda/lib64/stubs/libcuda.so" driver/libcuda.so.1
expect "a link to the toolkit's stub is no driver" kept ""
cp "$library" cuda/lib64/stubs/libcuda.so.1
rm driver/libcuda.so.1
expect "nor is the stub on the loader's path" kept "" LD_LIBRARY_PATH="$folder/cuda/lib64/stubs"
expect "TANDEM_CUDA=on needs none" on "" TANDEM_CUDA=on
expect "an option decides before it" off "" TANDEM_CUDA=on -DTANDEM_CUDA=off
cp "$library" driver/libcuda.so.1
expect "a driver appears" on "a driver for cards has appeared"
expect "said once, too" kept ""
fresh
expect "nvcc and a driver from the start" on ""
expect "TANDEM_CUDA=off" off "" TANDEM_CUDA=off
cp nvidia-smi bin
expect "for the cards that are here" on "" TANDEM_CUDA=on
grep -q -- '-DTANDEM_CUDA_ARCHITECTURES=89 ' calls || fail "not for the card that is here"
expect "for those that are asked for" on "" TANDEM_CUDA=on TANDEM_CUDA_ARCHITECTURES='86;89'
grep -q -- '-DTANDEM_CUDA_ARCHITECTURES=86;89 ' calls || fail "not for the cards that were asked for"
if TANDEM_CUDA=yes "$checkout/tools/build.sh" build tandem 2>said; then fail "TANDEM_CUDA=yes is taken"; fi
grep -q 'TANDEM_CUDA is on or off, not yes' said || fail "TANDEM_CUDA=yes is not named"
