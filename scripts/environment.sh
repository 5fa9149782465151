# Sourced by the scripts beside it, in the root of the checkout. Needs git and Python 3.11 or later.
# Everything that is made lies in the checkout (.venv, .cache); only pip and uv keep their caches
# where they always do.

UV_VERSION=0.13.9

# What the person's shell has set must not reach the tap, uv or Meltano.
unset "${!TAP_ADVEXPORT_@}" "${!TARGET_@}" "${!MELTANO_@}" VIRTUAL_ENV UV_PROJECT UV_PYTHON
# Without bytecode on disk every process compiles all that it imports, which takes several times as
# long as the rest of its start.
unset PYTHONDONTWRITEBYTECODE

export TMPDIR="$PWD/.cache/tmp"
export UV_PROJECT_ENVIRONMENT="$PWD/.venv"
export UV_PYTHON_DOWNLOADS=never
export PIP_DISABLE_PIP_VERSION_CHECK=1

step() { printf '\n== %s\n' "$*"; }

fail() {
  printf '\n%s: %s\n' "$0" "$*" >&2
  exit 1
}

# Print the first Python that is new enough, if possible one that can make environments. That of the
# system comes first: unlike most that are built from source, it is compiled with optimizations, and
# everything takes a sixth less time.
find_python() {
  local candidate needs
  for needs in "sys, ensurepip" sys; do
    for candidate in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11 python; do
      if "$candidate" -c "import $needs; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
        command -v "$candidate"
        return
      fi
    done
  done
  return 1
}

# Install uv in the checkout, then the tap, the sandbox and their tools, as locked.
set_up_environment() {
  local python
  command -v git >/dev/null || fail "git is not installed"
  python="$(find_python)" || fail "no Python 3.11 or later on PATH"
  mkdir -p "$TMPDIR"
  if [[ "$(.cache/uv/bin/uv --version 2>/dev/null)" != "uv $UV_VERSION"* ]]; then
    "$python" -m venv --clear .cache/uv ||
      fail "$python cannot make a virtual environment (Debian: install python3-venv)"
    .cache/uv/bin/python -m pip install --quiet "uv==$UV_VERSION" || fail "uv cannot be installed"
  fi
  .cache/uv/bin/uv sync --quiet --locked --python "$python" ||
    fail "the packages of uv.lock cannot be installed"
  export PATH="$PWD/.venv/bin:$PWD/.cache/uv/bin:$PATH"
}
