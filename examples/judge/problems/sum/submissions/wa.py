import sys

# The count is no number of the sum.
print(sum(map(int, sys.stdin.read().split())))
