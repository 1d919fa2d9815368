# White space within a line is.
import sys

for line in sys.stdin:
    print(*line.split())
