# Many short processes, none of which uses much time.
while :; do (: "$((1 + 1))"); done
