# Counts them instead.
wc -w
