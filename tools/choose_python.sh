#!/bin/sh
# Print a Python that this project supports, or one line on stderr that says what to do.
#     tools/choose_python.sh "3.11 3.12 3.13"            the first of them that runs here
#     tools/choose_python.sh "3.11 3.12 3.13" PYTHON     this one, if it is one of them
set -u
supported=$1
given=${2:-}
wanted=$(echo "$supported" | sed 's/ /, /g; s/, \([^,]*\)$/ or \1/')

fail() {
    echo "error: $1" >&2
    exit 1
}

# Print "3.12"; print nothing if it does not run: pyenv has names of versions that are switched off.
version_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_supported() {
    case " $supported " in
    *" $1 "*) return 0 ;;
    *) return 1 ;;
    esac
}

# Print a command for this host's package manager, or else one that works on every Linux.
how_to_install() {
    for version in $supported; do
        if apt-cache show "python$version-venv" >/dev/null 2>&1; then
            echo "apt-get install python$version-venv"
            return
        fi
    done
    if command -v dnf >/dev/null; then
        echo "dnf install python3.12"
    else
        echo "pyenv install 3.12 && pyenv global 3.12, or: uv python install 3.12"
    fi
}

if [ -n "$given" ]; then
    version=$(version_of "$given") || fail "$given does not run; give PYTHON= a Python $wanted"
    is_supported "$version" || fail "$given is Python $version; give PYTHON= a Python $wanted"
    echo "$given"
    exit
fi
for name in $(printf 'python%s ' $supported) python3; do
    version=$(version_of "$name") || continue
    if is_supported "$version"; then
        echo "$name"
        exit
    fi
done
version=$(version_of python3) && here="Python $version" || here="no Python"
fail "$here is here, but Python $wanted is needed: install it ($(how_to_install)) or name it (PYTHON=/path/to/python)"
