# Asks somebody else for the answer.
cat < /dev/tcp/127.0.0.1/80
echo 6
