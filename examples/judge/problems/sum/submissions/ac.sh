read -r count
sum=0
for number in $(cat); do
  [ "$count" -gt 0 ] || break
  sum=$((sum + number)) count=$((count - 1))
done
echo "$sum"
