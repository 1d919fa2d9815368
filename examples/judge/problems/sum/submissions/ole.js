// The same line, again and again: 16 MiB of them.
const fs = require("fs");
for (let piece = 0; piece < 1 << 11; piece++) fs.writeSync(1, "0123456\n".repeat(1 << 10));
