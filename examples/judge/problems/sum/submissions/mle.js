// Half a gigabyte, each page of it touched.
const pieces = [];
for (let piece = 0; piece < 512; piece++) pieces.push(Buffer.alloc(1 << 20, "x"));
setTimeout(() => console.log(6), 1000);
