# Completion of hakmemctl(8) for bash.

_hakmemctl() {
  local cur prev words cword
  _init_completion || return
  local command=${words[1]-} i

  if ((cword == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'run compare profile enable disable status ps stat options check help --help --version' -- "$cur")
    return
  fi
  # Behind the options of run and compare comes another command line.
  if [[ $command == run || $command == compare ]]; then
    for ((i = 2; i < cword; i++)); do
      case ${words[i]} in
        -o | -l | -n | -w | --option | --library | --runs | --with) ((i++)) ;;
        --) ((i++)); break ;;
        -*) ;;
        *) break ;;
      esac
    done
    if ((i <= cword)) && [[ $cur != -* || ${words[i - 1]} == -- ]] &&
      [[ $prev != -[olnw] && $prev != --@(option|library|runs|with) ]]; then
      _command_offset "$i"
      return
    fi
  fi

  case $prev in
    -r | --root) _filedir -d; return ;;
    -l | --library) _filedir so; return ;;
    --file) _filedir; return ;;
    -p | --program) mapfile -t COMPREPLY < <(compgen -c -- "$cur"); return ;;
    -f | --for) mapfile -t COMPREPLY < <(compgen -W '10min 30min 1h 1d' -- "$cur"); return ;;
    -o | --option | -n | --runs | -w | --with) return ;;
  esac
  local options=--help
  case $command in
    run) options+=' --option --library' ;;
    profile) options+=' --rate --file --live --quiet --option --library' ;;
    compare) options+=' --runs --library --with --output --json' ;;
    enable) options+=' --for --root --library' ;;
    disable) options+=' --root --if-expired' ;;
    status) options+=' --root --json' ;;
    ps) options+=' --json' ;;
    stat)
      options+=' --json'
      if [[ $cur != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(hakmemctl ps 2>/dev/null | awk 'NR > 1 { print $1 }')" -- "$cur")
        return
      fi
      ;;
    options) options+=' --program --file --json' ;;
    check)
      if [[ $cur != -* ]]; then
        _filedir
        return
      fi
      ;;
    help) options='run compare profile enable disable status ps stat options check' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
} &&
  complete -F _hakmemctl hakmemctl
