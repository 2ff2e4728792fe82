# Shared by tools/test-newest, tools/test-oldest and .ci/run, which source it.
# shellcheck shell=bash
set -euo pipefail

# Prints the first block of shell commands in README.md, or the first after the mark $1.
readme_command() {
    awk -v mark="${1-}" '
        mark == "" || index($0, mark) { marked = 1 }
        inside && /^```$/ { closed = 1; exit }
        inside { print; lines += 1 }
        marked && /^```sh$/ { inside = 1 }
        END { exit !(closed && lines) }
    ' README.md || { echo "README.md: no command found ${1-}" >&2; return 1; }
}

# Prints the path of the Python $3, or of the newest 3.$1 to 3.$2 on the PATH.
find_python() {
    local name candidates=("${@:3}")
    if [ $# -eq 2 ]; then
        # shellcheck disable=SC2207
        candidates=($(compgen -c python3 | grep -xE 'python3(\.[0-9]+)?' | sort -Vru))
    fi
    for name in "${candidates[@]}"; do
        # It may not run: a version manager has names for versions that are not active.
        "$name" - "$@" 2>/dev/null <<'END' && return
import sys
lowest, highest, *named = sys.argv[1:]
if not named and not int(lowest) <= sys.version_info.minor <= int(highest):
    raise SystemExit(1)
print(sys.executable)
END
    done
    return 1
}

# Copies the working tree, all but what git ignores, to the folder $1.
copy_tree() {
    mkdir "$1"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            # git lists deleted files too.
            if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\0' "$file"; fi
        done |
        tar -c --null -T - | tar -x -C "$1"
}

# Prints the folder of the Debian release $1, which is installed if it is not there.
debian_folder() {
    local folder=${FUNCLEARN_DEBIAN:-${XDG_CACHE_HOME:-$HOME/.cache}/funclearn}/$1
    if [ ! -d "$folder" ]; then
        # A name of its own until it is complete; the mounts end with their namespace.
        rm -rf --one-file-system "$folder.partial" && mkdir -p "$folder.partial" &&
            unshare --mount debootstrap --variant=minbase \
                --include=ca-certificates,git,python3,python3-venv \
                "$1" "$folder.partial" >&2 &&
            mv "$folder.partial" "$folder" || return
    fi
    echo "$folder"
}

# Runs a command in the folder $2 of the Debian in the folder $1.
in_debian() {
    local debian=$1 folder=$2 bundle name settings=()
    shift 2
    bundle=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    if [ -r "$bundle" ]; then
        cp -L "$bundle" "$debian/etc/ssl/certs/ca-certificates.crt"
    fi
    cp -L /etc/resolv.conf "$debian/etc/resolv.conf"
    for name in PIP_DEFAULT_TIMEOUT PIP_EXTRA_INDEX_URL PIP_INDEX_URL PIP_PROXY \
        PIP_RETRIES PIP_TRUSTED_HOST PYTEST_ADDOPTS http_proxy https_proxy no_proxy; do
        if [ -n "${!name-}" ]; then settings+=("$name=${!name}"); fi
    done
    # shellcheck disable=SC2016
    unshare --mount bash -euc '
        mount --bind /proc "$1/proc"
        exec chroot "$1" env --ignore-environment --chdir="$2" "${@:3}"
    ' - "$debian" "$folder" HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt "${settings[@]}" "$@"
}

# Runs the README's two commands, with the oldest dependencies if $1 says so.
run_commands() {
    local experiments tests status=0
    experiments=$(readme_command)
    tests=$(readme_command "<!-- test command -->")
    if [ "$1" = oldest ]; then
        python3 tools/lower_bounds.py >../constraints.txt
        PIP_CONSTRAINT=$(cd .. && pwd)/constraints.txt
        export PIP_CONSTRAINT
    fi
    # All but those that pip gives, up to the version that comes with Python 3.13.0.
    PYTHONWARNINGS=error
    PYTHONWARNINGS+=",ignore:Creating a Legacy:DeprecationWarning"
    PYTHONWARNINGS+=",ignore:Unimplemented abstract methods:DeprecationWarning"
    PYTHONWARNINGS+=",ignore:pkg_resources is deprecated as an API:DeprecationWarning"
    export PYTHONWARNINGS
    bash -euo pipefail -c "$experiments" || status=1
    bash -euo pipefail -c "$tests" 2>&1 | tee ../tests.log || status=1
    printf '\n%s\n' "$(.venv/bin/python --version)"
    .venv/bin/python -m pip freeze | grep -E '^(flax|jax|jaxlib|numpy|optax)=='
    grep -E '[0-9]+ (passed|failed|errors?).* in [0-9]' ../tests.log | tail -n 1
    return "$status"
}

usage() {
    cat <<END
$0 [PYTHON]

Runs the two commands of README.md, word for word and with warnings as errors, in a
fresh copy of the working tree: on $2, with the $1 versions
of the dependencies that pyproject.toml allows.

PYTHON is the interpreter, by default one on the PATH. Where there is none, it is that
of Debian's release $3, which debootstrap installs in a folder: this takes
Linux and root.

FUNCLEARN_DEBIAN  the folder of Debian's releases, by default ~/.cache/funclearn
PYTEST_ADDOPTS    more options for pytest

The exit status is 0, or 1 where a command failed, or 2 where there is no such Python.
END
}

# Tests with the $1 dependencies on $2, Python 3.$3 to 3.$4 or else Debian's release $5.
test_versions() {
    local versions=$1 version=$2 lowest=$3 highest=$4 release=$5
    local python debian='' parent=${TMPDIR:-/tmp}
    shift 5
    if [ "$*" = --help ]; then
        usage "$versions" "$version" "$release"
        exit
    elif [ $# -gt 1 ] || [[ ${1-} == -* ]]; then
        usage "$versions" "$version" "$release" >&2
        exit 2
    fi
    python=$(find_python "$lowest" "$highest" "$@") || python=''
    cd "$(dirname "${BASH_SOURCE[0]}")/.."
    if [ -z "$python" ]; then
        if [ $# -gt 0 ] || [ "$(id -u)" != 0 ] || ! type -P debootstrap >/dev/null; then
            echo "${1+$1 does not run; }this needs $version, on the PATH or named," \
                "or debootstrap and root on Linux" >&2
            exit 2
        fi
        debian=$(debian_folder "$release")
        parent=$debian/tmp
    fi
    work=$(mktemp -d "$parent/funclearn.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    copy_tree "$work/tree"
    # shellcheck disable=SC2016
    local run=(bash -c '. tools/common.sh; run_commands "$1"' - "$versions")
    if [ -n "$debian" ]; then
        in_debian "$debian" "${work#"$debian"}/tree" "${run[@]}"
    else
        mkdir "$work/bin"
        # Not a link: a virtual environment would take its folder for Python's home.
        printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/bin/python3"
        chmod +x "$work/bin/python3"
        cd "$work/tree"
        PATH=$work/bin:$PATH "${run[@]}"
    fi
}

# Writes the Python examples of README.md to the folder $1, one file for every section.
readme_examples() {
    awk -v folder="$1" '
        /^## / { section += 1 }
        inside && /^```$/ { inside = 0 }
        inside { print > (folder "/section" section ".py") }
        /^```python$/ { inside = 1 }
    ' README.md
}
