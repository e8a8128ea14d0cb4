# fish completion for netctl(1). netctl itself knows what may follow; ask it.
function __netctl_candidates
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    $words[1] __complete $words[2..-1] (commandline --current-token --cut-at-cursor) 2>/dev/null
end
complete --command netctl --arguments '(__netctl_candidates)'
