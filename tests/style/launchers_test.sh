#!/usr/bin/env bash
# The launchers, in a checkout whose program and builder are replaced by ones that tell how they were called: the
# builder runs only when needed, arguments and current directory arrive as they are, also through links.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
checkout="$folder/a checkout"
mkdir -p "$checkout"/{runtime,ops,models,quant,dist,tools,third_party} "$folder/elsewhere"
touch "$checkout/CMakeLists.txt" "$checkout/ops/add.cpp"
cp tandem train "$checkout"
cp tools/cards.sh "$checkout/tools"
# A driver is any library of its name that the loader takes; nvcc any program. Without them is how it starts.
unset TANDEM_CUDA
export PATH=/usr/bin:/bin CUDA_HOME=$folder/cuda LD_LIBRARY_PATH=$folder/driver
nvcc() { mkdir -p "$CUDA_HOME/bin" && cp "$(type -P true)" "$CUDA_HOME/bin/nvcc"; }
library=$(ldd "$(type -P true)" | sed -nE 's/.*libc\.so\.6 => (\S+) .*/\1/p')
driver() { mkdir -p "$1" && cp "$library" "$1/libcuda.so.1"; }
cat >"$checkout/tools/build.sh" <<'END'
#!/usr/bin/env bash
set -euo pipefail
echo "built $*"
root=$(dirname "$(dirname "${BASH_SOURCE[0]}")")
mkdir -p "$root/build"
source "$root/tools/cards.sh"
cuda_choice >"$root/build/.cuda"
printf '#!/usr/bin/env bash\nprintf "%%s|" "$PWD" "$@"; exit 3\n' >"$root/build/tandem"
chmod +x "$root/build/tandem"
echo "$root" >"$root/build/.built-tandem"
END
chmod +x "$checkout/tools/build.sh"
ln -s "$checkout/train" "$folder/link"
cd "$folder/elsewhere"

expect() {  # NAME STDOUT STDERR COMMAND…
    local name=$1 out=$2 err=$3 status=0
    shift 3
    "$@" >"$folder/out" 2>"$folder/err" || status=$?
    if [[ $status != 3 || $(<"$folder/out") != "$out" || $(<"$folder/err") != "$err" ]]; then
        printf '%s: status %s, stdout "%s", stderr "%s"\n' "$name" "$status" "$(<"$folder/out")" "$(<"$folder/err")"
        exit 1
    fi
}

here="$folder/elsewhere|train|"
expect "first start builds" "$here--model|my model|" "built build tandem" "$folder/link" --model "my model"
expect "second start does not" "$here" "" "$folder/link"
expect "tandem adds no command" "$folder/elsewhere|plan|" "" "$checkout/tandem" plan
sleep 0.01
touch "$checkout/ops/add.cpp"
expect "a changed source builds" "$here" "built build tandem" "$folder/link"
sleep 0.01
touch "$checkout/runtime/new.h"
expect "an added source builds" "$here" "built build tandem" "$folder/link"
sleep 0.01
rm "$checkout/runtime/new.h"
expect "a removed source builds" "$here" "built build tandem" "$folder/link"
expect "then not again" "$here" "" "$folder/link"

# A build whose log is lost is a build.
lost() {  # NAME COMMAND…
    local name=$1 status=0
    shift
    sleep 0.01
    touch "$checkout/ops/add.cpp"
    "$@" || status=$?
    if [[ $status != 3 || "$checkout/ops/add.cpp" -nt "$checkout/build/.built-tandem" ]]; then
        echo "$name: status $status, not built" >&3
        exit 1
    fi
}
exec 3>&1
lost "stderr closed" "$folder/link" >/dev/null 2>&-
lost "all closed" "$folder/link" <&- >&- 2>&-
lost "stderr full" "$folder/link" >/dev/null 2>/dev/full
lost "no reader of stderr" "$folder/link" >/dev/null 2> >(:)

nvcc
expect "nvcc alone does not" "$here" "" "$folder/link"
expect "TANDEM_CUDA=on does" "$here" "built build tandem" env TANDEM_CUDA=on "$folder/link"
expect "once" "$here" "" env TANDEM_CUDA=on "$folder/link"
expect "a build for cards stays" "$here" "" "$folder/link"
expect "but for TANDEM_CUDA=off" "$here" "built build tandem" env TANDEM_CUDA=off "$folder/link"
driver "$folder/driver"
expect "TANDEM_CUDA=off stays" "$here" "" env TANDEM_CUDA=off "$folder/link"
expect "a driver builds" "$here" "built build tandem" "$folder/link"
expect "and once" "$here" "" "$folder/link"
rm "$folder/driver/libcuda.so.1"
expect "a driver that is gone does not" "$here" "" "$folder/link"

mv "$checkout" "$folder/moved"
expect "a moved checkout builds" "$here" "built build tandem" "$folder/moved/train"
