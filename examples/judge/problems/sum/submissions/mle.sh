# A text that doubles up to half a gigabyte.
text=0123456789abcdef0123456789abcdef
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24; do text=$text$text; done
sleep 1
echo 6
