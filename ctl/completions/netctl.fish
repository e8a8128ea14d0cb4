# fish completion for netctl(1). netctl itself knows what may follow; ask it.
function __netctl_candidates
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l token (commandline --current-token --cut-at-cursor)
    set -l candidates ($words[1] __complete $words[2..-1] "$token" 2>/dev/null)
    if set -q candidates[1]
        printf '%s\n' $candidates
    else
        __fish_complete_path "$token"
    end
end
complete --command netctl --no-files --arguments '(__netctl_candidates)'
